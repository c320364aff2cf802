//! Which role each route needs.

use koan_backup_http_tests::{ADMIN, OPERATOR, VIEWER};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::client::{Client, answer};

/// Every route with the role that it needs. The variables have values that exist nowhere, so that a permitted request
/// ends with another problem than 401 or 403.
const ROUTES: &[(&str, &str, &str)] = &[
    ("get", "/backup/capabilities", VIEWER),
    ("post", "/backup/create", OPERATOR),
    ("get", "/backup/create", OPERATOR),
    ("get", "/backup/{entity}/create", OPERATOR),
    ("get", "/backup/{entity}", VIEWER),
    ("get", "/backup/{entity}/{at}/info", VIEWER),
    ("get", "/backup/{entity}/{at}/download", ADMIN),
    ("delete", "/backup/{entity}/{at}", ADMIN),
    ("post", "/backup/{entity}/{at}/restore", OPERATOR),
    ("post", "/api/backup/all", OPERATOR),
    ("post", "/api/backup/selective", OPERATOR),
    ("post", "/api/backup/restore/{backup}", OPERATOR),
    ("post", "/api/backup/restore/{backup}/test", OPERATOR),
    ("post", "/api/{entity}/backup", OPERATOR),
    ("get", "/api/{entity}/backups", VIEWER),
    ("post", "/api/{entity}/restore/{backup}", OPERATOR),
    ("get", "/api/backup/manifests", VIEWER),
    ("get", "/api/backup/manifests/{backup}", VIEWER),
    ("delete", "/api/backup/manifests/{backup}", ADMIN),
    ("put", "/api/backup/manifests/{backup}/pin", OPERATOR),
    ("delete", "/api/backup/manifests/{backup}/pin", ADMIN),
    ("get", "/api/backup/manifests/{backup}/download", ADMIN),
    ("post", "/api/backup/verify/{backup}", OPERATOR),
    ("post", "/api/backup/copy/{backup}", OPERATOR),
    ("post", "/api/backup/rekey/{backup}", ADMIN),
    ("post", "/api/backup/recover", ADMIN),
    ("post", "/api/backup/maintenance", OPERATOR),
    ("get", "/api/streams", VIEWER),
    ("post", "/api/streams/{object}/backup", OPERATOR),
    ("post", "/api/streams/{object}/{id}/backup", OPERATOR),
    ("post", "/api/streams/{object}/{id}/restore/{backup}", ADMIN),
    ("post", "/api/streams/{object}/{id}/clone/{backup}", ADMIN),
    ("get", "/api/streams/{object}/{id}/backups", VIEWER),
    ("get", "/api/stream-backups", VIEWER),
    ("get", "/api/stream-backups/{backup}", VIEWER),
    ("post", "/api/stream-backups/{backup}/verify", OPERATOR),
    ("delete", "/api/stream-backups/{backup}", ADMIN),
    ("post", "/api/stream-backups/cleanup", ADMIN),
    ("get", "/api/backup/status", VIEWER),
    ("get", "/api/backup/statistics", VIEWER),
    ("get", "/api/backup/inventory", VIEWER),
    ("post", "/api/backup/inventory/refresh", OPERATOR),
    ("get", "/api/backup/health", VIEWER),
    ("get", "/api/backup/diff/{before}/{after}", VIEWER),
    ("post", "/api/backup/acknowledge/{backup}", ADMIN),
    ("get", "/api/backup/operations", VIEWER),
    ("get", "/api/backup/operations/{id}", VIEWER),
    ("get", "/api/backup/operations/{id}/events", VIEWER),
    ("post", "/api/backup/operations/{id}/cancel", OPERATOR),
    ("get", "/api/backup/retention/plan", VIEWER),
    ("post", "/api/backup/retention/apply", ADMIN),
    ("get", "/openapi.json", VIEWER),
    ("get", "/docs", VIEWER),
    ("get", "/docs/style.css", VIEWER),
];

/// The routes that need no token.
const PUBLIC: &[&str] = &["/healthz", "/readyz", "/session"];

fn address(path: &str) -> String {
    let values = [
        ("{entity}", "users"),
        ("{at}", "00000000"),
        ("{backup}", "absent"),
        ("{id}", "x"),
        ("{object}", "order"),
        ("{before}", "a"),
        ("{after}", "b"),
    ];
    values.iter().fold(path.to_owned(), |path, (name, value)| path.replace(name, value))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_is_in_the_document_and_needs_its_role() {
    let (client, _) = Client::with_streams().await;
    let document = client.get("/openapi.json").await.body;
    let mut documented: Vec<(String, String)> = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        documented
            .extend(item.as_object().expect("methods").keys().map(|method| (method.clone(), path.clone())));
    }
    documented.retain(|(_, path)| !PUBLIC.contains(&path.as_str()));
    documented.sort();
    let mut known: Vec<_> =
        ROUTES.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    known.sort();
    assert_eq!(documented, known, "the table of this test lists every route");

    for (method, path, role) in ROUTES {
        let shown = &document["paths"][path][method]["x-koan-role"];
        let name = [(VIEWER, "viewer"), (OPERATOR, "operator"), (ADMIN, "admin")]
            .into_iter()
            .find(|(token, _)| token == role)
            .map(|(_, name)| name);
        assert_eq!(shown.as_str(), name, "the documentation of {method} {path} names the role");
        let verb = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
        let address = address(path);
        let anonymous = answer(client.bare(verb.clone(), &format!("/ops{address}"))).await;
        anonymous.problem(StatusCode::UNAUTHORIZED, "unauthenticated");
        for (token, rank) in [(VIEWER, 0), (OPERATOR, 1), (ADMIN, 2)] {
            let needed = [VIEWER, OPERATOR, ADMIN].iter().position(|known| known == role).expect("a role");
            let mut request = client.request(verb.clone(), &address, token);
            if address.contains("/restore") {
                // A restore that writes needs the role of an admin, as another test shows.
                request = request.json(&json!({ "dryRun": true }));
            }
            let answered = answer(request).await;
            let is_refused = answered.status == StatusCode::FORBIDDEN;
            assert_eq!(is_refused, rank < needed, "{method} {path} with role {rank}: {answered:?}");
            assert!(!answered.status.is_server_error(), "{method} {path}: {answered:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_the_address_is_refused() {
    let client = Client::start().await;
    let wrong = answer(client.request(Method::GET, "/backup/capabilities", "koan_wrong")).await;
    wrong.problem(StatusCode::UNAUTHORIZED, "unauthenticated");
    for path in
        [format!("/api/backup/manifests?token={ADMIN}"), format!("/backup/capabilities?access_token={ADMIN}")]
    {
        let bare = answer(client.bare(Method::GET, &format!("/ops{path}"))).await;
        assert!(bare.status.is_client_error(), "{bare:?}");
        assert!(!bare.body.to_string().contains(ADMIN), "the token is not repeated: {bare:?}");
    }
}
