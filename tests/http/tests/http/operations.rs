//! Operations: events, cancellation, and what clients do to them.

use koan_backup_http_tests::{ADMIN, OPERATOR, VIEWER};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::client::{Client, answer};

#[tokio::test(flavor = "multi_thread")]
async fn events_end_with_the_result_and_continue_after_the_last_one() {
    let client = Client::start().await;
    let accepted = client.post("/api/backup/all", &json!({ "name": "followed" })).await.body;
    let path = format!("/api/backup/operations/{}/events", accepted["operationId"].as_str().expect("an id"));
    let events = client.request(Method::GET, &path, VIEWER).send().await.expect("the server answers");
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    let text = events.text().await.expect("the stream ends with the operation");
    let last = text.trim_end().rsplit("\n\n").next().expect("an event").to_owned();
    let field = |name: &str| {
        last.lines().find_map(|line| line.strip_prefix(name)).expect("a field").trim().to_owned()
    };
    assert_eq!(field("event:"), "end", "{text}");
    let operation: Value = serde_json::from_str(&field("data:")).expect("JSON");
    assert_eq!(operation["status"], "completed", "{text}");
    let again = client.request(Method::GET, &path, VIEWER).header("last-event-id", field("id:"));
    let again = again.send().await.expect("the server answers");
    assert_eq!(again.status(), StatusCode::NO_CONTENT, "a browser does not connect again");
    let wrong = client.request(Method::GET, &path, VIEWER).header("last-event-id", "x");
    answer(wrong).await.problem(StatusCode::BAD_REQUEST, "malformed-request");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_that_has_ended_cannot_be_cancelled() {
    let client = Client::start().await;
    let accepted = client.post("/api/backup/all", &json!({})).await.body;
    let ended = client.ended(&accepted).await;
    let path = format!("/api/backup/operations/{}/cancel", ended["operationId"].as_str().expect("an id"));
    let cancel = async |token: &str| answer(client.request(Method::POST, &path, token)).await;
    let text = cancel(ADMIN).await.problem(StatusCode::CONFLICT, "conflict");
    assert!(text.contains("completed"), "the status is named: {text}");
    cancel(VIEWER).await.problem(StatusCode::FORBIDDEN, "forbidden");
    cancel(OPERATOR).await.problem(StatusCode::FORBIDDEN, "forbidden");
    let unknown =
        client.post("/api/backup/operations/0199b2f2-6f1c-7d34-a0b1-5d2f77c0f4aa/cancel", &json!({})).await;
    unknown.problem(StatusCode::NOT_FOUND, "not-found");
    client.get("/api/backup/operations/x").await.problem(StatusCode::NOT_FOUND, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_lists_each_name_and_nothing_that_has_ended() {
    let client = Client::start().await;
    let id = client.backup("nightly").await;
    let verified = client.post(&format!("/api/backup/verify/{id}?wait=true"), &json!({})).await;
    assert_eq!((verified.status, &verified.body["issues"]), (StatusCode::OK, &json!([])), "{verified:?}");
    let status = client.get("/api/backup/status").await.body;
    assert_eq!(status["operations"], json!([]), "{status}");
    assert_eq!(status["names"]["nightly"]["lastBackupId"], id.as_str());
    assert!(
        status["names"]["nightly"]["lastVerifiedAt"].is_string(),
        "the verification is remembered: {status}"
    );
    let listed = client.get("/api/backup/operations?state=completed&pageSize=1").await.body;
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1));
    let next = listed["next"].as_str().expect("a second page").to_owned();
    let second = client.get(&format!("/api/backup/operations?pageSize=1&before={next}")).await.body;
    assert_ne!(second["items"][0]["operationId"], listed["items"][0]["operationId"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_backup_is_never_a_completed_verification() {
    let client = Client::start().await;
    let id = client.backup("nightly").await;
    let stored = client.get(&format!("/api/backup/manifests/{id}")).await.body["archive"].clone();
    let file = client.folder.path().join("backups").join(stored["file"].as_str().expect("a file"));
    let mut bytes = std::fs::read(&file).expect("the archive");
    bytes[60] ^= 1;
    std::fs::write(&file, bytes).expect("the archive is damaged");
    let verified = client.post(&format!("/api/backup/verify/{id}?wait=true"), &json!({})).await;
    assert_eq!(verified.status, StatusCode::CONFLICT, "{verified:?}");
    let name = client.get("/api/backup/status").await.body["names"]["nightly"].clone();
    assert_eq!((&name["lastVerifiedAt"], &name["healthy"]), (&json!(null), &json!(false)), "{name}");
    let operations = client.get("/api/backup/operations?state=failed").await.body;
    assert_eq!(operations["items"][0]["kind"], "verify", "{operations}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_shutdown_the_server_is_not_ready_and_starts_nothing() {
    let client = Client::start().await;
    assert_eq!(answer(client.bare(Method::GET, "/ops/readyz")).await.status, StatusCode::OK);
    client.server.api.shutdown().await.expect("nothing runs");
    assert_eq!(answer(client.bare(Method::GET, "/ops/readyz")).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer(client.bare(Method::GET, "/ops/healthz")).await.status, StatusCode::OK);
    client.post("/backup/create", &json!({})).await.problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    assert_eq!(client.get("/api/backup/manifests").await.body["totalCount"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_are_recorded_in_the_state_directory() {
    let client = Client::start().await;
    client.backup("nightly").await;
    let file = client.folder.path().join("state/operations.sqlite");
    assert!(file.is_file(), "`{}` does not exist", file.display());
}
