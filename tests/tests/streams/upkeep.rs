//! Rekey, copy, health and maintenance of single backups.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::TryStreamExt as _;
use koan_backup::catalog::{CatalogHealth, Expectations};
use koan_backup::prelude::*;
use koan_backup::{Clock as _, MemoryEvents};
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};
use object_store::ObjectStore;
use object_store::memory::InMemory;

use crate::shop::{FULL, PLAIN, SECRET_ID, Shop, content};

const HOUR: Duration = Duration::from_secs(3_600);

/// Returns a context that encrypts for the keys of `new`, and has the keys of both.
async fn rekeying(old: &Shop, new: &Shop, storage: Storage) -> Koan {
    let builder = new.builder().storage(storage).keys(old.keys()).keys(new.keys());
    builder.event_store(old.events.clone()).build().await.expect("a context")
}

/// Returns a context with only the keys of `of`.
async fn reading(of: &Shop, events: &MemoryEvents, storage: Storage) -> Koan {
    let builder = of.builder().storage(storage).keys(of.keys()).event_store(events.clone());
    builder.build().await.expect("a context")
}

async fn health(koan: &Koan) -> CatalogHealth {
    koan.catalog().health(&Expectations::new()).await.expect("the health is determined")
}

/// Sets the time of a file to this number of minutes before the clock of the shop.
fn make_old(shop: &Shop, path: &Path, minutes: u64) {
    let age = Duration::from_secs(60 * minutes);
    let at = SystemTime::from(shop.clock.now()) - age;
    let file = std::fs::File::options().write(true).open(path).expect("the file is opened");
    file.set_modified(at).expect("the time is set");
}

#[tokio::test]
async fn a_rekey_rewrites_encrypted_backups_for_the_new_keys_only() {
    let (old, new) = (Shop::new(), Shop::new());
    let koan = old.koan().await;
    let patient = koan.streams("patient").expect("declared").backup(SECRET_ID).tag("t").await.expect("made");
    koan.streams("order").expect("declared").backup(PLAIN).await.expect("made");
    let summary = rekeying(&old, &new, old.storage()).await.rekey_all().await.expect("done");
    let summary = summary.require_all().expect("everything is rewritten").streams;
    assert_eq!((summary.rekeyed.len(), summary.unchanged), (1, 1), "{summary:?}");
    assert_eq!(summary.rekeyed[0].previous_key_ids, patient.key_ids);

    assert_eq!(old.files(".age").len(), 1, "the old content was removed");
    assert_eq!(old.files(".removal").len(), 0, "no record remains");
    let empty = MemoryEvents::new();
    let reader = reading(&new, &empty, old.storage()).await;
    let found = reader.stream_backup(patient.id).await.expect("found");
    assert_eq!((found.object_id.as_deref(), found.tags.as_slice()), (Some(SECRET_ID), &["t".to_owned()][..]));
    reader.streams("patient").expect("declared").restore(patient.id).await.expect("restored");
    assert_eq!(content(&empty, "patient", SECRET_ID).await, content(&old.events, "patient", SECRET_ID).await);
    let verified = old.koan().await.verify_stream_backup(patient.id).await.expect("the hash is compared");
    assert!(
        verified.is_valid() && verified.events.is_none(),
        "the old key does not decrypt it: {verified:?}"
    );
    assert!(health(&reader).await.stream_backups.unlisted.is_empty());
}

#[tokio::test]
async fn a_failure_at_any_step_of_a_rekey_leaves_a_complete_backup_and_maintenance_tidies_up() {
    for (operation, path, failure) in [
        (Operation::Begin, ".json", Failure::Broken),
        (Operation::Part, ".json", Failure::Broken),
        (Operation::Complete, ".json", Failure::Broken),
        (Operation::Put, ".removal", Failure::Broken),
        (Operation::Put, ".meta", Failure::Broken),
        (Operation::Put, ".meta", Failure::ResponseLost),
        (Operation::Delete, ".json.gz", Failure::Forbidden),
        (Operation::Delete, ".removal", Failure::Forbidden),
    ] {
        let (old, new) = (Shop::new(), Shop::new());
        let store = FaultyStore::over(Arc::new(InMemory::new()) as Arc<dyn ObjectStore>);
        let koan = old.koan_with(&old.events, store.storage()).await;
        let handle = koan.streams("patient").expect("declared").backup(SECRET_ID).await.expect("made");
        let rekeyer = rekeying(&old, &new, store.storage()).await;
        store.fail([Fault::always(operation, path, failure)]);
        let done = rekeyer.rekey_stream_backup(handle.id).await;
        store.resume();
        let what = format!("{operation:?} {path} {failure:?}: {done:?}");
        let verified = rekeyer.verify_stream_backup(handle.id).await.expect("read");
        assert!(verified.is_valid() && verified.events == Some(1), "one of the keys opens it; {what}");
        if operation == Operation::Delete && path == ".json.gz" {
            assert!(done.as_ref().is_ok_and(|report| report.old_content.is_some()), "{what}");
        }
        let report = rekeyer.maintenance().await.expect("maintenance runs");
        assert!(report.is_clean(), "{what}; {report:?}");
        let listed = store.storage().object_store_handle();
        let files = listed.list(Some(&"streams".into())).map_ok(|meta| meta.location.to_string());
        let files: Vec<_> = files.try_collect().await.expect("listed");
        assert_eq!(files.len(), 2, "content and `.meta` remain: {files:?}; {what}");
        assert!(rekeyer.verify_stream_backup(handle.id).await.expect("read").is_valid(), "{what}");
    }
}

#[tokio::test]
async fn a_damaged_backup_is_not_rewritten_and_does_not_hide_others() {
    let (old, new) = (Shop::new(), Shop::new());
    let koan = old.koan().await;
    let patients = koan.streams("patient").expect("declared");
    let damaged = patients.backup(SECRET_ID).await.expect("made");
    let intact = patients.backup(SECRET_ID).await.expect("made");
    let file = old.root().join(&damaged.location);
    let mut bytes = std::fs::read(&file).expect("read");
    *bytes.last_mut().expect("a byte") ^= 1;
    std::fs::write(&file, bytes).expect("written");
    let summary = rekeying(&old, &new, old.storage()).await.rekey_all().await.expect("done").streams;
    assert_eq!(summary.failed.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [damaged.id]);
    assert_eq!(summary.rekeyed.iter().map(|report| report.id).collect::<Vec<_>>(), [intact.id]);
    assert!(file.exists() && old.files(".age").len() == 2, "nothing of the failed rekey remains");
    summary.require_all().expect_err("a backup failed");
}

#[tokio::test]
async fn two_processes_do_not_rewrite_one_backup_at_the_same_time() {
    let (old, new) = (Shop::new(), Shop::new());
    let store = FaultyStore::over(Arc::new(InMemory::new()) as Arc<dyn ObjectStore>);
    let koan = old.koan_with(&old.events, store.storage()).await;
    let handle = koan.streams("patient").expect("declared").backup(SECRET_ID).await.expect("made");
    let first = rekeying(&old, &new, store.storage()).await;
    let second = rekeying(&old, &new, store.storage()).await;
    store.fail([Fault::once(Operation::Complete, ".json", Failure::Held)]);
    let running = tokio::spawn(first.rekey_stream_backup(handle.id).into_future());
    store.until_called(Operation::Complete, ".json", 1).await;
    let error = second.rekey_stream_backup(handle.id).await.expect_err("the first one holds the lease");
    assert_eq!(error.kind(), ErrorKind::Busy);
    let error = second.delete_stream_backup(handle.id).await.expect_err("it is being rewritten");
    assert_eq!(error.kind(), ErrorKind::Busy);
    store.resume();
    let _ = running.await.expect("the task ends").expect("rewritten").require_replaced().expect("replaced");
    second.delete_stream_backup(handle.id).await.expect("deleted");
}

#[tokio::test]
async fn a_copy_has_the_same_bytes_and_is_made_once() {
    let shop = Shop::new();
    let other = shop.directory.path().join("dr");
    let dr = Storage::local(&other).expect("a storage");
    let builder = shop.builder().storage(shop.storage()).named_storage("dr", dr).keys(shop.keys());
    let koan = builder.event_store(shop.events.clone()).build().await.expect("a context");
    let handle =
        koan.streams("order").expect("declared").backup(FULL).folder("eu").full().await.expect("made");
    let copy = koan.copy_stream_backup(handle.id).to_profile("dr").await.expect("copied");
    assert!(!copy.already_existed && copy.backup.id == handle.id && copy.backup.checksum == handle.checksum);
    let read = |root: &Path, location: &str| std::fs::read(root.join(location)).expect("the file exists");
    assert_eq!(read(&other, &copy.backup.location), read(&shop.root(), &handle.location));
    let again = koan.copy_stream_backup(&handle).to_profile("dr").await.expect("it exists");
    assert!(again.already_existed && again.backup == copy.backup);
    let error = koan.copy_stream_backup(&handle).to_profile("default").await;
    error.expect_err("the profile of the backup or an unknown profile");
    koan.delete_stream_backup(&handle).await.expect("deleted");
    shop.events.remove("order", FULL);
    koan.streams("order").expect("declared").restore(&copy.backup).await.expect("restored from the copy");
    let back = koan.copy_stream_backup(handle.id).from_profile("dr").to_profile("local").await;
    assert!(back.is_ok_and(|report| !report.already_existed), "the copy is copied back");
}

#[tokio::test]
async fn a_copy_that_fails_leaves_nothing() {
    let shop = Shop::new();
    let store = FaultyStore::over(Arc::new(InMemory::new()) as Arc<dyn ObjectStore>);
    let builder = shop.builder().storage(shop.storage()).named_storage("dr", store.storage());
    let koan = builder.event_store(shop.events.clone()).build().await.expect("a context");
    let handle = koan.streams("order").expect("declared").backup(PLAIN).await.expect("made");
    for (operation, path) in
        [(Operation::Part, ".json"), (Operation::Complete, ".json"), (Operation::Put, ".meta")]
    {
        store.fail([Fault::always(operation, path, Failure::Broken)]);
        koan.copy_stream_backup(&handle).to_profile("dr").await.expect_err("the storage fails");
        store.resume();
        koan.maintenance().await.expect("maintenance runs").is_clean().then_some(()).expect("clean");
        let page = koan.stream_backups().profiles("dr").await.expect("listed");
        assert!(page.backups.is_empty(), "{operation:?}");
    }
    let _ = koan.copy_stream_backup(&handle).to_profile("dr").await.expect("copied");
}

#[tokio::test]
async fn health_and_statistics_count_backups_and_name_what_is_incomplete() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let orders = koan.streams("order").expect("declared");
    let lost = orders.backup(PLAIN).await.expect("made");
    let broken = orders.backup(PLAIN).folder("eu").await.expect("made");
    let without_meta = orders.backup(FULL).await.expect("made");
    let in_folder = orders.backup(PLAIN).folder("eu").await.expect("made");
    let healthy = health(&koan).await.stream_backups;
    assert_eq!((healthy.backups, healthy.expired), (4, 0));
    assert!(healthy.damaged.is_empty() && healthy.unlisted.is_empty(), "{healthy:?}");
    let statistics = koan.catalog().statistics().await.expect("computed").stream_backups;
    assert_eq!(statistics.backups, 4);
    assert_eq!(statistics.size_bytes, healthy.size_bytes);
    assert!(statistics.size_bytes >= lost.size_bytes + in_folder.size_bytes);

    std::fs::remove_file(shop.root().join(&lost.location)).expect("removed");
    let meta = |id: koan_backup::BackupId| shop.files(&format!("{id}.meta")).pop().expect("a `.meta`");
    std::fs::write(meta(broken.id), "{").expect("written");
    for id in [without_meta.id, in_folder.id] {
        std::fs::remove_file(meta(id)).expect("removed");
    }
    let content = shop.root().join(&without_meta.location);
    make_old(&shop, &content, 30);
    assert!(health(&koan).await.stream_backups.unlisted.is_empty(), "a `.meta` may still be created");
    make_old(&shop, &content, 61);
    let found = health(&koan).await;
    let streams = &found.stream_backups;
    assert_eq!(streams.damaged.iter().map(|damaged| damaged.id).collect::<Vec<_>>(), [lost.id]);
    assert_eq!(
        streams.unlisted.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(),
        [without_meta.location.as_str()]
    );
    assert_eq!(streams.unreadable.len(), 1);
    assert!(!found.is_healthy() && found.problems.len() >= 3, "{:?}", found.problems);
    let report = koan.maintenance().await.expect("maintenance runs");
    assert!(!report.is_clean());
    assert_eq!(report.profiles[0].stream_backups.unlisted, streams.unlisted);
    assert!(content.exists(), "an unlisted content is never removed");
}

#[tokio::test]
async fn maintenance_removes_expired_backups_only_if_it_is_told_to() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let orders = koan.streams("order").expect("declared");
    let expired = orders.backup(PLAIN).expires_after(HOUR).await.expect("made");
    shop.clock.pass(1);
    let newer = orders.backup(PLAIN).await.expect("made");
    shop.clock.pass(5);
    let report = koan.maintenance().await.expect("maintenance runs");
    assert!(report.profiles[0].stream_backups.expired.is_none());
    let found = health(&koan).await;
    assert_eq!((found.stream_backups.expired, found.stream_backups.removable), (1, 1));
    assert!(found.problems.iter().any(|problem| problem.contains("expired")), "{:?}", found.problems);
    let _ = koan
        .maintenance()
        .remove_expired_stream_backups()
        .without_retention()
        .await
        .expect("maintenance runs");
    assert_eq!(koan.stream_backups().await.expect("listed").backups.len(), 2, "nothing may be removed");
    let report = koan.maintenance().remove_expired_stream_backups().await.expect("maintenance runs");
    let removed = report.profiles[0].stream_backups.expired.as_ref().expect("configured");
    assert_eq!(removed.removed.iter().map(|removed| removed.id).collect::<Vec<_>>(), [expired.id]);
    assert_eq!(koan.stream_backups().await.expect("listed").backups, [newer]);
    assert_eq!(health(&koan).await.stream_backups.expired, 0);
}

#[tokio::test]
async fn maintenance_finds_a_damaged_backup_and_health_keeps_it_until_it_is_valid_or_gone() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let orders = koan.streams("order").expect("declared");
    let (damaged, intact) =
        (orders.backup(PLAIN).await.expect("made"), orders.backup(FULL).await.expect("made"));
    let file = shop.root().join(&damaged.location);
    let bytes = std::fs::read(&file).expect("read");
    let mut changed = bytes.clone();
    *changed.last_mut().expect("a byte") ^= 1;
    std::fs::write(&file, changed).expect("written");
    let report = koan.maintenance().await.expect("maintenance runs");
    let streams = &report.profiles[0].stream_backups;
    assert_eq!((streams.verified, streams.damaged.len()), (2, 1), "{streams:?}");
    assert!(!report.is_clean() && streams.damaged[0].id == damaged.id);
    let summary = koan.verify_stream_backups().await.expect("verified");
    assert_eq!((summary.valid, summary.damaged.len()), (1, 1));
    assert_eq!(summary.damaged[0].backup.id, damaged.id);
    assert_eq!(health(&koan).await.stream_backups.damaged[0].id, damaged.id);
    std::fs::write(&file, bytes).expect("written");
    assert!(koan.verify_stream_backups().await.expect("verified").is_valid());
    assert!(health(&koan).await.stream_backups.damaged.is_empty(), "the damage record was removed");
    koan.delete_stream_backup(&intact).await.expect("deleted");
    assert_eq!(shop.files(&format!("verifications/streams/{}", intact.id)).len(), 1);
    assert!(koan.maintenance().await.expect("maintenance runs").is_clean());
    assert!(shop.files(&intact.id.to_string()).is_empty(), "its records were removed");
}

#[tokio::test]
async fn maintenance_removes_old_temporary_files_of_contents() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let handle = koan.streams("order").expect("declared").backup(PLAIN).folder("eu").await.expect("made");
    let content = shop.root().join(&handle.location);
    let (old, recent) = (format!("{}#1", content.display()), content.with_file_name("unknown.json.gz#1"));
    std::fs::write(&old, "partial").expect("written");
    std::fs::write(&recent, "not ours").expect("written");
    make_old(&shop, Path::new(&old), 60 * 25);
    make_old(&shop, &recent, 60 * 25);
    let report = koan.maintenance().await.expect("maintenance runs");
    assert!(!Path::new(&old).exists(), "{report:?}");
    assert!(recent.exists() && content.exists(), "only temporary files of contents are removed");
}
