//! The requirements for every store. `koan-backup/docs/storage.md` describes the differences between stores.

use std::sync::Arc;

use futures::future::join_all;
use jiff::Timestamp;
use koan_backup::prelude::*;
use koan_backup::{CancellationToken, Clock, Event, Keys, Recipients, Retention};
use koan_backup_tests::hand_clock::HandClock;
use koan_backup_tests::state_directory::state_directory;
use koan_backup_tests::stores::{Azurite, Moto, MotoBackedGoogle, S3s};

use crate::fixture::{Customer, TestStore, backup, customers, customers_of, koan, shop};

#[tokio::test]
async fn a_directory_conforms() {
    conform(TestStore::Directory(tempfile::tempdir().expect("a directory"))).await;
}

#[tokio::test]
async fn memory_conforms() {
    conform(TestStore::Memory(Vec::new())).await;
}

#[tokio::test]
async fn s3_by_moto_conforms() {
    conform(TestStore::Moto(Moto::start())).await;
}

#[tokio::test]
async fn s3_by_s3s_conforms() {
    conform(TestStore::S3s(S3s::start())).await;
}

#[tokio::test]
async fn azure_by_azurite_conforms() {
    conform(TestStore::Azurite(Azurite::start())).await;
}

#[tokio::test]
async fn google_by_moto_conforms() {
    conform(TestStore::Google(MotoBackedGoogle::start())).await;
}

/// Runs every case in its own profile.
async fn conform(mut store: TestStore) {
    an_unused_profile_contains_no_backup(store.storage("empty")).await;
    backups_are_listed_verified_and_restored(store.storage("come-back")).await;
    profiles_in_one_bucket_are_separate(store.storage("a"), store.storage("a-b")).await;
    a_cancelled_backup_is_not_listed(store.storage("cancelled")).await;
    backups_of_the_same_second_are_distinct(store.storage("second")).await;
    encrypted_archives_are_rekeyed_and_restored(store.storage("sealed")).await;
    backups_are_copied_into_and_out_of_the_store(store.storage("copies")).await;
    // s3s-fs first checks whether a file exists and then writes it, so two simultaneous conditional puts may
    // both succeed.
    let second_put =
        if matches!(store, TestStore::S3s(_)) { SecondPut::MostlyRefused } else { SecondPut::AlwaysRefused };
    one_of_several_concurrent_copies_creates_the_manifest(store.storage("concurrent"), second_put).await;
    concurrent_backups_either_succeed_or_fail_as_busy(store.storage("contended")).await;
    a_prune_removes_backups_completely(store.storage("retention")).await;
    the_catalog_answers_queries_and_backups_are_compared(store.storage("catalog")).await;
}

/// Starts several backups at the same time, each in its own context, like machines that share the store.
async fn concurrent_backups_either_succeed_or_fail_as_busy(storage: Storage) {
    let contexts = join_all((0..4).map(|_| koan(shop(1 << 20), [("store", storage.clone())]))).await;
    let results = join_all(contexts.iter().map(|koan| backup(koan, "nightly"))).await;
    let (successes, failures): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert!(!successes.is_empty(), "{failures:?}");
    for error in failures {
        assert_eq!(error.expect_err("the backup lost its lease").kind(), ErrorKind::Busy);
    }
    // A backup that lost its lease to another backup leaves a record of its failure.
    let listed = contexts[0].catalog().query().healthy().await.expect("listed");
    assert_eq!(listed.total, successes.len(), "only the successful backups must be listed as healthy");
}

async fn a_prune_removes_backups_completely(storage: Storage) {
    let koan = koan(shop(1 << 20), [("store", storage)]).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(backup(&koan, "nightly").await.expect("a backup").id);
    }
    koan.pin(ids[0], None, "audit").await.expect("pinned");
    let retention = koan.retention(Retention::new().keep_last(1));
    let plan = retention.plan().await.expect("a plan");
    let report = retention.apply(&plan).await.expect("applied");
    assert_eq!(report.removed.iter().map(|backup| backup.id).collect::<Vec<_>>(), [ids[1]]);
    assert!(report.freed_bytes() > 1 << 20);
    assert_eq!(koan.verify(ids[1]).await.expect_err("the backup was removed").kind(), ErrorKind::NotFound);
    assert!(koan.unpin(ids[0], None).await.expect("unpinned"));
    koan.delete(ids[0]).await.expect("deleted");
    let remaining: Vec<_> =
        koan.backups().await.expect("listed").iter().map(|manifest| manifest.id).collect();
    assert_eq!(remaining, [ids[2]]);
    let maintenance_report = koan.maintenance().await.expect("maintenance completed");
    assert!(
        maintenance_report.is_clean() && maintenance_report.profiles[0].verified == Some(ids[2]),
        "{maintenance_report:?}"
    );
}

async fn the_catalog_answers_queries_and_backups_are_compared(storage: Storage) {
    let koan = koan(shop(0), [("store", storage)]).await;
    let before = backup(&koan, "nightly").await.expect("a backup").id;
    koan.data::<Customer>().clear().await.expect("cleared");
    let after = koan.backup("nightly").tags(["empty"]).await.expect("a backup").id();
    for _ in 0..2 {
        let found = koan.catalog().query().any_tag(["empty"]).await.expect("listed");
        assert_eq!((found.entries[0].id(), found.total), (after, 1));
        assert_eq!(koan.catalog().all().await.expect("listed").len(), 2);
    }
    let diff = koan.diff(before, after).entities(["Customer"]).await.expect("compared");
    assert_eq!(diff.entities[0].removed, 3);
    // This is the last backup from before the loss of the customers, so it is kept until the loss is
    // acknowledged.
    assert_eq!(
        koan.delete(before).await.map(drop).expect_err("the backup is kept because of the loss").kind(),
        ErrorKind::Conflict
    );
    koan.catalog().acknowledge(after, "cleared by this test").await.expect("acknowledged");
    koan.delete(before).await.expect("deleted");
    assert_eq!(
        koan.catalog().all().await.expect("listed").len(),
        1,
        "the cache must not contain the deleted backup"
    );
    assert!(koan.warm_up().await.is_clean());
}

/// The clock of the context differs by one hour from the clock of the store.
#[tokio::test]
async fn a_prune_removes_nothing_if_the_clock_differs_from_that_of_the_store() {
    let server = Moto::start();
    let clock = HandClock::at(&Timestamp::now().to_string());
    clock.pass(1);
    let storage = server.storage("clock").open().expect("a profile");
    let builder = Koan::builder()
        .state_directory(state_directory())
        .provider(shop(0))
        .named_storage("store", storage)
        .clock(clock.clone());
    let koan = builder.build().await.expect("a context");
    for _ in 0..2 {
        backup(&koan, "nightly").await.expect("a backup");
    }
    let retention = koan.retention(Retention::new().keep_last(1));
    let plan = retention.plan().await.expect("a plan");
    let error = retention.apply(&plan).await.expect_err("the clock differs by an hour");
    assert!(error.to_string().contains("seconds from the clock of storage"), "{error:?}");
    assert_eq!(koan.backups().await.expect("listed").len(), 2);
}

async fn an_unused_profile_contains_no_backup(storage: Storage) {
    let koan = koan(shop(0), [("store", storage)]).await;
    assert_eq!(koan.backups().await.expect("listed"), []);
    assert_eq!(koan.restore("nightly").await.expect_err("no such backup").kind(), ErrorKind::NotFound);
    let id = "01a20039-2e20-73ff-b80d-43944b669d73";
    assert_eq!(koan.verify(id).await.expect_err("no such backup").kind(), ErrorKind::NotFound);
}

/// Creates, lists, verifies and restores an archive that is uploaded in several parts. The archive is
/// read completely, and with range requests for one entity.
async fn backups_are_listed_verified_and_restored(storage: Storage) {
    let koan = koan(shop(12 << 20), [("store", storage)]).await;
    let first = backup(&koan, "nightly").await.expect("a backup");
    let second = backup(&koan, "nightly").await.expect("a backup");
    let mut listed = koan.backups().await.expect("listed");
    listed.sort_by_key(|manifest| manifest.id);
    assert_eq!(listed, [first.clone(), second.clone()]);
    for id in [first.id, second.id] {
        assert!(koan.verify(id).await.expect("a report").is_valid());
        assert!(koan.verify(id).entity::<Customer>().await.expect("a report").is_valid());
    }
    koan.data::<Customer>().clear().await.expect("cleared");
    let report = koan.restore(first.id).entity::<Customer>().await.expect("restored");
    assert_eq!(report.entities.len(), 1);
    assert_eq!(customers_of(&koan).await, customers());
    koan.data::<Customer>().clear().await.expect("cleared");
    assert_eq!(koan.restore("nightly").await.expect("restored").id, second.id);
    assert_eq!(customers_of(&koan).await, customers());
}

async fn profiles_in_one_bucket_are_separate(a: Storage, b: Storage) {
    let koan = koan(shop(0), [("a", a), ("b", b)]).await;
    let _ = koan.backup("in a").to_profile("a").await.expect("a backup");
    let _ = koan.backup("in b").to_profile("b").await.expect("a backup");
    for (profile, name) in [("a", "in a"), ("b", "in b")] {
        let listed = koan.backups_in(Some(profile)).await.expect("listed");
        let names: Vec<_> = listed.iter().map(|manifest| manifest.name.as_str()).collect();
        assert_eq!(names, [name]);
        assert!(koan.verify(name).from_profile(profile).await.expect("a report").is_valid());
    }
}

async fn a_cancelled_backup_is_not_listed(storage: Storage) {
    let koan = koan(shop(12 << 20), [("store", storage)]).await;
    let token = CancellationToken::new();
    let cancel = token.clone();
    let cancelled = koan
        .backup("nightly")
        .compression(koan_backup::Compression::stored())
        .cancel_on(token)
        .on_event(move |event| {
            if matches!(event, Event::EntityCompleted { .. }) {
                cancel.cancel();
            }
        })
        .await;
    assert_eq!(cancelled.expect_err("cancelled").kind(), ErrorKind::Cancelled);
    assert_eq!(koan.backups().await.expect("listed"), []);
    backup(&koan, "nightly").await.expect("the cancelled backup does not prevent another backup");
}

/// A clock that always returns the same time.
#[derive(Debug)]
struct FixedClock(Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

async fn backups_of_the_same_second_are_distinct(storage: Storage) {
    let clock = FixedClock("2026-05-04T03:02:01Z".parse().expect("a time"));
    let builder = Koan::builder()
        .state_directory(state_directory())
        .provider(shop(0))
        .named_storage("store", storage)
        .clock(clock);
    let koan = builder.build().await.expect("a context");
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(backup(&koan, "nightly").await.expect("a backup").id);
    }
    ids.sort();
    let mut listed: Vec<_> =
        koan.backups().await.expect("listed").iter().map(|manifest| manifest.id).collect();
    listed.sort();
    assert_eq!(listed, ids);
    for id in ids {
        assert!(koan.verify(id).await.expect("a report").is_valid());
    }
}

async fn encrypted_archives_are_rekeyed_and_restored(storage: Storage) {
    use age::secrecy::ExposeSecret as _;
    let key = age::x25519::Identity::generate();
    let koan = Koan::builder()
        .state_directory(state_directory())
        .provider(shop(6 << 20))
        .named_storage("store", storage.archive_encryption(ArchiveEncryption::Always))
        .encrypt_to(Recipients::keys([key.to_public().to_string()]).expect("a public key"))
        .keys(Keys::text(key.to_string().expose_secret()))
        .build()
        .await
        .expect("a context");
    let manifest = backup(&koan, "nightly").await.expect("a backup");
    assert!(koan.verify(manifest.id).await.expect("a report").is_valid());
    let rekeyed = koan.rekey(manifest.id).await.expect("rekeyed");
    assert_eq!(rekeyed.old_archive, None, "the old archive must be removed");
    koan.data::<Customer>().clear().await.expect("cleared");
    let _ = koan.restore(manifest.id).entity::<Customer>().await.expect("restored");
    assert_eq!(customers_of(&koan).await, customers());
}

/// Copies a backup from a profile in memory into the store, and from the store into a second profile in
/// memory.
async fn backups_are_copied_into_and_out_of_the_store(storage: Storage) {
    let koan = koan(
        shop(12 << 20),
        [("source", Storage::memory()), ("store", storage), ("other", Storage::memory())],
    )
    .await;
    let manifest = backup(&koan, "nightly").await.expect("a backup");
    let report = koan.copy(manifest.id).to_profile("store").await.expect("copied");
    assert!(report.verification.expect("read back").is_valid());
    assert!(
        koan.copy(manifest.id).to_profile("store").await.expect("the copy exists already").already_existed
    );
    let _ = koan.copy("nightly").from_profile("store").to_profile("other").await.expect("copied");
    koan.data::<Customer>().clear().await.expect("cleared");
    let _ = koan.restore("nightly").from_profile("other").await.expect("restored");
    assert_eq!(customers_of(&koan).await, customers());
}

/// Whether a store refuses the second of two simultaneous conditional puts.
#[derive(PartialEq)]
enum SecondPut {
    AlwaysRefused,
    MostlyRefused,
}

/// Starts several copies of one backup at the same time. Exactly one of them creates the manifest.
async fn one_of_several_concurrent_copies_creates_the_manifest(storage: Storage, second_put: SecondPut) {
    let koan = Arc::new(koan(shop(0), [("source", Storage::memory()), ("store", storage)]).await);
    let manifest = backup(&koan, "nightly").await.expect("a backup");
    let copies = join_all((0..6).map(|_| koan.copy(manifest.id).to_profile("store").into_future())).await;
    let copies: Vec<_> = copies.into_iter().map(|copy| copy.expect("the copy exists")).collect();
    if second_put == SecondPut::AlwaysRefused {
        assert_eq!(copies.iter().filter(|copy| !copy.already_existed).count(), 1, "{copies:?}");
        assert!(copies.iter().all(|copy| copy.archive == copies[0].archive), "{copies:?}");
    }
    assert_eq!(koan.backups_in(Some("store")).await.expect("listed").len(), 1);
    assert!(koan.verify(manifest.id).from_profile("store").await.expect("a report").is_valid());
}
