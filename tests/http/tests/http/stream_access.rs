//! What callers, records and logs see of event streams that are encrypted.

use std::time::Duration;

use koan_backup::encryption::KeyPair;
use koan_backup::event_store::RawStream;
use koan_backup::http::AuditLog;
use koan_backup::prelude::*;
use koan_backup::{KoanBuilder, Retention};
use koan_backup_http_tests::{OPERATOR, PATIENT, VIEWER, event_store, with_streams};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::client::{Client, answer};
use crate::page::Browser;

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

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_cannot_confirm_a_guess_of_what_is_encrypted() {
    let (client, _) = Client::with_streams().await;
    let get = async |path: &str, token| answer(client.request(Method::GET, path, token)).await;
    let of = |id: &str| format!("/api/streams/patient/{id}/backups");
    let [existing, absent] = [get(&of(PATIENT), VIEWER).await, get(&of("absent"), VIEWER).await];
    assert_eq!((existing.status, &existing.body), (absent.status, &absent.body), "no backup exists yet");
    assert_eq!(get(&of("absent"), OPERATOR).await.status, StatusCode::NOT_FOUND);

    let body = json!({ "tags": ["urgent"], "metadata": { "ward": "5" } });
    let made = client.post(&format!("/api/streams/patient/{PATIENT}/backup?wait=true"), &body).await;
    assert_eq!(made.status, StatusCode::OK, "{made:?}");
    let all = "/api/stream-backups";
    for (right, wrong) in [
        (format!("{all}?objectId={PATIENT}"), format!("{all}?objectId=absent")),
        (format!("{all}?tag=urgent"), format!("{all}?tag=absent")),
        (format!("{all}?metadata=ward%3D5"), format!("{all}?metadata=ward%3D6")),
        (of(PATIENT), of("absent")),
    ] {
        let [right_answer, wrong_answer] = [get(&right, VIEWER).await, get(&wrong, VIEWER).await];
        assert_eq!((right_answer.status, &right_answer.body), (wrong_answer.status, &wrong_answer.body));
        let counts = (&right_answer.body["totalCount"], &right_answer.body["withoutKey"]);
        assert_eq!(counts, (&json!(0), &json!(1)), "{right}: {right_answer:?}");
        assert_eq!(get(&right, OPERATOR).await.body["totalCount"], 1, "{right}");
    }
    let id = made.body["id"].as_str().expect("an id");
    for (token, is_found) in [(VIEWER, false), (OPERATOR, true)] {
        let browser = Browser::signed_in(&client, token).await;
        let (_, page) = browser.get(&format!("/ui/streams?id={PATIENT}")).await;
        assert_eq!(page.contains(id), is_found, "{page}");
        assert_eq!(page.contains("A viewer does not see the object id."), !is_found, "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_of_maintenance_does_not_contain_what_is_encrypted() {
    let store = event_store().expect("an event store");
    let configure = |builder| {
        let builder = with_streams(builder, &store).expect("the key is valid");
        let builder = builder.retention_policy(Retention::new().keep_last(7));
        builder.change_maintenance_defaults(|defaults| defaults.remove_expired_stream_backups = true)
    };
    let client = Client::open(|options| options, configure).await;
    let body = json!({ "expiresAfterSeconds": 0, "tags": [PATIENT], "description": PATIENT });
    let path = format!("/api/streams/patient/{PATIENT}/backup?wait=true");
    let mut ids = Vec::new();
    for _ in 0..2 {
        ids.push(client.post(&path, &body).await.body["id"].as_str().expect("an id").to_owned());
    }
    let report = client.post("/api/backup/maintenance?wait=true", &json!({ "retention": true })).await;
    let text = report.body.to_string();
    assert_eq!(report.status, StatusCode::OK, "{text}");
    for id in &ids {
        assert!(text.contains(id.as_str()), "one is removed and the last one is kept: {text}");
    }
    assert!(!text.contains(PATIENT), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_backup_stays_secret_after_its_type_is_not_encrypted_any_more() {
    let (store, pair) = (event_store().expect("an event store"), KeyPair::generate());
    let keys = || Keys::text(pair.key_file().to_string());
    let configure =
        |builder: KoanBuilder| builder.event_store(store.clone()).register_raw("patient").keys(keys());
    let client = Client::open(|options| options, configure).await;
    let earlier = Koan::builder()
        .application("shop")
        .environment("test")
        .event_store(store.clone())
        .register_raw(RawStream::new("patient").encrypt())
        .encrypt_to(Recipients::key(pair.public_key()).expect("a key"))
        .keys(keys())
        .storage(Storage::local(client.folder.path().join("backups")).expect("a directory"))
        .build()
        .await
        .expect("a context");
    let backup = earlier.streams("patient").expect("declared").backup(PATIENT);
    let made = backup.expires_after(Duration::ZERO).await.expect("the backup is made");
    let (id, keep) = (made.id, json!({ "conflictMode": "keep" }));
    let restored =
        client.post(&format!("/api/streams/patient/{PATIENT}/restore/{id}?wait=true"), &keep).await;
    assert_eq!((restored.status, &restored.body["objectId"]), (StatusCode::OK, &json!(null)), "{restored:?}");
    let verified = client.post(&format!("/api/stream-backups/{id}/verify?wait=true"), &json!({})).await;
    assert_eq!(verified.status, StatusCode::OK, "{verified:?}");
    store.remove("patient", PATIENT);
    let cleaned = client.post("/api/stream-backups/cleanup?wait=true", &json!({})).await;
    assert_eq!(cleaned.body["removed"][0]["id"], id.to_string(), "{cleaned:?}");
    assert_eq!(cleaned.body["removed"][0]["objectId"], json!(null), "{cleaned:?}");
    for operation in client.get("/api/backup/operations").await.body["items"].as_array().expect("a list") {
        let id = operation["operationId"].as_str().expect("an id");
        let read = client.get(&format!("/api/backup/operations/{id}")).await.body.to_string();
        assert!(!read.contains(PATIENT), "{read}");
    }
}
