//! What callers, records and logs see of event streams that are encrypted.

use koan_backup::http::AuditLog;
use koan_backup_http_tests::{OPERATOR, PATIENT, VIEWER};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::client::{Client, answer};

#[tokio::test(flavor = "multi_thread")]
async fn the_id_of_an_encrypted_stream_is_in_no_record_error_or_log() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let audit = folder.path().join("audit.jsonl");
    let log = AuditLog::file(&audit).expect("the log is created");
    let (client, store) = Client::with_streams_and(|options| options.audit(log)).await;
    let path = format!("/api/streams/patient/{PATIENT}/backup?wait=true");
    let body = json!({ "description": "of patient-4711", "tags": ["patient-4711"] });
    let made = client.post(&path, &body).await;
    assert_eq!((made.status, &made.body["objectId"]), (StatusCode::OK, &json!(null)), "{made:?}");
    let id = made.body["id"].as_str().expect("an id").to_owned();
    let restore = format!("/api/streams/patient/{PATIENT}/restore/{id}?wait=true");
    let mut answers = vec![client.post(&restore, &json!({})).await];
    answers[0].problem(StatusCode::CONFLICT, "conflict");
    answers.push(client.post(&format!("/api/stream-backups/{id}/verify?wait=true"), &json!({})).await);
    let absent = format!("/api/streams/patient/x{PATIENT}/backup?wait=true");
    answers.push(client.post(&absent, &json!({})).await);
    answers.push(client.post(&format!("/api/streams/patient/x{PATIENT}/restore/{id}"), &json!({})).await);
    answers.push(client.post(&format!("/api/streams/unknown/{PATIENT}/backup"), &json!({})).await);
    let many = json!({ "objectIds": [PATIENT, format!("x{PATIENT}")], "continueOnError": true });
    answers.push(client.post("/api/streams/patient/backup?wait=true", &many).await);
    let clone = json!({ "targetObjectId": format!("y{PATIENT}") });
    answers.push(client.post(&format!("/api/streams/patient/{PATIENT}/clone/{id}?wait=true"), &clone).await);
    assert_eq!(store.events("patient", &format!("y{PATIENT}")).len(), 1, "the clone is made: {answers:?}");
    answers.push(client.post("/api/stream-backups/cleanup?wait=true", &json!({})).await);
    for answered in &answers {
        assert!(!answered.body.to_string().contains(PATIENT), "{answered:?}");
    }
    for operation in client.get("/api/backup/operations").await.body["items"].as_array().expect("a list") {
        let id = operation["operationId"].as_str().expect("an id");
        let read = client.get(&format!("/api/backup/operations/{id}")).await.body.to_string();
        assert!(!read.contains(PATIENT), "{read}");
    }
    let log = std::fs::read_to_string(&audit).expect("the audit log");
    assert!(!log.contains(PATIENT), "{log}");
    client.stream_backup("order", "order-1").await;
    let log = std::fs::read_to_string(&audit).expect("the audit log");
    assert!(log.contains("/api/streams/order/order-1/backup"), "other ids are in the audit log: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_does_not_see_the_ids_of_encrypted_streams() {
    let (client, _) = Client::with_streams().await;
    let id = client.stream_backup("patient", PATIENT).await;
    client.stream_backup("order", "order-1").await;
    for (token, shown) in [(VIEWER, json!(null)), (OPERATOR, json!(PATIENT))] {
        let read = answer(client.request(Method::GET, &format!("/api/stream-backups/{id}"), token)).await;
        assert_eq!((read.status, &read.body["objectId"]), (StatusCode::OK, &shown), "{read:?}");
        let listed = answer(client.request(Method::GET, "/api/stream-backups", token)).await.body;
        assert_eq!(listed["items"][1]["objectId"], shown, "{listed}");
        assert_eq!(listed["items"][0]["objectId"], "order-1", "{listed}");
    }
}
