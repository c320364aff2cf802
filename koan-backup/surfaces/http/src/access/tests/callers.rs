//! Who is a caller, and what its role permits.

use axum::http::request::Parts;
use jiff::{SignedDuration, Timestamp};

use super::server::{Server, settings, start, until_refused};
use crate::access::gate::{Access, AccessSettings};
use crate::access::principal::Principal;
use crate::access::role::Role;
use crate::access::tokens::Tokens;

fn bearer(secret: &str) -> String {
    format!("Authorization: Bearer {secret}")
}

#[tokio::test]
async fn each_role_reaches_its_routes_only() {
    let (secrets, server) = start().await;
    let routes = [
        ("GET", "/ops/records", 0),
        ("POST", "/ops/backup/create", 1),
        ("GET", "/ops/backup/a/create", 1),
        ("DELETE", "/ops/backup/a", 2),
    ];
    for (rank, secret) in [&secrets.viewer, &secrets.operator, &secrets.admin].into_iter().enumerate() {
        for (method, path, required) in routes {
            let answer = server.send(method, path, &[&bearer(secret)], "").await;
            let expected = if rank >= required { 200 } else { 403 };
            assert_eq!(answer.status, expected, "{method} {path} with rank {rank}: {answer:?}");
            if expected == 403 {
                let role = ["viewer", "operator", "admin"][required];
                assert!(answer.body.contains(&format!("needs the role `{role}`")), "{answer:?}");
            }
        }
    }
    assert_eq!(server.changes(), 5, "a refused request changed something");
}

#[tokio::test]
async fn a_request_without_a_valid_token_is_refused() {
    let (secrets, server) = start().await;
    let viewer = &secrets.viewer;
    let refused: Vec<Vec<String>> = vec![
        vec![],
        vec!["Authorization: Bearer".to_owned()],
        vec!["Authorization: Bearer ".to_owned()],
        vec![format!("Authorization: {viewer}")],
        vec![format!("Authorization: Basic {viewer}")],
        vec![bearer(&viewer[..viewer.len() - 1])],
        vec![bearer(&format!("{viewer}x"))],
        vec![bearer(&viewer.to_uppercase())],
        vec![bearer(viewer), bearer(viewer)],
        vec![bearer(viewer), "Authorization: Basic eDp5".to_owned()],
        vec![format!("Proxy-Authorization: Bearer {viewer}")],
        vec![format!("X-Api-Key: {viewer}")],
        vec![format!("Cookie: koan_session={viewer}")],
        vec![bearer(&"x".repeat(100_000))],
    ];
    for headers in refused {
        let headers: Vec<_> = headers.iter().map(String::as_str).collect();
        let answer = server.get("/ops/records", &headers).await;
        assert!(matches!(answer.status, 401 | 429), "{headers:?}: {answer:?}");
        assert!(!answer.body.contains(viewer.as_str()), "the answer repeats a token");
        if answer.status == 401 {
            assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"koan-backup\""));
        }
    }
    for scheme in ["bearer", "BEARER", "bEARER"] {
        let answer = server.get("/ops/records", &[&format!("Authorization: {scheme} {viewer}")]).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "records for reader"));
    }
    assert_eq!(server.get("/ops/healthz", &[]).await.status, 200, "the public route needs a token");
}

#[tokio::test]
async fn a_token_in_a_query_string_is_refused_even_if_the_header_is_valid() {
    let (secrets, server) = start().await;
    let header = bearer(&secrets.viewer);
    for path in ["/ops/records", "/ops/healthz", "/ops/no-such-route"] {
        for query in
            [format!("token={}", secrets.viewer), "access_token=x".to_owned(), format!("q={}", secrets.admin)]
        {
            for headers in [vec![], vec![header.as_str()]] {
                let answer = server.get(&format!("{path}?{query}"), &headers).await;
                assert_eq!(answer.status, 401, "{path}?{query} {headers:?}: {answer:?}");
                assert!(answer.body.contains("query string"), "the reason is not named: {answer:?}");
                assert!(!answer.body.contains("koan_"), "the answer repeats the token");
            }
        }
    }
}

#[tokio::test]
async fn no_spelling_of_a_path_avoids_authentication() {
    let (secrets, server) = start().await;
    let spellings = [
        "/ops/records",
        "/ops//records",
        "//ops/records",
        "/ops/records/",
        "/ops/records//",
        "/ops/%72ecords",
        "/ops/RECORDS",
        "/OPS/records",
        "/ops/./records",
        "/ops/healthz/../records",
        "/ops/healthz/%2e%2e/records",
        "/ops/healthz%2f..%2frecords",
        "/ops/healthz/",
        "/ops/healthz//",
        "/ops/healthz/records",
        "/ops/healthz;/records",
        "/ops/healthz%00",
        "/ops%2frecords",
        "/ops/%2e%2e/ops/records",
        "/ops/session/../records",
        "/ops\\records",
        "/ops/records%20",
        "/ops/records%3f",
        "http://localhost/ops/records",
        "http://evil.example/ops/healthz/../records",
        "/ops/session/x",
        "*",
    ];
    for path in spellings {
        for method in ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"] {
            let answer = server.send(method, path, &[], "").await;
            assert!(
                !(200..400).contains(&answer.status),
                "{method} {path} is answered without a token: {answer:?}"
            );
            assert!(!answer.body.contains("records for"), "{method} {path} reads records");
            let is_below = path.starts_with("/ops/") && !path.contains('\\');
            assert!(!is_below || answer.status == 401, "{method} {path} shows whether it exists: {answer:?}");
        }
    }
    for (method, status) in [("HEAD", 200), ("OPTIONS", 405), ("PUT", 405)] {
        let answer = server.send(method, "/ops/records", &[&bearer(&secrets.viewer)], "").await;
        assert_eq!(answer.status, status, "{method} with a token");
    }
    let unknown = server.get("/ops/unknown", &[&bearer(&secrets.viewer)]).await;
    assert_eq!((unknown.status, unknown.header("content-type")), (404, Some("application/problem+json")));
}

#[tokio::test]
async fn a_route_that_requires_no_role_is_not_answered() {
    let (secrets, server) = start().await;
    let answer = server.get("/ops/without-role", &[&bearer(&secrets.admin)]).await;
    assert_eq!(answer.status, 500);
    assert!(!answer.body.contains("without role"), "the answer of the handler is sent");
}

#[tokio::test]
async fn an_expired_token_ends_its_live_session() {
    let (secret, entry) = Tokens::generate("short", Role::Viewer).expect("a token");
    let entry = entry.expires(Timestamp::now() + SignedDuration::from_secs(5));
    let tokens = Tokens::new().entry(entry).expect("valid");
    let server = Server::start(AccessSettings { tokens, ..AccessSettings::default() }).await;
    let cookie = server.sign_in(secret.expose()).await;
    until_refused(&server, &cookie).await;
    let answer = server.get("/ops/records", &[&bearer(secret.expose())]).await;
    assert!(answer.status == 401 && answer.body.contains("the token `short` has expired"), "{answer:?}");
    assert_eq!(server.get("/ops/records", &[&cookie]).await.status, 401);
}

#[tokio::test]
async fn a_removed_token_ends_its_live_session() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("tokens.toml");
    let (secret, entry) = Tokens::generate("ci", Role::Operator).expect("a token");
    std::fs::write(&path, entry.to_string()).expect("the file is written");
    let tokens = Tokens::file(&path).expect("the file is valid");
    let server = Server::start(AccessSettings { tokens, ..AccessSettings::default() }).await;
    let cookie = server.sign_in(secret.expose()).await;
    assert_eq!(server.post("/ops/backup/create", &[&cookie]).await.status, 200);
    std::fs::write(&path, "this is not TOML").expect("the file is written");
    while server.access.problems().is_empty() {
        assert_eq!(
            server.post("/ops/backup/create", &[&cookie]).await.status,
            200,
            "an invalid file ends the session"
        );
    }
    std::fs::write(&path, "# no tokens").expect("the file is written");
    until_refused(&server, &cookie).await;
    assert_eq!(server.get("/ops/records", &[&bearer(secret.expose())]).await.status, 401);
    assert!(server.access.problems().is_empty(), "{:?}", server.access.problems());
}

#[tokio::test]
async fn the_application_supplies_callers_which_have_no_identity_of_a_token() {
    let (secrets, mut settings) = settings();
    settings.authenticator = Some(std::sync::Arc::new(|request: &Parts| {
        let user = request.headers.get("x-user")?.to_str().ok()?;
        Principal::new(user, Role::Operator).ok()
    }));
    let server = Server::start(settings).await;
    let answer = server.get("/ops/records", &["X-User: alice"]).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "records for alice"));
    assert_eq!(server.send("DELETE", "/ops/backup/a", &["X-User: alice"], "").await.status, 403);
    assert_eq!(server.get("/ops/records", &[]).await.status, 401);
    let forged = ["X-User: alice", "Sec-Fetch-Site: cross-site"];
    assert_eq!(server.post("/ops/backup/create", &forged).await.status, 403, "another site uses its cookie");
    assert_eq!(
        server.get("/ops/records", &[&bearer(&secrets.viewer), "X-User: bob"]).await.body,
        "records for reader"
    );
}

#[tokio::test]
async fn a_server_without_tokens_accepts_direct_requests_of_this_machine_only() {
    let server =
        Server::start(AccessSettings { loopback: Some(Role::Admin), ..AccessSettings::default() }).await;
    assert_eq!(server.get("/ops/records", &[]).await.body, "records for local");
    for header in
        ["Host: evil.example", "X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1", "Via: 1.1 proxy"]
    {
        assert_eq!(server.get("/ops/records", &[header]).await.status, 401, "{header}");
    }
    for header in ["Sec-Fetch-Site: cross-site", "Origin: https://evil.example", "Origin: null"] {
        assert_eq!(server.post("/ops/backup/create", &[header]).await.status, 403, "{header}");
    }
    assert_eq!(server.changes(), 0);
    assert_eq!(server.post("/ops/backup/create", &[]).await.status, 200);
}

#[test]
fn a_server_that_nobody_can_use_or_whose_tokens_are_bypassed_is_refused() {
    assert!(Access::new(AccessSettings::default()).is_err());
    let (_, mut settings) = settings();
    settings.loopback = Some(Role::Admin);
    assert!(Access::new(settings).is_err());
}
