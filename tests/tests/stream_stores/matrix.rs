//! One round of archives and single backups for each event store with each kind of storage profile.

use koan_backup::prelude::*;
use koan_backup::report::BackupReport;
use koan_backup::{ConflictMode, ErrorKind};
use koan_backup_tests::postgres::Server;
use koan_backup_tests::stores::{Azurite, Moto};

use crate::stores::{Machine, OBJECT, TestEvents, TestStorage};

const ID: &str = "order-17";

/// Runs a round for each event store with profiles in one kind of storage.
async fn rounds(profiles: TestStorage) {
    let machine = Machine::new();
    let postgres = Server::start();
    let directory = TestStorage::directory();
    let databases = tempfile::tempdir().expect("a directory");
    let files = |storage: &TestStorage, name: &str| TestEvents::files(storage.open(name));
    for (name, source, target) in [
        ("memory", TestEvents::memory(), TestEvents::memory()),
        ("directory", files(&directory, "source"), files(&directory, "target")),
        ("same-storage", files(&profiles, "source-events"), files(&profiles, "target-events")),
        (
            "sqlite",
            TestEvents::sqlite(databases.path(), "source.db"),
            TestEvents::sqlite(databases.path(), "target.db"),
        ),
        ("postgres", TestEvents::postgres(&postgres, "source"), TestEvents::postgres(&postgres, "target")),
    ] {
        let storage = profiles.open(name);
        source.append(ID, 0..5).await;
        source.append("Order 2/b", 0..3).await;
        source.add_snapshot(ID, 3).await;
        archives(&machine, name, &source, &target, &storage).await;
        single_backups(&machine, name, &source, &storage).await;
    }
}

/// Backs up an event store, verifies the backup, and restores it into another store of the same kind.
async fn archives(
    machine: &Machine,
    name: &str,
    source: &TestEvents,
    target: &TestEvents,
    storage: &Storage,
) {
    let koan = machine.koan(source, storage).await;
    let backup = koan.backup("nightly").await.unwrap_or_else(|error| panic!("{name}: {}", error.chain()));
    let verified = koan.verify(backup.id()).await.expect("read");
    assert!(verified.is_valid(), "{name}: {:?}", verified.issues());
    let empty = machine.koan(target, storage).await;
    let _ = empty.restore(backup.id()).await.unwrap_or_else(|error| panic!("{name}: {}", error.chain()));
    assert_eq!(target.content().await, source.content().await, "{name}");
    let again = empty.backup("again").await.expect("a backup");
    assert_eq!(hashes(&again), hashes(&backup), "{name}: a backup of the restored store is equal");
}

fn hashes(backup: &BackupReport) -> Vec<impl PartialEq + std::fmt::Debug> {
    backup.manifest().entities.iter().map(|entry| entry.record_set_hash).collect()
}

/// Backs up one aggregate, overwrites it, clones it, and verifies and deletes the backup.
async fn single_backups(machine: &Machine, name: &str, source: &TestEvents, storage: &Storage) {
    let koan = machine.koan(source, storage).await;
    let orders = koan.streams(OBJECT).expect("declared");
    let before = source.content().await;
    let handle = orders.backup(ID).full().await.unwrap_or_else(|error| panic!("{name}: {}", error.chain()));
    assert_eq!((handle.event_count, handle.snapshot_count), (5, 1), "{name}");

    source.append(ID, 5..7).await;
    let later = source.content().await;
    let refused = orders.restore(&handle).await.expect_err("the aggregate exists");
    assert_eq!(refused.kind(), ErrorKind::Conflict, "{name}: {}", refused.chain());
    assert_eq!(source.content().await, later, "{name}: a refused restore writes nothing");
    let overwritten = orders.restore(&handle).on_conflict(ConflictMode::Overwrite).await;
    overwritten.unwrap_or_else(|error| panic!("{name}: {}", error.chain()));
    assert_eq!(source.content().await, before, "{name}");

    let clone = orders.restore_as(&handle, "order-18").await;
    let clone = clone.unwrap_or_else(|error| panic!("{name}: {}", error.chain()));
    assert_eq!((clone.events, clone.snapshots), (5, 1), "{name}");
    let found = source.content().await;
    let cloned = found.events.iter().filter(|event| event.object_id == "order-18");
    let original = before.events.iter().filter(|event| event.object_id == ID);
    assert!(cloned.map(|event| &event.payload).eq(original.map(|event| &event.payload)), "{name}");

    let verified = koan.verify_stream_backup(&handle).await.expect("read");
    verified.require_valid().unwrap_or_else(|error| panic!("{name}: {}", error.chain()));
    assert_eq!(koan.stream_backups().await.expect("listed").backups, std::slice::from_ref(&handle), "{name}");
    koan.delete_stream_backup(&handle).await.unwrap_or_else(|error| panic!("{name}: {}", error.chain()));
    assert!(koan.stream_backups().await.expect("listed").backups.is_empty(), "{name}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_store_is_backed_up_to_memory() {
    rounds(TestStorage::Memory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_store_is_backed_up_to_a_directory() {
    rounds(TestStorage::directory()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_store_is_backed_up_to_s3_by_moto() {
    rounds(TestStorage::Moto(Moto::start())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_store_is_backed_up_to_azure_by_azurite() {
    rounds(TestStorage::Azurite(Azurite::start())).await;
}
