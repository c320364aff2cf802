//! Backups that requests start.

use koan_backup_http_tests::OPERATOR;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::client::{Client, answer};

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_accepted_and_its_operation_ends_with_the_result() {
    let client = Client::start().await;
    let accepted =
        client.post("/backup/create", &json!({ "name": "nightly", "reason": "before the release" })).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED, "{accepted:?}");
    assert_eq!(accepted.body["kind"], "backup");
    assert_eq!(accepted.body["backupName"], "nightly");
    assert!(
        accepted.body["statusUrl"].as_str().is_some_and(|url| url.starts_with("/ops/api/backup/operations/"))
    );
    let ended = client.ended(&accepted.body).await;
    assert_eq!(ended["status"], "completed", "{ended}");
    assert_eq!(ended["progress"]["percentComplete"], 100);
    assert_eq!(ended["cancelUrl"], json!(null), "an operation that has ended cannot be cancelled");
    assert_eq!(
        ended["result"]["entityCount"], 20,
        "`entityCount` is the number of records, as in the original"
    );
    assert_eq!(ended["result"]["vectorCount"], 0);
    let duration = ended["result"]["duration"].as_str().expect("a duration").to_owned();
    assert!(duration.len() == "00:00:00.000".len() && duration.starts_with("00:"), "{duration}");
    let id = ended["result"]["backupId"].as_str().expect("an id").to_owned();
    let manifest = client.get(&format!("/api/backup/manifests/{id}")).await;
    assert_eq!(manifest.body["triggeredBy"], "token:root", "the manifest records who started the backup");
    assert_eq!(manifest.body["reason"], "before the release");
    assert_eq!(manifest.body["version"], "1");
    assert_eq!(manifest.body["entities"][0]["entityType"], "Order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_receives_the_result() {
    let client = Client::start().await;
    for request in [
        client.request(Method::POST, "/backup/create?wait=true", OPERATOR),
        client.request(Method::POST, "/api/backup/all", OPERATOR).header("prefer", "respond-async, wait=30"),
        client.request(
            Method::GET,
            "/backup/create?wait=true&name=by-link&entities=User&tags=a&tags=b",
            OPERATOR,
        ),
        client.request(Method::GET, "/backup/users/create?wait=true", OPERATOR),
        client
            .request(Method::POST, "/api/User/backup?wait=true", OPERATOR)
            .json(&json!({ "batchSize": 100 })),
    ] {
        let made = answer(request).await;
        assert_eq!(made.status, StatusCode::OK, "{made:?}");
        assert!(made.body["sizeBytes"].as_u64().is_some_and(|size| size > 0), "{made:?}");
    }
    let listed = client.get("/api/backup/manifests?search=by-link").await.body;
    assert_eq!(listed["items"][0]["tags"], json!(["a", "b"]), "{listed}");
    assert_eq!(listed["items"][0]["entityCount"], 1, "only the selected entity was backed up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selective_backup_selects_and_every_option_has_its_effect() {
    let client = Client::start().await;
    let body = json!({
        "name": "selected", "description": "for the audit", "tags": ["audit"], "metadata": { "ticket": "42" },
        "storageProfile": "local", "excludeEntityTypes": ["Order"], "includeProviders": ["sqlite"],
        "maxConcurrency": 2, "continueOnError": false, "batchSize": 500,
        "compressData": true, "compressionLevel": "SmallestSize", "verifyAfterBackup": true,
        "includeSchemaSnapshot": false,
    });
    let made = client.post("/api/backup/selective?wait=true", &body).await;
    assert_eq!(made.status, StatusCode::OK, "{made:?}");
    assert!(made.body["verifiedAt"].is_string(), "`verifyAfterBackup` verifies: {made:?}");
    let id = made.body["backupId"].as_str().expect("an id").to_owned();
    let manifest = client.get(&format!("/api/backup/manifests/{id}")).await.body;
    assert_eq!(manifest["description"], "for the audit");
    assert_eq!(manifest["metadata"], json!({ "ticket": "42" }));
    let entities = manifest["entities"].as_array().expect("entities");
    assert_eq!(entities.iter().map(|e| e["entityType"].as_str()).collect::<Vec<_>>(), [Some("User")]);
    let nothing = client.post("/api/backup/all?wait=true", &json!({ "excludeProviders": ["main"] })).await;
    assert!(nothing.status.is_client_error(), "no entity is left: {nothing:?}");
    let uncompressed =
        client.post("/api/backup/all?wait=true", &json!({ "name": "large", "compressData": false })).await;
    let id = uncompressed.body["backupId"].as_str().expect("an id").to_owned();
    let manifest = client.get(&format!("/api/backup/manifests/{id}")).await.body;
    assert_eq!(
        manifest["entities"][0]["compressedBytes"], manifest["entities"][0]["sizeBytes"],
        "{manifest}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_with_the_same_key_starts_one_backup() {
    let client = Client::start().await;
    let send = async |body: serde_json::Value| {
        let request = client.request(Method::POST, "/api/backup/all", OPERATOR).json(&body);
        answer(request.header("idempotency-key", "release-1")).await
    };
    let (first, second) = (send(json!({ "name": "once" })).await, send(json!({ "name": "once" })).await);
    assert_eq!(first.body["operationId"], second.body["operationId"], "{first:?} {second:?}");
    client.ended(&first.body).await;
    send(json!({ "name": "other" })).await.problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request");
    let listed = client.get("/api/backup/manifests").await.body;
    assert_eq!(listed["totalCount"], 1, "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_of_another_site_starts_nothing() {
    let client = Client::start().await;
    for (header, value) in
        [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("sec-purpose", "prefetch")]
    {
        let request = client.request(Method::GET, "/backup/create", OPERATOR).header(header, value);
        answer(request).await.problem(StatusCode::FORBIDDEN, "forbidden");
    }
    let head =
        client.request(Method::HEAD, "/backup/create", OPERATOR).send().await.expect("the server answers");
    assert_eq!(head.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(client.get("/api/backup/manifests").await.body["totalCount"], 0);
    assert_eq!(client.get("/api/backup/operations").await.body["items"], json!([]));
}
