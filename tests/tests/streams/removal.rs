//! The deletion of a single backup.

use std::sync::Arc;

use koan_backup::prelude::*;
use koan_backup::{ConflictMode, MemoryEvents};
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};
use object_store::memory::InMemory;

use crate::shop::{PLAIN, Shop};

#[tokio::test]
async fn a_deleted_backup_leaves_nothing() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let orders = koan.streams("order").expect("declared");
    let handle = orders.backup(PLAIN).folder("eu").await.expect("made");
    let removed = koan.delete_stream_backup(handle.id).await.expect("deleted");
    assert_eq!(
        (removed.id, removed.freed_bytes, removed.object_id.as_deref()),
        (handle.id, handle.size_bytes, Some(PLAIN))
    );
    assert!(shop.files(&handle.id.to_string()).is_empty());
    let error = koan.delete_stream_backup(&handle).await.expect_err("it does not exist");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_content_that_could_not_be_deleted_is_reported_and_deleted_by_the_next_attempt() {
    let shop = Shop::new();
    let store = FaultyStore::over(Arc::new(InMemory::new()));
    let koan = shop.koan_with(&shop.events, store.storage()).await;
    let orders = koan.streams("order").expect("declared");
    let handle = orders.backup(PLAIN).folder("eu").await.expect("made");
    for failure in [Failure::Forbidden, Failure::IgnoredSilently] {
        store.fail([Fault::always(Operation::Delete, ".json.gz", failure)]);
        let error = koan.delete_stream_backup(handle.id).await.expect_err("the content remains");
        assert!(error.chain().contains(&handle.location), "{error:?}");
        assert!(koan.stream_backups().await.expect("listed").backups.is_empty(), "it is no backup any more");
    }
    store.resume();
    koan.delete_stream_backup(handle.id).await.expect("the content is deleted");
    assert_eq!(store.call_count(Operation::Delete, &handle.location), 1);
    assert_eq!(koan.delete_stream_backup(handle.id).await.expect_err("gone").kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_backup_that_is_being_restored_is_not_deleted() {
    let shop = Shop::new();
    let store = FaultyStore::over(Arc::new(InMemory::new()));
    let koan = shop.koan_with(&shop.events, store.storage()).await;
    let handle = koan.streams("order").expect("declared").backup(PLAIN).await.expect("made");
    let empty = MemoryEvents::new();
    let restoring = shop.koan_with(&empty, store.storage()).await;
    store.fail([Fault::once(Operation::Get, ".json.gz", Failure::Held)]);
    let reference = handle.clone();
    let restore =
        tokio::spawn(async move { restoring.streams("order").expect("declared").restore(reference).await });
    store.until_called(Operation::Get, ".json.gz", 1).await;
    let error = koan.delete_stream_backup(handle.id).await.expect_err("it is being restored");
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert_eq!(koan.stream_backups().await.expect("listed").backups.len(), 1, "nothing was removed");
    store.resume();
    assert_eq!(restore.await.expect("the task ends").expect("restored").events, 2);
    koan.delete_stream_backup(handle.id).await.expect("deleted");
    let error =
        koan.streams("order").expect("declared").restore(&handle).on_conflict(ConflictMode::Keep).await;
    assert_eq!(error.expect_err("it was deleted").kind(), ErrorKind::NotFound);
}
