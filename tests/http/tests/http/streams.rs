//! Single backups of event streams.

use std::time::Duration;

use koan_backup::event_store::NewEvent;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::client::{Client, answer};
use koan_backup_http_tests::ADMIN;

async fn delete(client: &Client, path: &str) -> crate::client::Answer {
    answer(client.request(Method::DELETE, path, ADMIN)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_backed_up_damaged_restored_cloned_verified_and_removed() {
    let (client, store) = Client::with_streams().await;
    let types = client.get("/api/streams").await.body;
    assert_eq!(types["items"][0]["object"], "order", "{types}");
    assert_eq!(types["items"][0]["eventStore"]["snapshots"], true, "{types}");
    let capabilities = client.get("/backup/capabilities").await.body;
    assert_eq!(capabilities["eventStreams"]["patient"]["encrypt"], true, "{capabilities}");

    let body = json!({
        "full": true, "description": "before migration", "tags": ["pre-migration"],
        "metadata": { "operator": "admin" }, "storageProfile": "local", "folder": "eu", "expiresAfterSeconds": 3600,
    });
    let started = client.post("/api/streams/order/order-1/backup", &body).await;
    assert_eq!(started.status, StatusCode::ACCEPTED, "{started:?}");
    let ended = client.ended(&started.body).await;
    assert_eq!((&ended["kind"], &ended["status"]), (&json!("streamBackup"), &json!("completed")), "{ended}");
    assert_eq!(ended["backupName"], "order order-1", "{ended}");
    assert_eq!(ended["progress"]["percentComplete"], 100, "{ended}");
    let made = &ended["result"];
    assert_eq!((&made["eventCount"], &made["snapshotCount"]), (&json!(2), &json!(1)), "{made}");
    let id = made["id"].as_str().expect("an id").to_owned();
    let read = client.get(&format!("/api/stream-backups/{id}")).await.body;
    assert_eq!((&read["objectId"], &read["tags"]), (&json!("order-1"), &json!(["pre-migration"])), "{read}");
    assert_eq!((&read["storageProfile"], &read["encrypted"]), (&json!("local"), &json!(false)), "{read}");

    // The order changes, and a restore does not overwrite it without a request and a confirmation.
    store.append("order", "order-1", [NewEvent::new("OrderLost", &1).expect("JSON")]).expect("appended");
    let restore = format!("/api/streams/order/order-1/restore/{id}?wait=true");
    client.post(&restore, &json!({})).await.problem(StatusCode::CONFLICT, "conflict");
    let overwrite = json!({ "conflictMode": "overwrite" });
    let text =
        client.post(&restore, &overwrite).await.problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request");
    assert!(text.contains("`confirm`") && text.contains("events"), "{text}");
    assert_eq!(store.events("order", "order-1").len(), 3, "nothing was written");
    let kept = client.post(&restore, &json!({ "conflictMode": "keep" })).await;
    assert_eq!(kept.body["outcome"], "kept", "{kept:?}");
    let overwrite = json!({ "conflictMode": "overwrite", "confirm": "events", "description": "repair" });
    let restored = client.post(&restore, &overwrite).await;
    assert_eq!(
        (restored.status, &restored.body["outcome"]),
        (StatusCode::OK, &json!("replaced")),
        "{restored:?}"
    );
    assert_eq!(store.events("order", "order-1").len(), 2, "the later event is removed");

    let clone = format!("/api/streams/order/order-1/clone/{id}?wait=true");
    client.post(&clone, &json!({})).await.problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request");
    let own = json!({ "targetObjectId": "order-1" });
    client.post(&clone, &own).await.problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request");
    let cloned = client.post(&clone, &json!({ "targetObjectId": "order 1/b" })).await;
    assert_eq!(
        (cloned.status, &cloned.body["objectId"]),
        (StatusCode::OK, &json!("order 1/b")),
        "{cloned:?}"
    );
    assert_eq!(store.events("order", "order 1/b").len(), 2);
    let again = client.post(&clone, &json!({ "targetObjectId": "order 1/b" })).await;
    again.problem(StatusCode::CONFLICT, "conflict");

    // An id may contain any characters.
    let other = client.post("/api/streams/order/order%201%2Fb/backup?wait=true", &json!({})).await;
    assert_eq!(other.status, StatusCode::OK, "{other:?}");
    let listed = client.get("/api/streams/order/order%201%2Fb/backups").await.body;
    assert_eq!(
        (&listed["totalCount"], &listed["items"][0]["id"]),
        (&json!(1), &other.body["id"]),
        "{listed}"
    );

    let verified = client.post(&format!("/api/stream-backups/{id}/verify?wait=true"), &json!({})).await;
    assert_eq!((verified.status, &verified.body["events"]), (StatusCode::OK, &json!(2)), "{verified:?}");
    assert_eq!(delete(&client, &format!("/api/stream-backups/{id}")).await.status, StatusCode::NO_CONTENT);
    let gone = client.get(&format!("/api/stream-backups/{id}")).await;
    let text = gone.problem(StatusCode::NOT_FOUND, "not-found");
    assert!(!text.contains(&client.folder.path().display().to_string()), "the location is not named: {text}");
    delete(&client, &format!("/api/stream-backups/{id}")).await.problem(StatusCode::NOT_FOUND, "not-found");
    client.post(&restore, &overwrite).await.problem(StatusCode::NOT_FOUND, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_names_another_object_or_id_than_the_backup_is_refused() {
    let (client, store) = Client::with_streams().await;
    let id = client.stream_backup("order", "order-1").await;
    store.remove("order", "order-1");
    for (path, expected) in [
        (format!("/api/streams/order/order-2/restore/{id}"), "another `order`"),
        (format!("/api/streams/patient/order-1/restore/{id}"), "and not of `patient`"),
    ] {
        let text = client.post(&path, &json!({})).await.problem(StatusCode::CONFLICT, "conflict");
        assert!(text.contains(expected), "{path}: {text}");
    }
    let clone = format!("/api/streams/order/order-2/clone/{id}");
    let refused = client.post(&clone, &json!({ "targetObjectId": "x" })).await;
    refused.problem(StatusCode::CONFLICT, "conflict");
    for path in ["/api/streams/ordr/order-1/backup", "/api/streams/ordr/backup"] {
        let text = client.post(path, &json!({})).await.problem(StatusCode::NOT_FOUND, "not-found");
        assert!(text.contains("did you mean `order`?"), "{text}");
    }
    let missing = client.post("/api/streams/order/absent/backup", &json!({})).await;
    missing.problem(StatusCode::NOT_FOUND, "not-found");
    let missing = client.get("/api/streams/order/absent/backups").await;
    missing.problem(StatusCode::NOT_FOUND, "not-found");
    // The aggregate was removed, and its backup exists.
    assert_eq!(client.get("/api/streams/order/order-1/backups").await.body["totalCount"], 1);
    assert!(store.events("order", "x").is_empty() && store.events("patient", "order-1").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn all_or_some_aggregates_are_backed_up_and_a_failure_is_part_of_the_report() {
    let (client, _) = Client::with_streams().await;
    let all = client.post("/api/streams/order/backup?wait=true", &json!({ "maxConcurrency": 2 })).await;
    assert_eq!((all.status, &all.body["total"]), (StatusCode::OK, &json!(3)), "{all:?}");
    let some = json!({ "objectIds": ["order-1", "absent", "order-2"], "continueOnError": true });
    let started = client.post("/api/streams/order/backup", &some).await;
    let ended = client.ended(&started.body).await;
    assert_eq!(ended["status"], "completedWithWarnings", "{ended}");
    let result = &ended["result"];
    assert_eq!(result["handles"].as_array().map(Vec::len), Some(2), "{result}");
    assert_eq!(result["failures"][0]["objectId"], "absent", "{result}");
    let none = client.post("/api/streams/order/backup?wait=true", &json!({ "objectIds": ["absent"] })).await;
    none.problem(StatusCode::NOT_FOUND, "not-found");
    let started = client.post("/api/streams/order/backup", &json!({ "objectIds": ["absent"] })).await;
    let ended = client.ended(&started.body).await;
    assert_eq!(ended["status"], "failed", "{ended}");
    assert_eq!(ended["result"]["failures"][0]["objectId"], "absent", "the report is kept: {ended}");
    let contradiction = json!({ "full": true, "withoutDocument": true });
    let one = client.post("/api/streams/order/order-1/backup", &contradiction).await;
    one.problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request");
    for body in [
        json!({ "objectIds": [] }),
        json!({ "maxConcurrency": 0 }),
        json!({ "storageProfile": 1 }),
        contradiction,
    ] {
        let refused = client.post("/api/streams/order/backup", &body).await;
        refused.problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request");
    }
    let listed = async |query: &str| client.get(&format!("/api/stream-backups?{query}")).await.body;
    let page = listed("object=order&pageSize=2&page=3").await;
    assert_eq!(
        (&page["totalCount"], &page["totalPages"], &page["hasNext"]),
        (&json!(5), &json!(3), &json!(false))
    );
    assert_eq!(page["items"].as_array().map(Vec::len), Some(1), "{page}");
    assert_eq!(listed("object=order&objectId=order-1").await["totalCount"], 2);
    assert_eq!(listed("object=patient").await["totalCount"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_filtered_by_time_tag_metadata_and_storage_profile() {
    let (client, _) = Client::with_streams().await;
    let body = json!({ "tags": ["a", "b"], "metadata": { "ticket": "x=1" } });
    let made = client.post("/api/streams/order/order-1/backup?wait=true", &body).await.body;
    // The times of the two backups differ.
    tokio::time::sleep(Duration::from_millis(5)).await;
    let later = client.post("/api/streams/order/order-2/backup?wait=true", &json!({})).await.body;
    let at = made["createdAt"].as_str().expect("a time");
    let between = later["createdAt"].as_str().expect("a time");
    let id = &made["id"];
    let found = async |query: &str| {
        let list = client.get(&format!("/api/stream-backups?{query}")).await.body;
        list["items"]
            .as_array()
            .cloned()
            .unwrap_or_default()
            .into_iter()
            .map(|item| item["id"].clone())
            .collect::<Vec<Value>>()
    };
    assert_eq!(found("tag=a&tag=b").await, std::slice::from_ref(id));
    assert_eq!(found("tag=a&tag=c").await, [] as [Value; 0]);
    assert_eq!(found("metadata=ticket%3Dx%3D1").await, std::slice::from_ref(id));
    assert_eq!(found(&format!("createdAfter={at}")).await.len(), 2);
    assert_eq!(found(&format!("createdAfter={between}")).await, std::slice::from_ref(&later["id"]));
    assert_eq!(found(&format!("createdBefore={between}")).await, std::slice::from_ref(id));
    assert_eq!(found(&format!("createdBefore={at}")).await, [] as [Value; 0], "the end is not included");
    assert_eq!(found("storageProfile=local").await.len(), 2);
    for query in
        ["metadata=ticket", "createdAfter=2026-01-02T00:00:00Z&createdBefore=2026-01-01T00:00:00Z", "page=0"]
    {
        let refused = client.get(&format!("/api/stream-backups?{query}")).await;
        refused.problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request");
    }
    let unknown = client.get("/api/stream-backups?storageProfile=absent").await;
    unknown.problem(StatusCode::NOT_FOUND, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_backups_are_removed_and_the_last_one_of_an_existing_stream_is_kept() {
    let (client, store) = Client::with_streams().await;
    for id in ["order-1", "order-2"] {
        let body = json!({ "expiresAfterSeconds": 0 });
        let made = client.post(&format!("/api/streams/order/{id}/backup?wait=true"), &body).await;
        assert_eq!(made.status, StatusCode::OK, "{made:?}");
    }
    store.remove("order", "order-2");
    let cleaned = client.post("/api/stream-backups/cleanup?wait=true", &json!({})).await;
    assert_eq!(cleaned.body["removed"][0]["objectId"], "order-2", "{cleaned:?}");
    assert_eq!(cleaned.body["kept"][0]["reason"], "lastOfExistingStream", "{cleaned:?}");
    for confirm in [json!(null), json!("events")] {
        let body = json!({ "includingLast": true, "confirm": confirm });
        let refused = client.post("/api/stream-backups/cleanup?wait=true", &body).await;
        let text = refused.problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request");
        assert!(text.contains("`confirm`") && text.contains("local"), "{text}");
    }
    assert_eq!(client.get("/api/stream-backups").await.body["totalCount"], 1, "nothing is removed");
    let body = json!({ "includingLast": true, "storageProfiles": ["local"], "confirm": "local" });
    let cleaned = client.post("/api/stream-backups/cleanup?wait=true", &body).await;
    assert_eq!(cleaned.body["removed"][0]["objectId"], "order-1", "{cleaned:?}");
    assert_eq!(client.get("/api/stream-backups").await.body["totalCount"], 0);
    let unknown = client.post("/api/stream-backups/cleanup", &json!({ "storageProfiles": ["x"] })).await;
    unknown.problem(StatusCode::NOT_FOUND, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_backup_is_reported_and_not_restored() {
    let (client, store) = Client::with_streams().await;
    let id = client.stream_backup("order", "order-1").await;
    let location = client.get(&format!("/api/stream-backups/{id}")).await.body["location"].clone();
    let file = client.folder.path().join("backups").join(location.as_str().expect("a path"));
    let mut bytes = std::fs::read(&file).expect("the content");
    let last = bytes.len() - 9;
    bytes[last] ^= 1;
    std::fs::write(&file, bytes).expect("the content is damaged");
    let verified = client.post(&format!("/api/stream-backups/{id}/verify?wait=true"), &json!({})).await;
    verified.problem(StatusCode::CONFLICT, "archive-unreadable");
    store.remove("order", "order-1");
    let restored =
        client.post(&format!("/api/streams/order/order-1/restore/{id}?wait=true"), &json!({})).await;
    restored.problem(StatusCode::CONFLICT, "archive-unreadable");
    assert!(store.events("order", "order-1").is_empty(), "nothing was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_with_the_same_key_makes_one_backup() {
    let (client, _) = Client::with_streams().await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let request = client.request(Method::POST, "/api/streams/order/order-1/backup?wait=true", ADMIN);
        ids.push(answer(request.header("idempotency-key", "one")).await.body["id"].clone());
    }
    assert_eq!(ids[0], ids[1]);
    let other = client.request(Method::POST, "/api/streams/order/order-2/backup", ADMIN);
    let other = answer(other.header("idempotency-key", "one")).await;
    other.problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request");
    assert_eq!(client.get("/api/stream-backups").await.body["totalCount"], 1);
}
