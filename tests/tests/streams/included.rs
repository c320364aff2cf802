//! Each include option on and off, in the backup and in the restore.

use koan_backup::event_store::EventStoreCapabilities;
use koan_backup::prelude::*;
use koan_backup::{ConflictMode, MemoryEvents};

use crate::shop::{FULL, PLAIN, Shop, content, event, json};

#[tokio::test]
async fn each_option_changes_what_is_included() {
    let shop = Shop::new();
    let orders = shop.koan().await.streams("order").expect("declared");
    let backups = [
        (orders.backup(FULL), (true, false, false), (0, 0)),
        (orders.backup(FULL).without_document(), (false, false, false), (0, 0)),
        (orders.backup(FULL).include_snapshots(), (true, true, false), (1, 0)),
        (orders.backup(FULL).include_terminated(), (true, false, true), (0, 1)),
        (orders.backup(FULL).include_terminated().include_snapshots(), (true, true, true), (2, 1)),
        (orders.backup(FULL).full(), (true, true, true), (2, 1)),
        (orders.backup(FULL).full().without_document(), (false, true, true), (2, 1)),
    ];
    for (backup, includes, counts) in backups {
        let handle = backup.await.expect("the backup is made");
        let included = handle.includes;
        assert_eq!((included.document, included.snapshots, included.terminated), includes);
        assert_eq!((handle.snapshot_count, handle.terminated_stream_count), counts);
        let empty = MemoryEvents::new();
        let report = shop.koan_for(&empty).await.streams("order").expect("declared").restore(&handle).await;
        let report = report.expect("restored");
        assert_eq!(report.document, includes.0);
        let restored = content(&empty, "order", FULL).await;
        assert_eq!(restored.snapshots.len(), usize::try_from(counts.0).expect("a number"));
        assert_eq!(restored.events.len(), if includes.2 { 7 } else { 5 });
        let opened = restored.opened.expect("the aggregate exists");
        assert_eq!(opened.active().map(|stream| stream.stream_id.as_str()), Some("continued"));
    }
}

#[tokio::test]
async fn a_restore_can_omit_the_document_and_the_snapshots() {
    let shop = Shop::new();
    let orders = shop.koan().await.streams("order").expect("declared");
    shop.events.add_snapshot("order", PLAIN, "state", json("{}")).expect("a snapshot");
    let handle = orders.backup(PLAIN).full().await.expect("the backup is made");
    shop.events.append("order", PLAIN, [event("Paid", r#""Paid""#)]).expect("appended");
    let restore = orders.restore(&handle).on_conflict(ConflictMode::Overwrite);
    let report =
        restore.without_document().without_snapshots().without_verification().await.expect("restored");
    assert_eq!((report.document, report.snapshots, report.events), (false, 0, 2));
    let restored = content(&shop.events, "order", PLAIN).await;
    assert_eq!(
        (restored.events.len(), restored.snapshots.len()),
        (2, 0),
        "no snapshot refers to a removed event"
    );
}

#[tokio::test]
async fn a_part_that_is_required_and_that_the_store_does_not_have_is_an_error() {
    let shop = Shop::new();
    let simple = MemoryEvents::with_capabilities(EventStoreCapabilities::default());
    simple.append("order", PLAIN, [event("Paid", r#""Paid""#)]).expect("appended");
    let orders = shop.koan_for(&simple).await.streams("order").expect("declared");
    let requests = [
        (orders.backup(PLAIN).include_snapshots(), ".include_snapshots()"),
        (orders.backup(PLAIN).include_terminated(), ".include_terminated()"),
        (orders.backup(PLAIN).include_snapshots().full(), ".include_snapshots()"),
    ];
    for (request, method) in requests {
        let error = request.await.expect_err("the store has no such part");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.chain().contains(method), "{error:?}");
    }
    let handle = orders.backup(PLAIN).full().await.expect("everything that the store has");
    assert!(!handle.includes.document && !handle.includes.snapshots && !handle.includes.terminated);
}

#[tokio::test]
async fn an_aggregate_with_only_terminated_streams_is_not_backed_up_as_empty() {
    let shop = Shop::new();
    shop.events.terminate("order", PLAIN, "closed").expect("terminated");
    let orders = shop.koan().await.streams("order").expect("declared");
    let error = orders.backup(PLAIN).await.expect_err("nothing would be included");
    assert!(error.chain().contains(".include_terminated()"), "{error:?}");
    let handle = orders.backup(PLAIN).include_terminated().await.expect("the backup is made");
    let before = content(&shop.events, "order", PLAIN).await;
    let empty = MemoryEvents::new();
    let restored = shop.koan_for(&empty).await.streams("order").expect("declared");
    assert_eq!(restored.restore(&handle).await.expect("restored").events, 2);
    assert_eq!(content(&empty, "order", PLAIN).await, before);
}
