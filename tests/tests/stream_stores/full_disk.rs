//! A disk that becomes full during single backups and restores.

use koan_backup::prelude::*;
use koan_backup::{ConflictMode, ErrorKind};
use koan_backup_tests::small_disk::SmallDisk;

use crate::stores::{Machine, OBJECT, TestEvents, event};

const LARGE: &str = "large";
const SMALL: &str = "small";

/// Returns events of an aggregate that are larger than the disk.
fn large() -> Vec<koan_backup::event_store::StreamEvent> {
    (0..48).map(|version| event(LARGE, version, 64 << 10)).collect()
}

#[tokio::test]
async fn a_single_backup_to_a_full_disk_does_not_exist() {
    let Some(disk) = SmallDisk::mount() else { return };
    let (machine, events) = (Machine::new(), TestEvents::memory());
    events.append_all(large()).await;
    events.append(SMALL, 0..3).await;
    let storage = Storage::local(disk.path().join("backups")).expect("a directory");
    let koan = machine.koan(&events, &storage).await;
    let orders = koan.streams(OBJECT).expect("declared");
    for _ in 0..2 {
        let error = orders.backup(LARGE).without_compression().await.expect_err("the disk is full");
        assert_eq!(error.kind(), ErrorKind::Storage, "{}", error.chain());
        assert!(error.chain().contains("No space left on device"), "{}", error.chain());
        assert!(koan.stream_backups().await.expect("listed").backups.is_empty());
    }
    let handle = orders.backup(SMALL).await.expect("the failed backups occupy no space");
    assert_eq!(koan.stream_backups().await.expect("listed").backups, [handle]);
}

#[tokio::test]
async fn a_restore_into_event_files_on_a_full_disk_changes_nothing() {
    let Some(disk) = SmallDisk::mount() else { return };
    let (machine, source, storage) = (Machine::new(), TestEvents::memory(), Storage::memory());
    source.append_all(large()).await;
    let handle = {
        let koan = machine.koan(&source, &storage).await;
        let _ = koan.backup("nightly").await.expect("a backup");
        koan.streams(OBJECT).expect("declared").backup(LARGE).await.expect("made")
    };
    let files = TestEvents::files(Storage::local(disk.path().join("events")).expect("a directory"));
    files.append(LARGE, 0..3).await;
    files.append(SMALL, 0..3).await;
    let before = files.content().await;
    let koan = machine.koan(&files, &storage).await;
    for _ in 0..2 {
        let single = koan.streams(OBJECT).expect("declared").restore(&handle);
        let error = single.on_conflict(ConflictMode::Overwrite).await.expect_err("the disk is full");
        assert!(error.chain().contains("No space left on device"), "{}", error.chain());
        assert!(files.content().await == before, "a failed single restore changed the event store");
        let error = koan.restore("nightly").replace_existing().await.expect_err("the disk is full");
        assert!(error.chain().contains("No space left on device"), "{}", error.chain());
        assert!(files.content().await == before, "a failed restore changed the event store");
    }
    files.append(SMALL, 3..4).await;
}
