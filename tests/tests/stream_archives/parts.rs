//! What a restore does with documents and snapshots beside the events, and what it checks about them.

use futures::TryStreamExt as _;
use koan_backup::event_store::{
    EventStore as _, EventStoreCapabilities, SnapshotKey, StreamDocument, StreamSnapshot,
};
use koan_backup::prelude::*;
use koan_backup::provider::SessionIntent;
use koan_backup::report::RestoreReport;
use koan_backup::{ConflictMode, MemoryEvents};
use koan_backup_tests::archive_surgery::{Forgery, Recompute};

use super::miscounting::{Miscounted, MiscountingStore};
use super::shop::{Shop, content, event, json, orders};

async fn documents(events: &MemoryEvents, id: &str) -> Vec<StreamDocument> {
    let mut session = events.begin_restore(SessionIntent::Compare).await.expect("a session");
    session.writer().documents_of("order", &[id.to_owned()]).await.expect("read")
}

async fn snapshots(events: &MemoryEvents) -> Vec<StreamSnapshot> {
    let reader = events.reader().await.expect("a reader");
    reader.all_snapshots("order").await.expect("read").try_concat().await.expect("read")
}

/// Removes the document and the snapshots of an order.
async fn remove_parts(events: &MemoryEvents, id: &str) {
    let keys: Vec<_> = snapshots(events).await.iter().map(SnapshotKey::from).collect();
    let mut session = events.begin_restore(SessionIntent::Apply).await.expect("a session");
    session.writer().remove_document("order", id).await.expect("removed");
    session.writer().remove_snapshots("order", &keys).await.expect("removed");
    session.commit().await.expect("committed");
}

fn deleted(report: &RestoreReport, part: &str) -> u64 {
    report.entities.iter().find(|entity| entity.entity == part).expect("the part").counts.deleted
}

/// Returns a store of events only, with two orders.
fn only_events() -> MemoryEvents {
    let events = MemoryEvents::with_capabilities(EventStoreCapabilities::default());
    for id in ["order-1", "order-2"] {
        events.append("order", id, [event("Paid", r#""Paid""#)]).expect("appended");
    }
    events
}

#[tokio::test]
async fn an_aggregate_that_is_kept_gets_neither_the_document_nor_the_snapshots_of_the_backup() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let backup = koan.backup("nightly").await.expect("a backup");
    shop.events.append("order", "order-1", [event("Paid", r#""Paid""#)]).expect("appended");
    remove_parts(&shop.events, "order-1").await;
    let before = orders(&shop.events);
    let _ = koan.restore(backup.id()).on_conflict(ConflictMode::Keep).await.expect("a restore");
    assert_eq!(orders(&shop.events), before);
    assert_eq!(documents(&shop.events, "order-1").await, []);
    assert_eq!(snapshots(&shop.events).await, []);
}

#[tokio::test]
async fn a_replaced_aggregate_keeps_no_snapshot_and_a_dry_run_changes_none() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let backup = koan.backup("nightly").await.expect("a backup");
    let before = (orders(&shop.events), snapshots(&shop.events).await);
    shop.events.append("order", "order-2", [event("Paid", r#""Paid""#)]).expect("appended");
    shop.events.add_snapshot("order", "order-2", "state", json("{}")).expect("a snapshot");
    shop.events.append("order", "additional", [event("Paid", r#""Paid""#)]).expect("appended");
    shop.events.add_snapshot("order", "additional", "state", json("{}")).expect("a snapshot");
    let later =
        (orders(&shop.events), snapshots(&shop.events).await, documents(&shop.events, "order-2").await);
    let dry = koan.restore(backup.id()).replace_existing().dry_run().await.expect("compared");
    let after =
        (orders(&shop.events), snapshots(&shop.events).await, documents(&shop.events, "order-2").await);
    assert_eq!(after, later, "a dry run writes nothing");
    let restored = koan.restore(backup.id()).replace_existing().await.expect("a restore");
    assert_eq!((orders(&shop.events), snapshots(&shop.events).await), before);
    for report in [dry, restored] {
        let counts = ["order", "order.documents", "order.snapshots"].map(|part| deleted(&report, part));
        assert_eq!(counts, [2, 1, 2], "what was removed with the additional aggregate is counted");
    }
}

#[tokio::test]
async fn a_restore_that_replaces_everything_leaves_exactly_the_snapshots_of_the_backup() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let backup = koan.backup("nightly").await.expect("a backup");
    let before = snapshots(&shop.events).await;
    // The events of no aggregate change. A snapshot after the last event hides the next events from the application.
    let damaged = StreamSnapshot { payload: json("{}"), ..before[0].clone() };
    let later = StreamSnapshot { version: 4711, ..before[1].clone() };
    let of_other = |id: &str| StreamSnapshot {
        object_id: id.to_owned(),
        stream_id: id.to_owned(),
        version: 0,
        ..before[1].clone()
    };
    let mut session = shop.events.begin_restore(SessionIntent::Apply).await.expect("a session");
    let writer = session.writer();
    writer.remove_snapshots("order", &[SnapshotKey::from(&before[0])]).await.expect("removed");
    let added = vec![damaged, later, of_other("order-2"), of_other("order-2 (copy)")];
    writer.add_snapshots("order", added).await.expect("added");
    session.commit().await.expect("committed");
    let dry = koan.restore(backup.id()).replace_existing().dry_run().await.expect("compared");
    assert_eq!(snapshots(&shop.events).await.len(), 5, "a dry run writes nothing");
    let restored = koan.restore(backup.id()).replace_existing().await.expect("a restore");
    assert_eq!(snapshots(&shop.events).await, before);
    for report in [dry, restored] {
        let counts = report.entities.iter().find(|entity| entity.entity == "order.snapshots");
        let counts = &counts.expect("the part").counts;
        assert_eq!((counts.unchanged, counts.updated, counts.inserted, counts.deleted), (1, 1, 0, 3));
        assert_eq!(deleted(&report, "order"), 0, "the events are equal");
    }
}

#[tokio::test]
async fn the_order_of_documents_and_snapshots_is_checked_although_all_hashes_fit() {
    let shop = Shop::new();
    let backup = shop.koan().await.backup("nightly").await.expect("a backup");
    let stored = shop.vault.stored(backup.id()).await;
    for (file, problem) in [
        ("streams/order.documents.jsonl", "it has two documents"),
        ("streams/order.snapshots.jsonl", "occurs twice"),
    ] {
        let text = String::from_utf8(content(&stored, file)).expect("text");
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let altered: Vec<String> = [lines[0]].iter().chain(&lines).map(|line| (*line).to_owned()).collect();
        let mut forgery = Forgery::parse(&stored);
        forgery.set_blocks(file, &altered);
        shop.vault.write_backup(&forgery.rebuild(Recompute::Records)).await;
        let target = MemoryEvents::new();
        let koan = shop.koan_for(&target).await;
        let issues = format!("{:?}", koan.verify(backup.id()).await.expect("a report").issues());
        assert!(issues.contains(problem), "{file}: {issues}");
        let unverified = koan.restore(backup.id()).without_verification().await.expect_err(problem);
        assert_eq!(unverified.kind(), ErrorKind::Corrupt, "{file}: {unverified}");
        assert!(unverified.to_string().contains(problem), "{file}: {unverified}");
        assert!(orders(&target).is_empty(), "{file}: nothing was written");
    }
}

#[tokio::test]
async fn a_store_that_reports_another_number_than_was_written_fails_the_restore() {
    for miscounted in [Miscounted::Append, Miscounted::AddSnapshots, Miscounted::RemoveSnapshots] {
        let shop = Shop::new();
        let backup = shop.koan().await.backup("nightly").await.expect("a backup");
        shop.events.append("order", "order-1", [event("Paid", r#""Paid""#)]).expect("appended");
        match miscounted {
            Miscounted::RemoveSnapshots => {
                shop.events.add_snapshot("order", "order-1", "state", json("{}")).expect("a snapshot");
            }
            Miscounted::Append | Miscounted::AddSnapshots => drop(shop.events.remove("order", "order-1")),
        }
        let before = (orders(&shop.events), snapshots(&shop.events).await);
        let store = MiscountingStore(shop.events.clone(), miscounted);
        let koan = shop.builder().event_store(store).build().await.expect("a context");
        let refused = koan.restore(backup.id()).replace_existing().await.expect_err("the number is wrong");
        assert_eq!(refused.kind(), ErrorKind::Constraint, "{miscounted:?}: {refused}");
        assert_eq!((orders(&shop.events), snapshots(&shop.events).await), before, "{miscounted:?}");
    }
}

#[tokio::test]
async fn an_aggregate_that_has_only_a_document_exists() {
    let shop = Shop::new();
    let source = MemoryEvents::new();
    let document = StreamDocument {
        version: None,
        chunks: Vec::new(),
        ..documents(&shop.events, "order-2").await.remove(0)
    };
    let put = async |events: &MemoryEvents| {
        let mut session = events.begin_restore(SessionIntent::Apply).await.expect("a session");
        session.writer().put_document("order", document.clone()).await.expect("written");
        session.commit().await.expect("committed");
    };
    put(&source).await;
    let koan = shop.koan_for(&source).await;
    let backup = koan.backup("nightly").await.expect("a backup");
    let refused = koan.restore(backup.id()).on_conflict(ConflictMode::Fail).await.expect_err("it exists");
    assert!(refused.to_string().contains("`order-2` exists already"), "{refused}");

    source.append("order", "order-2", [event("Paid", r#""Paid""#)]).expect("appended");
    let later = source.events("order", "order-2");
    let refused = koan.restore(backup.id()).await.expect_err("the backup has no events");
    assert!(refused.to_string().contains("it has events, and the backup has none"), "{refused}");
    assert_eq!(source.events("order", "order-2"), later);
    let _ = koan.restore(backup.id()).replace_existing().await.expect("a restore");
    assert!(source.events("order", "order-2").is_empty(), "the later events are removed");
    assert_eq!(documents(&source, "order-2").await, std::slice::from_ref(&document));
}

#[tokio::test]
async fn a_backup_of_events_only_leaves_no_document_and_no_snapshot_of_removed_events() {
    let shop = Shop::new();
    let backup = shop.koan_for(&only_events()).await.backup("nightly").await.expect("a backup");
    let target = MemoryEvents::new();
    target.append("order", "order-1", [event("Paid", r#""Paid""#), event("Paid", "null")]).expect("appended");
    target.add_snapshot("order", "order-1", "state", json("{}")).expect("a snapshot");
    let before = (orders(&target), snapshots(&target).await, documents(&target, "order-1").await);
    let koan = shop.koan_for(&target).await;
    let _ = koan.restore(backup.id()).replace_existing().dry_run().await.expect("compared");
    let after = (orders(&target), snapshots(&target).await, documents(&target, "order-1").await);
    assert_eq!(after, before, "a dry run writes nothing");
    let _ = koan.restore(backup.id()).replace_existing().await.expect("a restore");
    assert_eq!(orders(&target).len(), 2);
    assert_eq!(snapshots(&target).await, []);
    assert_eq!(documents(&target, "order-1").await, []);
}

#[tokio::test]
async fn a_store_without_documents_refuses_an_existing_stream_in_the_mode_fail() {
    let shop = Shop::new();
    let events = only_events();
    let koan = shop.koan_for(&events).await;
    let backup = koan.backup("nightly").await.expect("a backup");
    let refused = koan.restore(backup.id()).on_conflict(ConflictMode::Fail).await.expect_err("it exists");
    assert!(refused.to_string().contains("`order-1` exists already"), "{refused}");
}

#[tokio::test]
async fn positions_are_left_out_if_the_store_has_none() {
    let shop = Shop::new();
    let source = MemoryEvents::new();
    source.append("order", "order-1", [event("Paid", r#""Paid""#)]).expect("appended");
    let mut without_positions = source.capabilities();
    without_positions.positions = false;
    let backup = shop.koan_for(&source).await.backup("nightly").await.expect("a backup");
    let target = MemoryEvents::with_capabilities(without_positions);
    let koan = shop.koan_for(&target).await;
    for inserted in [1, 0] {
        let report = koan.restore(backup.id()).await.expect("a restore");
        let events = report.entities.iter().find(|entity| entity.entity == "order").expect("the events");
        assert_eq!(events.counts.inserted, inserted);
    }
}

#[tokio::test]
async fn a_document_that_the_backup_does_not_contain_is_removed_with_the_events_that_it_describes() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let later = MemoryEvents::new();
    later.append("order", "order-2", [event("Placed", r#"{"Placed":{"total":1}}"#)]).expect("appended");
    remove_parts(&later, "order-2").await;
    let backup = shop.koan_for(&later).await.backup("nightly").await.expect("a backup");
    let _ = koan.restore(backup.id()).replace_existing().await.expect("a restore");
    assert_eq!(shop.events.events("order", "order-2").len(), 1);
    assert_eq!(documents(&shop.events, "order-2").await, []);
    assert_eq!(snapshots(&shop.events).await, []);
}

#[tokio::test]
async fn another_snapshot_stays_in_a_store_with_one_snapshot_of_each_aggregate() {
    let shop = Shop::new();
    let mut single = shop.events.capabilities();
    single.single_snapshot = true;
    let events = MemoryEvents::with_capabilities(single);
    let paid = || [event("Paid", r#""Paid""#), event("Paid", r#""Paid""#)];
    events.append("order", "order-1", paid()).expect("appended");
    events.add_snapshot("order", "order-1", "state", json("{}")).expect("a snapshot");
    let koan = shop.koan_for(&events).await;
    let backup = koan.backup("nightly").await.expect("a backup");
    let archived = snapshots(&events).await;
    let earlier = StreamSnapshot { version: 0, ..archived[0].clone() };
    let mut session = events.begin_restore(SessionIntent::Apply).await.expect("a session");
    let keys: Vec<_> = archived.iter().map(SnapshotKey::from).collect();
    session.writer().remove_snapshots("order", &keys).await.expect("removed");
    session.writer().add_snapshots("order", vec![earlier.clone()]).await.expect("added");
    session.commit().await.expect("committed");
    let _ = koan.restore(backup.id()).await.expect("a restore");
    assert_eq!(snapshots(&events).await, [earlier], "there is room for one snapshot");
}
