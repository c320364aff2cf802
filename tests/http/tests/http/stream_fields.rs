//! The fields of requests about event streams: each reaches what it is about, and each has limits.

use std::collections::BTreeMap;

use koan_backup::{MemoryEvents, Storage};
use koan_backup_http_tests::{event_store, with_streams};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::client::Client;

/// Starts a server with event streams and the storage profiles `local` and `dr`.
async fn with_two_profiles() -> (Client, MemoryEvents) {
    let store = event_store().expect("an event store");
    let configure = |builder: koan_backup::KoanBuilder| {
        with_streams(builder.named_storage("dr", Storage::memory()), &store).expect("the key is valid")
    };
    (Client::open(|options| options, configure).await, store)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_field_of_a_backup_reaches_it() {
    let (client, _) = with_two_profiles().await;
    let everything = json!({ "document": true, "snapshots": true, "terminated": true });
    for (body, field, expected) in [
        (json!({}), "includes", json!({ "document": true, "snapshots": false, "terminated": false })),
        (json!({ "full": true }), "includes", everything),
        (
            json!({ "includeSnapshots": true }),
            "includes",
            json!({ "document": true, "snapshots": true, "terminated": false }),
        ),
        (
            json!({ "includeTerminated": true }),
            "includes",
            json!({ "document": true, "snapshots": false, "terminated": true }),
        ),
        (
            json!({ "withoutDocument": true }),
            "includes",
            json!({ "document": false, "snapshots": false, "terminated": false }),
        ),
        (json!({}), "compression", json!("gzip")),
        (json!({ "withoutCompression": true }), "compression", json!("none")),
        (json!({ "storageProfile": "dr" }), "profile", json!("dr")),
        (json!({ "description": "before migration" }), "description", json!("before migration")),
        (json!({ "tags": ["a", "b"] }), "tags", json!(["a", "b"])),
        (json!({ "metadata": { "by": "ada" } }), "metadata", json!({ "by": "ada" })),
    ] {
        let one = client.post("/api/streams/order/order-1/backup?wait=true", &body).await;
        assert_eq!(one.body[field], expected, "{body}: {one:?}");
        let many = client.post("/api/streams/order/backup?wait=true", &body).await;
        assert_eq!(many.body["handles"][0][field], expected, "{body}: {many:?}");
    }
    let placed = json!({ "folder": "eu", "expiresAfterSeconds": 60 });
    let made = client.post("/api/streams/order/order-1/backup?wait=true", &placed).await.body;
    assert!(made["location"].as_str().is_some_and(|path| path.starts_with("eu/")), "{made}");
    assert!(made["expiresAt"].is_string(), "{made}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_field_of_a_restore_reaches_its_report() {
    let (client, store) = Client::with_streams().await;
    let made =
        client.post("/api/streams/order/order-1/backup?wait=true", &json!({ "full": true })).await.body;
    let id = made["id"].as_str().expect("an id");
    for (body, document, snapshots) in [
        (json!({}), true, 1),
        (json!({ "withoutDocument": true }), false, 1),
        (json!({ "withoutSnapshots": true }), true, 0),
        (json!({ "description": "drill" }), true, 1),
    ] {
        store.remove("order", "order-1");
        let restored =
            client.post(&format!("/api/streams/order/order-1/restore/{id}?wait=true"), &body).await.body;
        let found = (&restored["document"], &restored["snapshots"], &restored["description"]);
        let description = body.get("description").cloned().unwrap_or(Value::Null);
        assert_eq!(found, (&json!(document), &json!(snapshots), &description), "{body}: {restored}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_ends_the_backups_of_many_aggregates_unless_they_continue() {
    let (client, _) = Client::with_streams().await;
    let ids = json!(["order-1", "absent", "order-2"]);
    for (continues, made) in [(false, 1), (true, 2)] {
        let body = json!({ "objectIds": ids, "continueOnError": continues, "maxConcurrency": 1 });
        let started = client.post("/api/streams/order/backup", &body).await;
        let result = client.ended(&started.body).await["result"].clone();
        assert_eq!(result["handles"].as_array().map(Vec::len), Some(made), "{continues}: {result}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_and_lists_have_a_maximum_length() {
    let (client, _) = Client::with_streams().await;
    let id = client.stream_backup("order", "order-1").await;
    let long = "x".repeat(1_001);
    let many: Vec<String> = (0..1_001).map(|number| number.to_string()).collect();
    let metadata: BTreeMap<_, _> = many.iter().map(|key| (key, "")).collect();
    let (one, all) = ("/api/streams/order/order-1/backup".to_owned(), "/api/streams/order/backup".to_owned());
    let (restore, clone) = (
        format!("/api/streams/order/order-1/restore/{id}"),
        format!("/api/streams/order/order-1/clone/{id}"),
    );
    for (path, body, field) in [
        (&one, json!({ "description": long }), "description"),
        (&one, json!({ "tags": many }), "tags"),
        (&one, json!({ "metadata": metadata }), "metadata"),
        (&all, json!({ "description": long }), "description"),
        (&all, json!({ "objectIds": many }), "objectIds"),
        (&restore, json!({ "description": long }), "description"),
        (&clone, json!({ "targetObjectId": long }), "targetObjectId"),
        (&clone, json!({ "targetObjectId": "" }), "targetObjectId"),
    ] {
        let refused = client.post(path, &body).await;
        let text = refused.problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request");
        assert!(text.contains(&format!("`{field}`")), "{path}: {text}");
    }
    assert_eq!(client.get("/api/stream-backups").await.body["totalCount"], 1, "nothing was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cleanup_concerns_the_selected_profiles_and_reports_what_it_could_not_read() {
    let (client, store) = with_two_profiles().await;
    for profile in ["local", "dr"] {
        let body = json!({ "expiresAfterSeconds": 0, "storageProfile": profile });
        client.post("/api/streams/order/order-1/backup?wait=true", &body).await;
    }
    store.remove("order", "order-1");
    let cleaned =
        client.post("/api/stream-backups/cleanup?wait=true", &json!({ "storageProfiles": ["dr"] })).await;
    assert_eq!(cleaned.body["removed"].as_array().map(Vec::len), Some(1), "{cleaned:?}");
    assert_eq!(cleaned.body["removed"][0]["profile"], "dr", "{cleaned:?}");
    let rest = client.get("/api/stream-backups?storageProfile=local").await.body;
    let location = rest["items"][0]["location"].as_str().expect("a path").to_owned();
    let meta = location.replace(".json.gz", ".meta");
    std::fs::write(client.folder.path().join("backups").join(meta), "{").expect("the description is damaged");
    let started = client.post("/api/stream-backups/cleanup", &json!({})).await;
    let ended = client.ended(&started.body).await;
    assert_eq!(ended["status"], "completedWithWarnings", "{ended}");
    assert_eq!(ended["result"]["unreadable"].as_array().map(Vec::len), Some(1), "{ended}");
}
