//! Restores by stream: written, unchanged, kept, refused, replaced.

use async_trait::async_trait;
use futures::TryStreamExt as _;
use koan_backup::event_store::{
    Batches, EventReader, EventStore, EventStoreCapabilities, EventStoreSession, OpenedStreams, SnapshotKey,
    StreamEvent, StreamSnapshot,
};
use koan_backup::prelude::*;
use koan_backup::provider::{Consistency, SessionIntent};
use koan_backup::report::{RestoreReport, WriteCounts};
use koan_backup::{ConflictMode, MemoryEvents};

use super::shop::{SECRET, SECRET_ID, Shop, event, json, orders};

fn counts(report: &RestoreReport, part: &str) -> (u64, u64, u64, u64, u64) {
    let found = report.entities.iter().find(|entity| entity.entity == part).expect("the part");
    let WriteCounts { inserted, updated, unchanged, kept, deleted, .. } = found.counts;
    (inserted, updated, unchanged, kept, deleted)
}

#[tokio::test]
async fn missing_streams_are_written_with_everything_and_equal_ones_are_unchanged() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let backup = koan.backup("nightly").await.expect("a backup");
    let unchanged = koan.restore(backup.id()).await.expect("equal streams");
    assert_eq!(counts(&unchanged, "order"), (0, 0, 10, 0, 0));
    assert_eq!(counts(&unchanged, "order.documents"), (0, 0, 3, 0, 0));
    assert_eq!(counts(&unchanged, "order.snapshots"), (0, 0, 2, 0, 0));

    let target = MemoryEvents::new();
    let empty = shop.koan_for(&target).await;
    let dry = empty.restore(backup.id()).dry_run().await.expect("a dry run");
    assert!(orders(&target).is_empty(), "a dry run writes nothing");
    let written = empty.restore(backup.id()).await.expect("a restore");
    assert_eq!(counts(&written, "order"), (10, 0, 0, 0, 0));
    assert_eq!(counts(&dry, "order"), counts(&written, "order"));
    assert_eq!(orders(&target), orders(&shop.events));
    assert_eq!(target.events("patient", SECRET_ID), shop.events.events("patient", SECRET_ID));
    // A backup of the restored store is equal, with documents, chunks, terminated streams and snapshots.
    let again = empty.backup("again").await.expect("a backup");
    let hashes = |report: &koan_backup::report::BackupReport| {
        report.manifest().entities.iter().map(|entry| entry.record_set_hash).collect::<Vec<_>>()
    };
    assert_eq!(hashes(&again), hashes(&backup));
    let repeated = empty.restore(backup.id()).await.expect("a restore");
    assert_eq!(counts(&repeated, "order"), (0, 0, 10, 0, 0));
}

#[tokio::test]
async fn a_stream_with_later_events_is_refused_by_name_kept_or_replaced() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let backup = koan.backup("nightly").await.expect("a backup");
    let before = orders(&shop.events);
    shop.events.append("order", "order-2", [event("Paid", r#""Paid""#)]).expect("appended");
    shop.events.append("order", "order-3", [event("Paid", r#""Paid""#)]).expect("appended");
    let later = orders(&shop.events);

    let refused = koan.restore(backup.id()).await.expect_err("a stream has later events");
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert!(
        refused.to_string().contains("`order-2`") && refused.to_string().contains("version 2"),
        "{refused}"
    );
    assert!(refused.help().is_some_and(|help| help.contains(".replace_existing()")), "{refused:?}");
    assert_eq!(orders(&shop.events), later, "nothing was written");

    let kept = koan.restore(backup.id()).on_conflict(ConflictMode::Keep).await.expect("a restore");
    assert_eq!(counts(&kept, "order").1, 0);
    assert_eq!(counts(&kept, "order.documents"), (0, 0, 2, 1, 0));
    assert_eq!(orders(&shop.events), later, "the later events are kept");

    let dry = koan.restore(backup.id()).replace_existing().dry_run().await.expect("a dry run");
    for round in 0..2 {
        let replaced = koan.restore(backup.id()).replace_existing().await.expect("a restore");
        let deleted = if round == 0 { 2 } else { 0 };
        assert_eq!(counts(&replaced, "order"), (0, 0, 10, 0, deleted), "round {round}");
        assert_eq!(orders(&shop.events), before, "exactly the events of the backup, and no later stream");
        if round == 0 {
            for part in ["order", "order.documents", "order.snapshots"] {
                assert_eq!(counts(&dry, part), counts(&replaced, part), "{part}");
            }
        }
    }
}

#[tokio::test]
async fn a_stream_that_differs_or_lost_events_is_cut_at_the_difference_and_written_again() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let backup = koan.backup("nightly").await.expect("a backup");
    let before = orders(&shop.events);
    shop.events.remove("order", "order-2");
    shop.events.remove("order", "order-1");
    let first = event("Placed", r#"{"Placed":{"total":1}}"#);
    for later in [2, 3, 9] {
        shop.events.append("order", "order-1", (0..later).map(|_| first.clone())).expect("appended");
        shop.events.add_snapshot("order", "order-1", "state", json("{\"wrong\":true}")).expect("a snapshot");
        let refused = koan.restore(backup.id()).await.expect_err("the stream differs");
        assert!(refused.to_string().contains("`order-1` exists and differs"), "{refused}");
        let report = koan.restore(backup.id()).replace_existing().await.expect("a restore");
        let (inserted, updated, unchanged, _, _) = counts(&report, "order");
        assert_eq!(inserted + updated + unchanged, 10);
        assert_eq!(orders(&shop.events), before);
        let again = koan.backup("again").await.expect("a backup");
        let equal = koan.diff(backup.id(), again.id()).await.expect("a comparison");
        assert!(equal.is_empty(), "also documents and snapshots are those of the backup: {equal:?}");
        shop.events.remove("order", "order-1");
    }
}

#[tokio::test]
async fn the_conflict_mode_fail_refuses_every_existing_stream() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let backup = koan.backup("nightly").await.expect("a backup");
    let refused = koan.restore(backup.id()).on_conflict(ConflictMode::Fail).await.expect_err("it exists");
    assert!(refused.to_string().contains("`order-1` exists already"), "{refused}");
    for id in ["order-1", "order-2", "order-2 (copy)"] {
        shop.events.remove("order", id);
    }
    let hidden =
        koan.restore(backup.id()).on_conflict(ConflictMode::Fail).await.expect_err("a patient exists");
    assert!(!hidden.to_string().contains(SECRET_ID), "the id of an encrypted stream is hidden: {hidden}");
    assert!(orders(&shop.events).is_empty(), "the whole restore was rolled back");
}

#[tokio::test]
async fn documents_and_snapshots_that_a_store_cannot_contain_are_named() {
    let shop = Shop::new();
    let backup = shop.koan().await.backup("nightly").await.expect("a backup");
    let target = MemoryEvents::with_capabilities(EventStoreCapabilities::default());
    let koan = shop.koan_for(&target).await;
    let refused = koan.restore(backup.id()).await.expect_err("the store has no documents");
    assert!(refused.to_string().contains("`order.documents`"), "{refused}");
    assert!(orders(&target).is_empty());
}

#[tokio::test]
async fn a_missing_snapshot_is_added_and_a_different_one_is_a_difference() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let backup = koan.backup("nightly").await.expect("a backup");
    let snapshots = async || {
        let reader = shop.events.reader().await.expect("a reader");
        let all: Vec<StreamSnapshot> =
            reader.all_snapshots("order").await.expect("read").try_concat().await.expect("read");
        all
    };
    let before = snapshots().await;
    let change = async |replacement: Option<StreamSnapshot>| {
        let mut session = shop.events.begin_restore(SessionIntent::Apply).await.expect("a session");
        let keys = [SnapshotKey {
            object_id: before[0].object_id.clone(),
            stream_id: before[0].stream_id.clone(),
            version: before[0].version,
        }];
        session.writer().remove_snapshots("order", &keys).await.expect("removed");
        if let Some(snapshot) = replacement {
            session.writer().add_snapshots("order", vec![snapshot]).await.expect("added");
        }
        session.commit().await.expect("committed");
    };
    change(None).await;
    let restored = koan.restore(backup.id()).await.expect("a restore");
    assert_eq!(counts(&restored, "order.snapshots"), (1, 0, 1, 0, 0), "the missing snapshot is added");
    assert_eq!(snapshots().await, before);

    let damaged = StreamSnapshot { payload: json("{\"damaged\":true}"), ..before[0].clone() };
    change(Some(damaged.clone())).await;
    let refused = koan.restore(backup.id()).await.expect_err("a snapshot differs");
    assert!(
        refused.to_string().contains("`order-1` exists and differs from the backup: its snapshot"),
        "{refused}"
    );
    let kept = koan.restore(backup.id()).on_conflict(ConflictMode::Keep).await.expect("a restore");
    assert_eq!(counts(&kept, "order.snapshots"), (0, 0, 1, 1, 0));
    assert!(snapshots().await.contains(&damaged));
    let _ = koan.restore(backup.id()).replace_existing().await.expect("a restore");
    assert_eq!(snapshots().await, before);
}

#[tokio::test]
async fn positions_that_a_store_has_assigned_are_no_difference() {
    let mut without_positions = EventStoreCapabilities::default();
    without_positions.documents = true;
    let source = MemoryEvents::with_capabilities(without_positions);
    source
        .append("order", "order-1", [event("Paid", r#""Paid""#), event("Paid", r#""Paid""#)])
        .expect("appended");
    let shop = Shop::new();
    let backup = shop.koan_for(&source).await.backup("nightly").await.expect("a backup");
    let target = MemoryEvents::new();
    let koan = shop.koan_for(&target).await;
    let first = koan.restore(backup.id()).await.expect("a restore");
    assert_eq!(counts(&first, "order"), (2, 0, 0, 0, 0));
    assert!(orders(&target).iter().all(|event| event.position.is_some()), "the store assigns positions");
    let second = koan.restore(backup.id()).await.expect("a restore");
    assert_eq!(counts(&second, "order"), (0, 0, 2, 0, 0), "a second restore changes nothing");
}

/// A store whose errors contain an object id.
#[derive(Debug)]
struct NamingStore(MemoryEvents);

fn naming_error<T>() -> koan_backup::Result<T> {
    Err(Error::new(ErrorKind::Provider, format!("the stream `{SECRET_ID}` of `{SECRET}` cannot be read")))
}

#[derive(Debug)]
struct NamingReader;

#[async_trait]
impl EventReader for NamingReader {
    async fn object_names(&self) -> koan_backup::Result<Vec<String>> {
        Ok(vec!["order".to_owned(), "patient".to_owned()])
    }
    async fn object_ids(&self, _: &str, _: Option<&str>, _: usize) -> koan_backup::Result<Vec<String>> {
        naming_error()
    }
    async fn open(&self, _: &str, _: &str) -> koan_backup::Result<Option<OpenedStreams>> {
        naming_error()
    }
    async fn events(&self, _: &OpenedStreams, _: &str) -> koan_backup::Result<Batches<'_, StreamEvent>> {
        naming_error()
    }
    async fn snapshots(&self, _: &OpenedStreams) -> koan_backup::Result<Batches<'_, StreamSnapshot>> {
        naming_error()
    }
}

#[async_trait]
impl EventStore for NamingStore {
    fn kind(&self) -> &'static str {
        "naming"
    }
    fn capabilities(&self) -> EventStoreCapabilities {
        self.0.capabilities()
    }
    fn consistency(&self) -> Consistency {
        self.0.consistency()
    }
    async fn reader(&self) -> koan_backup::Result<Box<dyn EventReader>> {
        Ok(Box::new(NamingReader))
    }
    async fn begin_restore(&self, _: SessionIntent) -> koan_backup::Result<Box<dyn EventStoreSession>> {
        naming_error()
    }
}

#[tokio::test]
async fn errors_of_a_store_do_not_reveal_ids_of_encrypted_types() {
    let shop = Shop::new();
    let store = NamingStore(shop.events.clone());
    let koan = shop.builder().event_store(store).build().await.expect("a context");
    let backup = koan.backup("nightly").entities(["patient"]).continue_on_error().await.expect("a report");
    let manifest = serde_json::to_string(backup.manifest()).expect("JSON");
    assert!(backup.manifest().entities.iter().all(|entry| entry.error.is_some()), "{manifest}");
    assert!(!manifest.contains(SECRET_ID) && !manifest.contains(SECRET), "{manifest}");
    let single =
        koan.streams("patient").expect("declared").backup(SECRET_ID).await.expect_err("not readable");
    assert!(!single.chain().contains(SECRET), "{single:?}");
    let shown = koan.backup("orders").entities(["order"]).await.expect_err("not readable");
    assert!(
        shown.chain().contains(SECRET_ID),
        "errors about types that are not encrypted are shown: {shown:?}"
    );
}
