//! Backup and restore of one aggregate.

use koan_backup::event_store::{EventStore as _, EventStoreCapabilities, StreamDocument, StreamSnapshot};
use koan_backup::prelude::*;
use koan_backup::provider::SessionIntent;
use koan_backup::streams::StreamRestoreOutcome;
use koan_backup::{ConflictMode, MemoryEvents};

use crate::shop::{FULL, PLAIN, Shop, content, event, json};

#[tokio::test]
async fn a_full_backup_restores_everything_and_a_second_restore_changes_nothing() {
    let shop = Shop::new();
    let before = content(&shop.events, "order", FULL).await;
    let orders = shop.koan().await.streams("order").expect("the type is declared");
    let handle = orders.backup(FULL).full().await.expect("the backup is made");
    assert_eq!((handle.event_count, handle.stream_version), (5, Some(4)), "the events of all chunks");
    assert_eq!((handle.snapshot_count, handle.terminated_stream_count), (2, 1));

    let empty = MemoryEvents::new();
    let restored = shop.koan_for(&empty).await.streams("order").expect("the type is declared");
    let report = restored.restore(&handle).description("drill").await.expect("the stream is restored");
    assert_eq!(report.outcome, StreamRestoreOutcome::Restored);
    assert_eq!((report.events, report.snapshots, report.terminated_streams), (7, 2, 1));
    assert_eq!((report.document, report.description.as_deref()), (true, Some("drill")));
    assert_eq!(content(&empty, "order", FULL).await, before, "timestamps, positions, text and all ids");

    for _ in 0..2 {
        empty.append("order", FULL, [event("Paid", r#""Paid""#)]).expect("appended");
        let report = restored.restore(&handle).on_conflict(ConflictMode::Overwrite).await;
        assert_eq!(report.expect("the stream is replaced").outcome, StreamRestoreOutcome::Replaced);
        assert_eq!(content(&empty, "order", FULL).await, before, "exactly the events of the backup");
    }
}

#[tokio::test]
async fn an_existing_aggregate_is_refused_kept_or_replaced() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let orders = koan.streams("order").expect("the type is declared");
    let handle = orders.backup(PLAIN).await.expect("the backup is made");
    shop.events.append("order", PLAIN, [event("Paid", r#""Paid""#)]).expect("appended");
    let later = content(&shop.events, "order", PLAIN).await;

    let error = orders.restore(&handle).await.expect_err("the stream exists");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.chain().contains("already exists") && error.chain().contains(PLAIN), "{error:?}");
    let report = orders.restore(handle.id).on_conflict(ConflictMode::Keep).await.expect("it is kept");
    assert_eq!((report.outcome, report.events), (StreamRestoreOutcome::Kept, 0));
    assert_eq!(content(&shop.events, "order", PLAIN).await, later, "nothing was written");
}

#[tokio::test]
async fn an_empty_or_terminated_stream_and_a_lone_document_or_snapshot_exist() {
    let shop = Shop::new();
    let handle = shop
        .koan()
        .await
        .streams("order")
        .expect("declared")
        .backup(PLAIN)
        .await
        .expect("the backup is made");
    let terminated = MemoryEvents::new();
    terminated.append("order", PLAIN, [event("Paid", r#""Paid""#)]).expect("appended");
    terminated.terminate("order", PLAIN, "closed").expect("terminated");
    let empty = MemoryEvents::new();
    empty.append("order", PLAIN, [event("Paid", r#""Paid""#)]).expect("appended");
    empty.terminate("order", PLAIN, "closed").expect("terminated");
    empty.continue_as("order", PLAIN, "next").expect("continued");
    let with_document = MemoryEvents::new();
    let document = content(&shop.events, "order", PLAIN).await.opened.and_then(|opened| opened.document);
    let document = StreamDocument { version: None, ..document.expect("a document") };
    let mut session = with_document.begin_restore(SessionIntent::Apply).await.expect("a session");
    session.writer().put_document("order", document).await.expect("written");
    session.commit().await.expect("committed");
    let with_snapshot = MemoryEvents::new();
    let snapshot = StreamSnapshot {
        object_id: PLAIN.to_owned(),
        stream_id: PLAIN.to_owned(),
        version: 0,
        number: None,
        name: None,
        timestamp: None,
        payload: json("{}"),
    };
    let mut session = with_snapshot.begin_restore(SessionIntent::Apply).await.expect("a session");
    session.writer().add_snapshots("order", vec![snapshot]).await.expect("written");
    session.commit().await.expect("committed");
    for events in [terminated, empty, with_document, with_snapshot] {
        let before = content(&events, "order", PLAIN).await;
        let orders = shop.koan_for(&events).await.streams("order").expect("declared");
        let error = orders.restore(&handle).await.expect_err("the aggregate exists");
        assert!(error.chain().contains("already exists"), "{error:?}");
        assert_eq!(content(&events, "order", PLAIN).await, before, "nothing was written");
    }
}

#[tokio::test]
async fn a_backup_without_terminated_streams_replaces_none() {
    let shop = Shop::new();
    let orders = shop.koan().await.streams("order").expect("declared");
    let handle = orders.backup(FULL).include_snapshots().await.expect("the backup is made");
    assert_eq!((handle.snapshot_count, handle.terminated_stream_count), (1, 0));
    let before = content(&shop.events, "order", FULL).await;
    shop.events.append("order", FULL, [event("Paid", r#""Paid""#)]).expect("appended");
    let report = orders.restore(&handle).on_conflict(ConflictMode::Overwrite).await.expect("replaced");
    assert_eq!((report.events, report.kept_terminated_streams), (5, 1));
    assert_eq!(content(&shop.events, "order", FULL).await, before);
}

#[tokio::test]
async fn a_store_that_cannot_contain_a_part_refuses_the_restore_and_names_the_setting() {
    let shop = Shop::new();
    let orders = shop.koan().await.streams("order").expect("declared");
    shop.events.add_snapshot("order", PLAIN, "state", json("{}")).expect("a snapshot");
    let handle = orders.backup(PLAIN).full().await.expect("the backup is made");
    let simple = MemoryEvents::with_capabilities(EventStoreCapabilities::default());
    let restored = shop.koan_for(&simple).await.streams("order").expect("declared");
    let error = restored.restore(&handle).await.expect_err("the store has no snapshots");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.chain().contains(".without_snapshots()"), "{error:?}");
    let error = restored.restore(&handle).without_snapshots().await.expect_err("the store has no documents");
    assert!(error.chain().contains(".without_document()"), "{error:?}");
    assert!(simple.events("order", PLAIN).is_empty(), "the events were rolled back");
    let report = restored.restore(&handle).without_snapshots().without_document().await.expect("restored");
    assert_eq!((report.snapshots, report.events, report.document), (0, 2, false));
    assert_eq!(simple.events("order", PLAIN).len(), 2);
    let full = orders.backup(FULL).full().await.expect("the backup is made");
    let error = restored.restore(&full).without_snapshots().await.expect_err("terminated streams");
    assert!(error.chain().contains("terminated streams"), "{error:?}");
}

#[tokio::test]
async fn a_missing_stream_and_an_undeclared_type_are_errors_that_name_them() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let error = koan.streams("order").expect("declared").backup("order-99").await.expect_err("missing");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.chain().contains("order-99") && error.chain().contains("order"), "{error:?}");
    let error = koan.streams("invoice").expect_err("no type declares it");
    let text = error.to_string();
    assert!(text.contains("#[derive(EventStream)]") && text.contains("register_raw"), "{text}");
    let handle = koan.streams("order").expect("declared").backup(PLAIN).await.expect("backed up");
    let error = koan.streams("legacy").expect("declared").restore(&handle).await.expect_err("another object");
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

#[tokio::test]
async fn progress_counts_every_event_once_and_a_panicking_callback_does_not_end_the_backup() {
    let shop = Shop::new();
    let orders = shop.koan().await.streams("order").expect("declared");
    let (sender, receiver) = std::sync::mpsc::channel();
    let handle = orders
        .backup(FULL)
        .full()
        .on_progress(move |progress| {
            sender.send((progress.events, progress.total_events, progress.percent())).expect("received");
            panic!("a bug of the application");
        })
        .await
        .expect("the backup is made");
    assert_eq!(handle.event_count, 5);
    let progress: Vec<_> = receiver.iter().collect();
    assert_eq!(progress.first(), Some(&(0, 7, 0.0)));
    assert_eq!(progress.last(), Some(&(7, 7, 100.0)));
    assert!(progress.iter().all(|(.., percent)| *percent <= 100.0), "{progress:?}");
}

#[tokio::test]
async fn an_event_that_does_not_decode_makes_the_backup_fail_and_nothing_is_stored() {
    let shop = Shop::new();
    shop.events.append("order", PLAIN, [event("Lost", r#"{"Lost":"to a secret place"}"#)]).expect("appended");
    let error =
        shop.koan().await.streams("order").expect("declared").backup(PLAIN).await.expect_err("undecodable");
    assert_eq!(error.kind(), ErrorKind::Record);
    assert!(error.chain().contains("version 2") && !error.chain().contains("secret place"), "{error:?}");
    assert_eq!(shop.files("streams/"), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn a_stream_that_grows_during_the_backup_is_read_at_the_version_at_which_it_was_opened() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let events = shop.events.clone();
    let backup = koan.streams("order").expect("declared").backup(PLAIN).on_progress(move |_| {
        events.append("order", PLAIN, [event("Paid", r#""Paid""#)]).expect("appended");
    });
    let handle = backup.await.expect("the backup is made");
    assert_eq!((handle.event_count, handle.stream_version), (2, Some(1)));
    assert!(shop.events.events("order", PLAIN).len() > 2, "the stream has grown");
    let verified = koan.verify_stream_backup(&handle).await.expect("read").require_valid().expect("valid");
    assert_eq!(verified.events, Some(2));
}
