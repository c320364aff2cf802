//! Restores of single backups and of archives never write into one provider at the same time.

use std::future::IntoFuture as _;
use std::sync::{Mutex, mpsc};

use koan_backup::prelude::*;
use koan_backup::{ConflictMode, Event};

use super::shop::{FULL, PLAIN, Shop, content};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_single_restore_is_refused_while_an_archive_is_restored_into_the_provider() {
    let shop = Shop::new();
    let (first, second) = (shop.koan().await, shop.koan().await);
    let archive = first.backup("nightly").await.expect("a backup");
    let orders = second.streams("order").expect("declared");
    let handle = orders.backup(FULL).full().await.expect("a backup");
    let handles = [handle.clone(), orders.backup(PLAIN).await.expect("a backup")];
    let (prepared, mut is_prepared) = tokio::sync::mpsc::unbounded_channel();
    let (gate, opened) = mpsc::channel::<()>();
    let opened = Mutex::new(opened);
    let restore = first.restore(archive.id()).on_event(move |event| {
        if matches!(event, Event::RestorePrepared { .. }) {
            prepared.send(()).expect("the test waits");
            let _ = opened.lock().expect("the lock is not poisoned").recv();
        }
    });
    let held = tokio::spawn(restore.into_future());
    is_prepared.recv().await.expect("the restore is prepared");
    let before = content(&shop.events, "order", FULL).await;
    for error in [
        orders
            .restore(&handle)
            .on_conflict(ConflictMode::Overwrite)
            .await
            .expect_err("an archive is restored"),
        orders.restore_as(&handle, "order-18").await.expect_err("an archive is restored"),
    ] {
        assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
        assert!(error.chain().contains("another process is restoring into provider"), "{error}");
    }
    let bulk =
        second.restore_streams(handles.clone()).on_conflict(ConflictMode::Overwrite).continue_on_error();
    let report = bulk.await.expect("a report");
    assert!(report.is_fully_failed(), "{report:?}");
    assert!(report.failures().iter().all(|failure| failure.error.kind() == ErrorKind::Busy), "{report:?}");
    assert_eq!(content(&shop.events, "order", FULL).await, before, "nothing was written");
    gate.send(()).expect("the restore waits");
    let _ = held.await.expect("the task ends").expect("the archive is restored");
    let report =
        second.restore_streams(handles).on_conflict(ConflictMode::Overwrite).await.expect("a report");
    assert!(report.is_fully_successful(), "the lease was released: {report:?}");
}

#[tokio::test]
async fn each_restore_of_single_backups_acquires_one_lease_and_releases_it() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let orders = koan.streams("order").expect("declared");
    let handles =
        [orders.backup(FULL).full().await.expect("a backup"), orders.backup(PLAIN).await.expect("a backup")];
    let generations = || shop.files("leases/restore-into");
    assert_eq!(generations().len(), 0, "no restore was made");
    let _ = orders.restore(&handles[0]).on_conflict(ConflictMode::Overwrite).await.expect("a restore");
    let first = generations().pop().expect("a lease");
    let report = koan.restore_streams(handles).on_conflict(ConflictMode::Overwrite).await.expect("a report");
    assert!(report.is_fully_successful(), "the lease was released: {report:?}");
    let second = generations().pop().expect("a lease");
    let number = |path: &std::path::Path| -> u64 {
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        name.trim_start_matches(|character: char| !character.is_ascii_digit()).parse().expect("a generation")
    };
    assert_eq!(number(&second), number(&first) + 1, "a bulk restore acquires the lease once");
}
