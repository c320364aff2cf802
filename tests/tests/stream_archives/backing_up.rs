//! What a backup writes, and what it refuses.

use async_trait::async_trait;
use futures::stream::StreamExt as _;
use koan_backup::MemoryEvents;
use koan_backup::event_store::{
    Batches, EventReader, EventStore, EventStoreCapabilities, EventStoreSession, OpenedStreams, StreamEvent,
    StreamSnapshot,
};
use koan_backup::prelude::*;
use koan_backup::provider::{Consistency, SessionIntent};
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

/// A store that does not notice that the first event of each stream is missing.
#[derive(Debug)]
struct CarelessStore(MemoryEvents);

/// Its reader, which returns each event with the next version.
#[derive(Debug)]
struct CarelessReader(Box<dyn EventReader>);

#[async_trait]
impl EventReader for CarelessReader {
    async fn object_names(&self) -> koan_backup::Result<Vec<String>> {
        self.0.object_names().await
    }
    async fn object_ids(
        &self,
        object: &str,
        after: Option<&str>,
        limit: usize,
    ) -> koan_backup::Result<Vec<String>> {
        self.0.object_ids(object, after, limit).await
    }
    async fn open(&self, object: &str, object_id: &str) -> koan_backup::Result<Option<OpenedStreams>> {
        self.0.open(object, object_id).await
    }
    async fn events(
        &self,
        opened: &OpenedStreams,
        stream_id: &str,
    ) -> koan_backup::Result<Batches<'_, StreamEvent>> {
        self.0.events(opened, stream_id).await
    }
    async fn snapshots(&self, opened: &OpenedStreams) -> koan_backup::Result<Batches<'_, StreamSnapshot>> {
        self.0.snapshots(opened).await
    }
    async fn all_events(&self, object: &str) -> koan_backup::Result<Batches<'_, StreamEvent>> {
        let events = self.0.all_events(object).await?.map(|batch| {
            batch.map(|mut events| {
                events.iter_mut().for_each(|event| event.version += 1);
                events
            })
        });
        Ok(events.boxed())
    }
}

#[async_trait]
impl EventStore for CarelessStore {
    fn kind(&self) -> &'static str {
        "careless"
    }
    fn capabilities(&self) -> EventStoreCapabilities {
        self.0.capabilities()
    }
    fn consistency(&self) -> Consistency {
        self.0.consistency()
    }
    async fn reader(&self) -> koan_backup::Result<Box<dyn EventReader>> {
        Ok(Box::new(CarelessReader(self.0.reader().await?)))
    }
    async fn begin_restore(&self, intent: SessionIntent) -> koan_backup::Result<Box<dyn EventStoreSession>> {
        self.0.begin_restore(intent).await
    }
}

#[tokio::test]
async fn a_gap_that_the_store_does_not_notice_fails_the_backup() {
    let shop = Shop::new();
    let koan =
        shop.builder().event_store(CarelessStore(shop.events.clone())).build().await.expect("a context");
    for (object, id) in [("order", "`order-1`"), ("patient", "`(hidden)`")] {
        let error = koan.backup("nightly").entities([object]).await.expect_err("the first event is missing");
        assert_eq!(error.kind(), ErrorKind::Record, "{error:?}");
        let text = error.chain();
        assert!(text.contains(id) && text.contains("first event has version 1"), "{object}: {text}");
        assert!(!text.contains(SECRET_ID), "{text}");
    }
}
