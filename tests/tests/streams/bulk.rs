//! Backups and restores of many aggregates.

use std::sync::{Arc, Mutex};

use koan_backup::streams::BulkProgress;
use koan_backup::{ConflictMode, EventFiles, MemoryEvents, Storage};

use crate::shop::{FULL, PLAIN, Shop, content};

type Recorded = Arc<Mutex<Vec<BulkProgress>>>;

fn recorder() -> (Recorded, impl Fn(&BulkProgress) + Send + Sync + 'static) {
    let recorded = Recorded::default();
    let recording = Arc::clone(&recorded);
    (recorded, move |progress: &BulkProgress| {
        recording.lock().expect("the list is not poisoned").push(*progress);
        panic!("a bug of the application");
    })
}

fn progress_of(recorded: &Recorded) -> Vec<(usize, usize, usize, usize)> {
    // A panic of the callback poisons nothing, because the guard is dropped before it.
    let recorded = recorded.lock().expect("the list is not poisoned");
    recorded.iter().map(|p| (p.processed, p.total, p.succeeded, p.failed)).collect()
}

#[tokio::test]
async fn one_of_three_fails_and_the_others_succeed() {
    let shop = Shop::new();
    let orders = shop.koan().await.streams("order").expect("declared");
    let (recorded, on_progress) = recorder();
    let many = orders.backup_many([FULL, "order-99", PLAIN]).continue_on_error().on_progress(on_progress);
    let report = many.max_concurrency(1).await.expect("the report");
    assert!(report.is_partial() && !report.is_fully_successful() && !report.is_fully_failed());
    assert_eq!((report.succeeded(), report.failed(), report.not_started(), report.total), (2, 1, 0, 3));
    let ids: Vec<_> = report.handles.iter().map(|handle| handle.object_id.as_deref()).collect();
    assert_eq!(ids, [Some(FULL), Some(PLAIN)], "in the order of the ids");
    let failure = &report.failures()[0];
    assert_eq!((failure.object.as_deref(), failure.object_id.as_deref()), (Some("order"), Some("order-99")));
    assert!(failure.error.chain().contains("does not exist"), "{:?}", failure.error);
    assert_eq!(progress_of(&recorded), [(1, 3, 1, 0), (2, 3, 1, 1), (3, 3, 2, 1)], "once for each aggregate");
    assert!(report.require_success().expect_err("one failed").chain().contains("order-99"));
}

#[tokio::test]
async fn without_the_setting_the_operation_stops_and_reports_what_was_done() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let orders = koan.streams("order").expect("declared");
    let (recorded, on_progress) = recorder();
    let many = orders.backup_many([FULL, "order-99", PLAIN]).max_concurrency(1).on_progress(on_progress);
    let report = many.await.expect("the report");
    assert_eq!((report.succeeded(), report.failed(), report.not_started()), (1, 1, 1));
    assert!(report.is_partial());
    assert_eq!(progress_of(&recorded), [(1, 3, 1, 0), (2, 3, 1, 1)]);
    assert_eq!(koan.stream_backups().await.expect("listed").backups.len(), 1, "what was done remains");
}

#[tokio::test]
async fn no_aggregates_are_fully_successful() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let report =
        koan.streams("order").expect("declared").backup_many(Vec::<String>::new()).await.expect("done");
    assert!(report.is_fully_successful() && !report.is_partial() && !report.is_fully_failed());
    assert_eq!((report.succeeded(), report.total), (0, 0));
    let report = koan.restore_streams(Vec::<koan_backup::BackupId>::new()).await.expect("done");
    assert!(report.is_fully_successful() && report.restored.is_empty());
}

#[tokio::test]
async fn every_stream_of_a_type_is_backed_up_and_restored_with_one_call_each() {
    let shop = Shop::new();
    for number in 0..40 {
        let paid = crate::shop::event("Paid", r#""Paid""#);
        shop.events.append("order", &format!("order-{number:03}"), [paid]).expect("appended");
    }
    let orders = shop.koan().await.streams("order").expect("declared");
    let report = orders.backup_all().full().max_concurrency(8).tag("nightly").await.expect("done");
    assert!(report.is_fully_successful(), "{:?}", report.failures());
    assert_eq!(report.succeeded(), 42);

    let empty = MemoryEvents::new();
    let koan = shop.koan_for(&empty).await;
    let restored = koan.restore_streams(report.handles.clone()).max_concurrency(8).await.expect("done");
    assert!(restored.is_fully_successful(), "{:?}", restored.failures());
    assert_eq!(content(&empty, "order", FULL).await, content(&shop.events, "order", FULL).await);
    let again = koan.restore_streams(&report.handles).continue_on_error().await.expect("done");
    assert!(again.is_fully_failed(), "every stream exists");
    let overwrite = koan.restore_streams(&report.handles).on_conflict(ConflictMode::Overwrite);
    assert!(overwrite.await.expect("done").is_fully_successful());
    assert_eq!(empty.events("order", "order-007").len(), 1);
}

#[tokio::test]
async fn a_durable_store_with_one_writer_is_restored_concurrently_and_reads_the_same() {
    let shop = Shop::new();
    let orders = shop.koan().await.streams("order").expect("declared");
    let handles = orders.backup_all().full().await.expect("done").handles;
    let files =
        EventFiles::in_storage(Storage::local(shop.directory.path().join("events")).expect("a directory"));
    let builder = shop.builder().storage(shop.storage()).keys(shop.keys()).event_store(files.clone());
    let koan = builder.build().await.expect("a context");
    for _ in 0..2 {
        let restore = koan.restore_streams(&handles).max_concurrency(8).on_conflict(ConflictMode::Overwrite);
        let restored = restore.await.expect("done");
        assert!(restored.is_fully_successful(), "{:?}", restored.failures());
    }
    let again = koan.streams("order").expect("declared").backup_all().full().await.expect("done");
    for (again, handle) in again.handles.iter().zip(&handles) {
        assert_eq!((again.event_count, again.snapshot_count), (handle.event_count, handle.snapshot_count));
        let empty = MemoryEvents::new();
        let id = handle.object_id.as_deref().expect("the id is known");
        shop.koan_for(&empty)
            .await
            .streams("order")
            .expect("declared")
            .restore(again)
            .await
            .expect("restored");
        // The files contain no positions.
        let (mut restored, mut original) =
            (content(&empty, "order", id).await, content(&shop.events, "order", id).await);
        for event in restored.events.iter_mut().chain(&mut original.events) {
            event.position = None;
        }
        assert_eq!(restored, original);
    }
}
