//! How requests name entities and backups.

use koan_backup_http_tests::ADMIN;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::client::{Client, answer};

#[tokio::test(flavor = "multi_thread")]
async fn an_entity_is_named_by_its_name_or_table_in_any_case() {
    let client = Client::start().await;
    let id = client.backup("nightly").await;
    for entity in ["User", "user", "USER", "users", "Users"] {
        let listed = client.get(&format!("/backup/{entity}")).await.body;
        assert_eq!(listed["items"][0]["id"], id.as_str(), "{entity}: {listed}");
    }
    let unknown = client.get("/backup/Usr").await.problem(StatusCode::NOT_FOUND, "not-found");
    assert!(unknown.contains("did you mean `User`?"), "{unknown}");
    client.get("/backup/payments").await.problem(StatusCode::NOT_FOUND, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_named_by_id_digits_name_latest_or_time() {
    let client = Client::start().await;
    let id = client.backup("nightly").await;
    let manifest = client.get(&format!("/api/backup/manifests/{id}")).await.body;
    let created = manifest["createdAt"].as_str().expect("a time");
    let second = format!("{}Z", created[..19].replace(':', "-"));
    for at in [id.as_str(), &id[id.len() - 8..], "latest", &second] {
        let info = client.get(&format!("/backup/users/{at}/info")).await;
        assert_eq!(info.body["id"], id.as_str(), "{at}: {info:?}");
    }
    assert_eq!(client.get("/api/backup/manifests/nightly").await.body["id"], id.as_str());
    for at in ["nightly", "2001-01-01T00-00-00Z", "00000000", "00000000-0000-7000-8000-000000000000"] {
        client.get(&format!("/backup/users/{at}/info")).await.problem(StatusCode::NOT_FOUND, "not-found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_application_has_its_own_routes_beside_the_api() {
    let client = Client::start().await;
    let own = answer(client.bare(Method::GET, "/api/users/7")).await;
    assert_eq!(own.body, json!("a user of the application"));
    assert_eq!(client.get("/api/users/backups").await.body["totalCount"], 0);
    let missing = answer(client.request(Method::GET, "/api/nothing/at/all", ADMIN)).await;
    missing.problem(StatusCode::NOT_FOUND, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_spelling_of_a_path_avoids_the_token() {
    let client = Client::start().await;
    for path in [
        "/ops/api/backup/manifests",
        "/ops//api/backup/manifests",
        "/ops/healthz/../api/backup/manifests",
        "/ops/%2e%2e/ops/api/backup/manifests",
        "/ops/api/backup/manifests/",
        "/ops/API/BACKUP/MANIFESTS",
        "/ops/api%2fbackup%2fmanifests",
        "/ops/backup/users/latest/info",
        "/ops/openapi.json",
        "/ops/metrics",
    ] {
        let answered = answer(client.bare(Method::GET, path)).await;
        let is_refused =
            answered.status == StatusCode::UNAUTHORIZED || answered.status == StatusCode::NOT_FOUND;
        assert!(is_refused, "{path}: {answered:?}");
        assert!(answered.body.get("items").is_none(), "{path}: {answered:?}");
    }
}
