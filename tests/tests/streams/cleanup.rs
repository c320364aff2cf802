//! The removal of expired single backups.

use std::future::IntoFuture as _;
use std::sync::Arc;
use std::time::Duration;

use koan_backup::streams::StreamKeepReason;
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};
use object_store::memory::InMemory;

use crate::shop::{FULL, PLAIN, SECRET_ID, Shop};

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn a_backup_has_expired_at_the_instant_of_its_expiry() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let orders = koan.streams("order").expect("declared");
    let expiring = orders.backup(PLAIN).expires_after(HOUR).await.expect("made");
    shop.clock.set(expiring.created_at + HOUR - Duration::from_nanos(1));
    let lasting = orders.backup(PLAIN).await.expect("made");
    assert!(koan.cleanup_expired_stream_backups().await.expect("done").removed.is_empty());
    shop.clock.set(expiring.created_at + HOUR);
    let report = koan.cleanup_expired_stream_backups().await.expect("done");
    assert_eq!(report.removed.iter().map(|removed| removed.id).collect::<Vec<_>>(), [expiring.id]);
    assert_eq!(report.removed[0].freed_bytes, expiring.size_bytes);
    let page = koan.stream_backups().await.expect("listed");
    assert_eq!(page.backups, [lasting]);
    assert!(shop.files(&expiring.id.to_string()).is_empty(), "neither content nor records remain");
}

#[tokio::test]
async fn the_only_backup_of_an_existing_stream_is_kept_unless_it_is_included() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let orders = koan.streams("order").expect("declared");
    let older = orders.backup(PLAIN).expires_after(HOUR).await.expect("made");
    shop.clock.pass(1);
    let newest = orders.backup(PLAIN).expires_after(HOUR).await.expect("made");
    let removed_stream = orders.backup(FULL).expires_after(HOUR).await.expect("made");
    shop.events.remove("order", FULL);
    shop.clock.pass(5);
    let report = koan.cleanup_expired_stream_backups().await.expect("done");
    let mut removed: Vec<_> = report.removed.iter().map(|removed| removed.id).collect();
    removed.sort_unstable();
    assert_eq!(removed, [older.id, removed_stream.id]);
    let kept: Vec<_> = report.kept.iter().map(|kept| (kept.backup.id, kept.reason)).collect();
    assert_eq!(kept, [(newest.id, StreamKeepReason::LastOfExistingStream)], "the newest one is kept");
    let report = koan.cleanup_expired_stream_backups().including_last().await.expect("done");
    assert_eq!((report.removed.len(), report.kept.len()), (1, 0));
    assert!(koan.stream_backups().await.expect("listed").backups.is_empty());
}

#[tokio::test]
async fn an_encrypted_backup_without_key_is_kept() {
    let shop = Shop::new();
    let patients = shop.koan().await.streams("patient").expect("declared");
    patients.backup(SECRET_ID).expires_after(HOUR).await.expect("made");
    patients.backup(SECRET_ID).expires_after(HOUR).await.expect("made");
    shop.clock.pass(5);
    let without_key = shop.builder().storage(shop.storage()).event_store(shop.events.clone()).build().await;
    let report = without_key.expect("a context").cleanup_expired_stream_backups().await.expect("done");
    assert_eq!((report.removed.len(), report.kept.len()), (0, 2));
    assert!(report.kept.iter().all(|kept| kept.reason == StreamKeepReason::WithoutKey));
    let report = shop.koan().await.cleanup_expired_stream_backups().await.expect("done");
    assert_eq!((report.removed.len(), report.kept.len()), (1, 1));
}

#[tokio::test]
async fn a_backup_that_cannot_be_removed_does_not_hide_the_next() {
    let shop = Shop::new();
    let store = FaultyStore::over(Arc::new(InMemory::new()));
    let koan = shop.koan_with(&shop.events, store.storage()).await;
    let orders = koan.streams("order").expect("declared");
    let first = orders.backup(FULL).expires_after(HOUR).await.expect("made");
    shop.clock.pass(1);
    let second = orders.backup(PLAIN).expires_after(HOUR).await.expect("made");
    shop.clock.pass(5);
    // The newest backup is attempted first.
    store.fail([Fault::always(Operation::Delete, "Order%202%2Fb", Failure::Forbidden)]);
    let report = koan.cleanup_expired_stream_backups().including_last().await.expect("both are attempted");
    assert_eq!(report.removed.iter().map(|removed| removed.id).collect::<Vec<_>>(), [first.id]);
    assert_eq!(report.failed.iter().map(|failed| failed.id).collect::<Vec<_>>(), [second.id]);
    assert!(report.failed[0].error.contains("403"), "{}", report.failed[0].error);
    store.resume();
    assert_eq!(koan.stream_backup(second.id).await.expect("it still exists"), second);
    let report = koan.cleanup_expired_stream_backups().including_last().await.expect("done");
    assert_eq!((report.removed.len(), report.failed.len()), (1, 0));
}

#[tokio::test]
async fn a_damaged_backup_does_not_replace_an_expired_one() {
    for damage in ["the content is missing", "a verification found damage"] {
        let shop = Shop::new();
        let koan = shop.koan().await;
        let orders = koan.streams("order").expect("declared");
        let valid = orders.backup(PLAIN).expires_after(HOUR).await.expect("made");
        shop.clock.pass(1);
        let damaged = orders.backup(PLAIN).await.expect("made");
        let content = shop.root().join(&damaged.location);
        if damage == "the content is missing" {
            std::fs::remove_file(&content).expect("removed");
        } else {
            std::fs::write(&content, vec![0; usize::try_from(damaged.size_bytes).expect("a size")])
                .expect("written");
            let _ = koan.verify_stream_backups().await.expect("verified");
        }
        shop.clock.pass(5);
        let report = koan.cleanup_expired_stream_backups().await.expect("done");
        assert!(report.removed.is_empty(), "{damage}: the only usable backup was removed");
        assert_eq!(report.kept.iter().map(|kept| kept.backup.id).collect::<Vec<_>>(), [valid.id], "{damage}");
    }
}

#[tokio::test]
async fn the_report_contains_removals_of_earlier_processes() {
    let shop = Shop::new();
    let store = FaultyStore::over(Arc::new(InMemory::new()));
    let koan = shop.koan_with(&shop.events, store.storage()).await;
    let orders = koan.streams("order").expect("declared");
    let backup = orders.backup(PLAIN).expires_after(HOUR).await.expect("made");
    shop.events.remove("order", PLAIN);
    store.fail([Fault::always(Operation::Delete, ".json.gz", Failure::Forbidden)]);
    shop.clock.pass(5);
    koan.cleanup_expired_stream_backups().await.expect("done");
    let unfinished = koan.cleanup_expired_stream_backups().await.expect("done").unfinished;
    assert_eq!(unfinished.len(), 1, "the content still cannot be removed");
    assert!(unfinished[0].record.contains(&backup.id.to_string()), "{unfinished:?}");
    store.resume();
    let report = koan.cleanup_expired_stream_backups().await.expect("done");
    assert!(report.unfinished.is_empty());
    assert_eq!(report.removed.iter().map(|removed| removed.id).collect::<Vec<_>>(), [backup.id]);
}

#[tokio::test]
async fn a_removal_that_ends_early_names_the_backups_that_were_removed() {
    let shop = Shop::new();
    let orders = shop.koan().await.streams("order").expect("declared");
    let mut expired = Vec::new();
    for _ in 0..3 {
        expired.push(orders.backup(PLAIN).expires_after(HOUR).await.expect("made").id);
        shop.clock.pass(1);
    }
    shop.clock.pass(5);
    let store = FaultyStore::over(Arc::new(
        object_store::local::LocalFileSystem::new_with_prefix(shop.root()).expect("a directory"),
    ));
    let koan = shop.koan_with(&shop.events, store.storage()).await;
    let cancel = koan_backup::CancellationToken::new();
    store.fail([Fault::always(Operation::Delete, ".json", Failure::Held)]);
    let cleanup = koan.cleanup_expired_stream_backups().including_last().cancel_on(cancel.clone());
    let cleanup = tokio::spawn(cleanup.into_future());
    store.until_called(Operation::Delete, ".json", 1).await;
    cancel.cancel();
    store.resume();
    let error = cleanup.await.expect("the task ends").expect_err("the removal was cancelled");
    assert_eq!(error.kind(), koan_backup::ErrorKind::Cancelled, "{error}");
    assert!(error.has_remaining_changes(), "a removed backup remains removed: {error}");
    assert!(
        error.to_string().contains(&expired[2].to_string()),
        "the first removed backup is named: {error}"
    );
    let left = koan.stream_backups().await.expect("listed").backups;
    assert_eq!(left.len(), 2, "exactly one backup was removed");
}
