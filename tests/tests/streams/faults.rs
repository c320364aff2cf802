//! Storage that fails, and operations that are cancelled, dropped or interrupted.

use std::sync::Arc;

use futures::TryStreamExt as _;
use koan_backup::prelude::*;
use koan_backup::{CancellationToken, MemoryEvents};
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};
use koan_backup_tests::wait;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt as _};

use crate::shop::{PLAIN, Shop, content};

struct Faulty {
    shop: Shop,
    memory: Arc<InMemory>,
    store: FaultyStore,
    koan: Koan,
}

impl Faulty {
    async fn new() -> Self {
        let (shop, memory) = (Shop::new(), Arc::new(InMemory::new()));
        let store = FaultyStore::over(Arc::clone(&memory) as Arc<dyn ObjectStore>);
        let koan = shop.koan_with(&shop.events, store.storage()).await;
        Self { shop, memory, store, koan }
    }

    fn backup(&self) -> koan_backup::streams::StreamBackupBuilder {
        self.koan.streams("order").expect("declared").backup(PLAIN)
    }

    /// Returns the files of single backups.
    async fn files(&self) -> Vec<String> {
        let listed = self.memory.list(Some(&"streams".into())).map_ok(|meta| meta.location.to_string());
        listed.try_collect().await.expect("memory is readable")
    }
}

#[tokio::test]
async fn a_failed_write_publishes_nothing_and_leaves_nothing() {
    let faulty = Faulty::new().await;
    for (operation, path) in [
        (Operation::Begin, ".json"),
        (Operation::Part, ".json"),
        (Operation::Complete, ".json"),
        (Operation::Put, ".meta"),
    ] {
        faulty.store.fail([Fault::always(operation, path, Failure::Broken)]);
        let error = faulty.backup().await.expect_err("the storage fails");
        assert_eq!(error.kind(), ErrorKind::Storage, "{operation:?}");
        faulty.store.resume();
        assert_eq!(faulty.files().await, Vec::<String>::new(), "{operation:?}");
    }
    assert!(faulty.koan.stream_backups().await.expect("listed").backups.is_empty());
}

#[tokio::test]
async fn a_lost_response_to_the_publication_is_no_failure() {
    let faulty = Faulty::new().await;
    faulty.store.fail([Fault::once(Operation::Put, ".meta", Failure::ResponseLost)]);
    let handle = faulty.backup().await.expect("the backup exists");
    assert_eq!(faulty.koan.stream_backups().await.expect("listed").backups, [handle]);
}

#[tokio::test]
async fn a_cancelled_or_dropped_upload_is_aborted() {
    let faulty = Faulty::new().await;
    for is_dropped in [false, true] {
        faulty.store.fail([Fault::once(Operation::Part, ".json", Failure::Never)]);
        let cancel = CancellationToken::new();
        let backup = tokio::spawn(faulty.backup().cancel_on(cancel.clone()).into_future());
        faulty.store.until_called(Operation::Part, ".json", 1).await;
        if is_dropped {
            backup.abort();
            backup.await.expect_err("the task was aborted");
        } else {
            cancel.cancel();
            let error = backup.await.expect("the task ends").expect_err("cancelled");
            assert_eq!(error.kind(), ErrorKind::Cancelled);
        }
        faulty.store.until_called(Operation::Abort, ".json", 1).await;
        faulty.store.resume();
        assert_eq!(faulty.files().await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_publication_runs_to_its_end_when_its_future_is_dropped() {
    let faulty = Faulty::new().await;
    faulty.store.fail([Fault::once(Operation::Put, ".meta", Failure::Held)]);
    let backup = tokio::spawn(faulty.backup().into_future());
    faulty.store.until_called(Operation::Put, ".meta", 1).await;
    backup.abort();
    backup.await.expect_err("the task was aborted");
    faulty.store.resume();
    wait::until("the backup is published completely", async || {
        faulty.koan.stream_backups().await.expect("listed").backups.len() == 1
    })
    .await;
    let page = faulty.koan.stream_backups().await.expect("listed");
    faulty.koan.verify_stream_backup(&page.backups[0]).await.expect("read").require_valid().expect("valid");
}

#[tokio::test]
async fn a_process_that_ended_before_the_meta_leaves_no_backup() {
    let faulty = Faulty::new().await;
    let handle = faulty.backup().await.expect("made");
    let meta = faulty.files().await.into_iter().find(|path| path.ends_with(".meta")).expect("a `.meta`");
    let meta = object_store::path::Path::parse(meta).expect("a path");
    faulty.memory.delete(&meta).await.expect("removed");
    assert_eq!(faulty.files().await.len(), 1, "the content is complete");
    assert!(faulty.koan.stream_backups().await.expect("listed").backups.is_empty());
    let error = faulty.koan.verify_stream_backup(handle.id).await.expect_err("no backup");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_listing_that_fails_is_an_error_and_never_empty() {
    let faulty = Faulty::new().await;
    faulty.backup().await.expect("made");
    for operation in [Operation::List, Operation::Get] {
        faulty.store.fail([Fault::always(operation, "streams", Failure::Broken)]);
        let error = faulty.koan.stream_backups().await.expect_err("the storage fails");
        assert_eq!(error.kind(), ErrorKind::Storage, "{operation:?}");
        let error = faulty.koan.cleanup_expired_stream_backups().await.expect_err("the storage fails");
        assert_eq!(error.kind(), ErrorKind::Storage, "{operation:?}");
    }
}

#[tokio::test]
async fn a_restore_that_fails_or_is_cancelled_writes_nothing() {
    let faulty = Faulty::new().await;
    let handle = faulty.backup().await.expect("made");
    let empty = MemoryEvents::new();
    let orders =
        faulty.shop.koan_with(&empty, faulty.store.storage()).await.streams("order").expect("declared");
    faulty.store.fail([Fault::always(Operation::Get, ".json", Failure::Forbidden)]);
    let error = orders.restore(&handle).without_verification().await.expect_err("the storage fails");
    assert_eq!(error.kind(), ErrorKind::Storage, "{error:?}");
    assert!(content(&empty, "order", PLAIN).await.opened.is_none());

    faulty.store.fail([Fault::always(Operation::Get, ".json", Failure::Held)]);
    let cancel = CancellationToken::new();
    let restore = tokio::spawn(orders.restore(&handle).cancel_on(cancel.clone()).into_future());
    faulty.store.until_called(Operation::Get, ".json", 1).await;
    cancel.cancel();
    assert_eq!(restore.await.expect("the task ends").expect_err("cancelled").kind(), ErrorKind::Cancelled);
    faulty.store.resume();
    assert!(content(&empty, "order", PLAIN).await.opened.is_none());
    assert_eq!(orders.restore(&handle).await.expect("restored").events, 2);
}

#[tokio::test]
async fn a_storage_that_cannot_be_written_can_be_restored_from() {
    let faulty = Faulty::new().await;
    let handle = faulty.backup().await.expect("made");
    let empty = MemoryEvents::new();
    let orders =
        faulty.shop.koan_with(&empty, faulty.store.storage()).await.streams("order").expect("declared");
    faulty.store.fail([Fault::always(Operation::Put, "leases", Failure::Forbidden)]);
    assert_eq!(orders.restore(&handle).await.expect("restored without a lease").events, 2);
}
