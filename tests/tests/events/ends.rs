//! Tests that every backup and restore that was asked for ends in exactly one event.

use koan_backup::prelude::*;
use koan_backup::{CancellationToken, Event};
use koan_backup_tests::archive_surgery::Vault;
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};
use koan_backup_tests::scripted::Script;
use koan_backup_tests::wait;

use super::shop::{Ends, builder};

#[tokio::test]
async fn a_backup_ends_in_one_event_whether_it_is_refused_fails_or_succeeds() {
    let (store, ends) = (FaultyStore::over(Vault::default().store()), Ends::default());
    let koan = builder(store.storage(), Script::default()).observe(ends.listener()).build().await;
    let koan = koan.expect("a context");
    let name = "nightly-2026-11-29";
    let _ = koan.backup(name).await.expect("a backup");
    assert_eq!(ends.take(), ["backup nightly-2026-11-29 of nightly: Completed, published"]);
    let refused = ["backup nightly-2026-11-29 of nightly: Failed, not begun"];
    let _ = koan.backup(name).batch_size(0).await.expect_err("the batch size is refused");
    assert_eq!(ends.take(), refused, "an option");
    let _ = koan.backup(name).set("").await.expect_err("the set has no name");
    assert_eq!(ends.take(), refused, "a setting");
    let _ = koan.backup(name).to_profile("dr").await.expect_err("there is no such profile");
    assert_eq!(ends.take(), refused, "a profile");
    let _ = koan.backup(name).entities(["Order"]).await.expect_err("there is no such entity");
    assert_eq!(ends.take(), refused, "an entity");
    let _ = koan.backup(name).series("daily").batch_size(0).await.expect_err("the batch size is refused");
    assert_eq!(ends.take(), ["backup nightly-2026-11-29 of daily: Failed, not begun"]);
    store.fail([Fault::always(Operation::Put, "leases/", Failure::Broken)]);
    let _ = koan.backup(name).await.expect_err("the storage cannot be written");
    assert_eq!(ends.take(), refused, "a storage that cannot be written");
    store.fail([Fault::always(Operation::Begin, "archives/", Failure::Broken)]);
    let _ = koan.backup(name).await.expect_err("the archive cannot be written");
    assert_eq!(ends.take(), ["backup nightly-2026-11-29 of nightly: Failed, begun"]);
    store.fail([]);
    let token = CancellationToken::new();
    token.cancel();
    let _ = koan.backup(name).cancel_on(token).await.expect_err("cancelled");
    assert_eq!(ends.take(), ["backup nightly-2026-11-29 of nightly: Cancelled, not begun"]);
}

#[tokio::test]
async fn a_backup_that_another_process_prevents_ends_in_an_event() {
    let (vault, ends) = (Vault::default(), Ends::default());
    let store = FaultyStore::over(vault.store());
    let first = builder(store.storage(), Script::default()).build().await.expect("a context");
    let second = builder(vault.storage(), Script::default()).observe(ends.listener()).build().await;
    let second = second.expect("a context");
    store.fail([Fault::always(Operation::Begin, "archives/", Failure::Held)]);
    let refused = async {
        store.until_called(Operation::Begin, "archives/", 1).await;
        let error = second.backup("nightly").await.expect_err("the first backup holds the lease");
        assert_eq!(error.kind(), ErrorKind::Busy);
        assert_eq!(ends.take(), ["backup nightly of nightly: Failed, not begun"]);
        store.fail([]);
    };
    let (backup, ()) = tokio::join!(first.backup("nightly").into_future(), refused);
    let _ = backup.expect("a backup");
}

#[tokio::test]
async fn a_backup_whose_future_is_dropped_ends_in_an_event() {
    let (store, ends) = (FaultyStore::over(Vault::default().store()), Ends::default());
    let koan = builder(store.storage(), Script::default()).observe(ends.listener()).build().await;
    let koan = koan.expect("a context");
    store.fail([Fault::always(Operation::Begin, "archives/", Failure::Never)]);
    wait::dropped_at(store.until_called(Operation::Begin, "archives/", 1), koan.backup("nightly")).await;
    assert_eq!(ends.take(), ["backup nightly of nightly: Cancelled, begun"]);
    store.fail([Fault::always(Operation::Get, "archives/", Failure::Never)]);
    // The backup is published, so it is not announced as cancelled.
    let verified = koan.backup("nightly").verify_after();
    wait::dropped_at(store.until_called(Operation::Get, "archives/", 1), verified).await;
    assert_eq!(ends.take(), ["backup nightly of nightly: Failed, published"]);
    let restore = koan.restore("nightly");
    wait::dropped_at(store.until_called(Operation::Get, "archives/", 2), restore).await;
    assert_eq!(ends.take(), ["restore nightly of nightly: failed, found"]);
}

#[tokio::test]
async fn a_restore_ends_in_one_event_whether_it_is_refused_fails_or_succeeds() {
    let ends = Ends::default();
    let koan = builder(Storage::memory(), Script::default()).observe(ends.listener()).build().await;
    let koan = koan.expect("a context");
    let id = koan.backup("nightly").await.expect("a backup").id();
    let folder = tempfile::tempdir().expect("a directory");
    let tree = folder.path().join("tree");
    ends.take();
    let _ = koan.restore("nightly").await.expect("restored");
    let _ = koan.restore(id).dry_run().await.expect("compared");
    assert_eq!(ends.take(), ["restore nightly of nightly: restored, found"; 2]);
    let _ = koan.restore("weekly").await.expect_err("there is no such backup");
    assert_eq!(ends.take(), ["restore weekly of ?: failed, not found"]);
    let _ = koan.restore("nightly").from_profile("dr").await.expect_err("there is no such profile");
    let _ = koan.restore("nightly").set("").await.expect_err("the set has no name");
    let _ = koan.restore_directory(&tree).at("nightly").from_profile("dr").await.expect_err("two sources");
    let _ = koan.restore_directory(&tree).at("nightly").await.expect_err("there is no tree");
    assert_eq!(ends.take(), ["restore nightly of ?: failed, not found"; 4]);
    let _ = koan.restore("nightly").batch_size(0).await.expect_err("the batch size is refused");
    assert_eq!(ends.take(), ["restore nightly of nightly: failed, found"]);
    // A check is no restore.
    let _ = koan.restore("nightly").viability().await.expect("assessed");
    assert_eq!(ends.take(), Vec::<String>::new());
}

#[tokio::test]
async fn a_backup_into_a_directory_tree_ends_in_one_event() {
    let ends = Ends::default();
    let koan = builder(Storage::memory(), Script::default()).observe(ends.listener()).build().await;
    let koan = koan.expect("a context");
    let folder = tempfile::tempdir().expect("a directory");
    let tree = folder.path().join("tree");
    let report = koan.backup("nightly").to_directory(&tree).await.expect("a backup");
    assert_eq!(report.item_count(), 20);
    assert_eq!(ends.take(), ["backup nightly of nightly: Completed, published"]);
    let _ = koan.backup("nightly").batch_size(0).to_directory(&tree).await.expect_err("refused");
    let _ = koan.backup("nightly").set("").to_directory(&tree).await.expect_err("refused");
    let missing = folder.path().join("missing/tree");
    let _ = koan.backup("nightly").to_directory(missing).await.expect_err("the parent does not exist");
    assert_eq!(ends.take(), ["backup nightly of nightly: Failed, not begun"; 3]);
    let _ = koan.restore_directory(&tree).at("nightly").await.expect("restored");
    assert_eq!(ends.take(), ["restore nightly of nightly: restored, found"]);
}

#[tokio::test]
async fn the_end_of_a_backup_contains_its_manifest() {
    let koan = builder(Storage::memory(), Script::default()).build().await.expect("a context");
    let (sender, ends) = std::sync::mpsc::channel();
    let report = koan.backup("nightly").on_event(move |event| {
        if let Event::BackupFinished { manifest, .. } = event {
            sender.send(manifest.clone()).expect("the test receives");
        }
    });
    let report = report.await.expect("a backup");
    let manifests: Vec<_> = ends.iter().collect();
    assert_eq!(manifests.len(), 1);
    assert_eq!(manifests[0].as_deref(), Some(report.manifest()));
}
