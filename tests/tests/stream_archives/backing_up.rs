//! What a backup writes, and what it refuses.

use koan_backup::MemoryEvents;
use koan_backup::prelude::*;
use koan_backup_tests::archive_surgery::Forgery;
use serde_json::Value;

use super::shop::{SECRET, SECRET_ID, Shop, content, event};

#[tokio::test]
async fn an_archive_contains_each_part_of_the_streams_in_order() {
    let shop = Shop::new();
    let backup = shop.koan().await.backup("nightly").await.expect("a backup");
    let counts: Vec<_> = backup
        .manifest()
        .entities
        .iter()
        .map(|entry| {
            (entry.entity.as_str(), entry.storage_file.as_deref().expect("a file"), entry.item_count)
        })
        .collect();
    assert_eq!(
        counts,
        [
            ("order", "streams/order.jsonl", 10),
            ("order.documents", "streams/order.documents.jsonl", 3),
            ("order.snapshots", "streams/order.snapshots.jsonl", 2),
            ("patient", "streams/patient.jsonl.gz.age", 1),
            ("patient.documents", "streams/patient.documents.jsonl.gz.age", 1),
            ("patient.snapshots", "streams/patient.snapshots.jsonl.gz.age", 0),
        ]
    );
    let stored = shop.vault.stored(backup.id()).await;
    let lines = String::from_utf8(content(&stored, "streams/order.jsonl")).expect("text");
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let places: Vec<_> = lines
        .iter()
        .map(|line| (line["objectId"].as_str(), line["streamId"].as_str(), line["version"].as_u64()))
        .collect();
    let mut expected =
        vec![(Some("order-1"), Some("order-1"), Some(0)), (Some("order-1"), Some("order-1"), Some(1))];
    expected.extend((0..5).map(|version| (Some("order-1"), Some("order-1-continued"), Some(version))));
    expected.extend((0..2).map(|version| (Some("order-2"), Some("order-2"), Some(version))));
    expected.push((Some("order-2 (copy)"), Some("order-2 (copy)"), Some(0)));
    assert_eq!(places, expected);
    let fields = [
        "schemaVersion",
        "externalSequencer",
        "action",
        "timestamp",
        "metadata",
        "payload",
        "type",
        "position",
    ];
    assert!(lines.iter().all(|line| fields.iter().all(|field| !line[*field].is_null())), "{}", lines[0]);
    assert_eq!(lines[8]["payloadText"], "{ \"Placed\" :\n {\"total\": 20}}");
    let all: Vec<u8> = stored.archive.clone();
    let manifest = String::from_utf8(stored.manifest.clone()).expect("text");
    for secret in [SECRET, SECRET_ID] {
        assert!(!manifest.contains(secret), "{manifest}");
        assert!(!all.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
    }
    let order = &Forgery::parse(&stored).manifest["entities"][1];
    assert_eq!(order["stream"], serde_json::json!({ "object": "order", "part": "documents" }));
}

#[tokio::test]
async fn an_event_that_is_not_of_the_declared_type_fails_the_backup_with_its_position() {
    let shop = Shop::new();
    shop.events.append("order", "order-3", [event("Lost", r#"{"Lost":{"card":"4111"}}"#)]).expect("appended");
    let error = shop.koan().await.backup("nightly").await.expect_err("an event cannot be decoded");
    assert_eq!(error.kind(), ErrorKind::Record);
    let text = error.chain();
    for expected in
        ["order `objectId=\"order-3\"", "version=0", "cannot be backed up", "`payload`", "`OrderEvent`"]
    {
        assert!(text.contains(expected), "{text}");
    }
    assert!(!text.contains("4111"), "the error contains no content of the event: {text}");
}

#[tokio::test]
async fn the_object_name_selects_and_excludes_all_parts() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let names = |report: &koan_backup::report::BackupReport| {
        report.manifest().entities.iter().map(|entry| entry.entity.clone()).collect::<Vec<_>>()
    };
    let selected = koan.backup("orders").entities(["order"]).await.expect("a backup");
    assert_eq!(names(&selected), ["order", "order.documents", "order.snapshots"]);
    let excluded = koan.backup("others").exclude("patient").await.expect("a backup");
    assert_eq!(names(&excluded), ["order", "order.documents", "order.snapshots"]);
    let empty = shop.koan_for(&MemoryEvents::new()).await;
    let _ = empty.restore(selected.id()).entities(["order"]).await.expect("a restore");
    let unknown = koan.backup("orders").entities(["orders"]).await.expect_err("there is no such object name");
    assert!(unknown.to_string().contains("`orders`"), "{unknown}");
}
