//! Deletions, pins, retention and maintenance.

use koan_backup_http_tests::{ADMIN, OPERATOR};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::client::{Client, answer};

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_needs_the_complete_id_and_spares_other_entities() {
    let client = Client::start().await;
    let (old, id) = (client.backup("nightly").await, client.backup("nightly").await);
    let delete = async |path: String, token: &str| answer(client.request(Method::DELETE, &path, token)).await;
    delete(format!("/api/backup/manifests/{old}"), OPERATOR)
        .await
        .problem(StatusCode::FORBIDDEN, "forbidden");
    for name in ["nightly", "latest", &old[old.len() - 8..]] {
        let refused = delete(format!("/api/backup/manifests/{name}"), ADMIN).await;
        refused.problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request");
    }
    let refused = delete(format!("/backup/users/{old}"), ADMIN).await;
    refused.problem(StatusCode::CONFLICT, "conflict");
    assert_eq!(refused.body["others"], json!(["Order"]), "the other entities are listed");
    let deleted = delete(format!("/api/backup/manifests/{old}"), ADMIN).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{deleted:?}");
    client.get(&format!("/api/backup/manifests/{old}")).await.problem(StatusCode::NOT_FOUND, "not-found");
    let last = delete(format!("/api/backup/manifests/{id}"), ADMIN).await;
    assert!(last.status.is_client_error(), "the last good backup is kept: {last:?}");
    assert_eq!(client.get("/api/backup/manifests").await.body["totalCount"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_backup_is_not_deleted() {
    let client = Client::start().await;
    let (old, _) = (client.backup("nightly").await, client.backup("nightly").await);
    let pin = format!("/api/backup/manifests/{old}/pin");
    answer(client.request(Method::PUT, &pin, ADMIN).json(&json!({ "reason": " " })))
        .await
        .problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request");
    let pinned =
        answer(client.request(Method::PUT, &pin, OPERATOR).json(&json!({ "reason": "audit" }))).await;
    assert_eq!((pinned.status, &pinned.body["pinned"]), (StatusCode::OK, &json!(true)), "{pinned:?}");
    let delete = async || {
        let path = format!("/api/backup/manifests/{old}");
        answer(client.request(Method::DELETE, &path, ADMIN)).await
    };
    assert!(delete().await.status.is_client_error(), "a pinned backup is kept");
    answer(client.request(Method::DELETE, &pin, OPERATOR)).await.problem(StatusCode::FORBIDDEN, "forbidden");
    assert_eq!(answer(client.request(Method::DELETE, &pin, ADMIN)).await.body["wasPinned"], true);
    assert_eq!(delete().await.status, StatusCode::NO_CONTENT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_without_a_policy_is_refused_and_maintenance_runs_without_retention() {
    let client = Client::start().await;
    client.backup("nightly").await;
    let plan = client.get("/api/backup/retention/plan").await;
    assert!(plan.problem(StatusCode::CONFLICT, "conflict").contains("no retention policy"));
    let maintained =
        answer(client.request(Method::POST, "/api/backup/maintenance?wait=true", OPERATOR)).await;
    assert_eq!(maintained.status, StatusCode::OK, "{maintained:?}");
    let retention = json!({ "retention": true });
    answer(client.request(Method::POST, "/api/backup/maintenance", OPERATOR).json(&retention))
        .await
        .problem(StatusCode::FORBIDDEN, "forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_that_leaves_an_archive_unlisted_has_failed() {
    let client = Client::start().await;
    let (id, _) = (client.backup("nightly").await, client.backup("nightly").await);
    let stored = client.get(&format!("/api/backup/manifests/{id}")).await.body["archive"].clone();
    let backups = client.folder.path().join("backups");
    let file = backups.join(stored["file"].as_str().expect("a file"));
    let mut bytes = std::fs::read(&file).expect("the archive");
    bytes[60] ^= 1;
    std::fs::write(&file, bytes).expect("the archive is damaged");
    for manifest in std::fs::read_dir(backups.join("manifests")).expect("the manifests") {
        let path = manifest.expect("a manifest").path();
        if path.to_string_lossy().contains(&id) {
            std::fs::remove_file(path).expect("the manifest is removed");
        }
    }
    client.get(&format!("/api/backup/manifests/{id}")).await.problem(StatusCode::NOT_FOUND, "not-found");
    let recovered = client.post("/api/backup/recover?wait=true", &json!({})).await;
    assert!(!recovered.status.is_success(), "the damaged archive was not recovered: {recovered:?}");
    let failed = client.get("/api/backup/operations?state=failed").await.body;
    assert_eq!(failed["items"][0]["kind"], "recover", "{failed}");
}
