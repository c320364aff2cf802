//! The requirements for every store. `koan-backup/docs/storage.md` describes the differences between stores.

use std::sync::Arc;

use futures::future::join_all;
use jiff::Timestamp;
use koan_backup::prelude::*;
use koan_backup::{CancellationToken, Clock, Event, Keys, Recipients, Retention};
use koan_backup_tests::hand_clock::HandClock;
use koan_backup_tests::state_directory::state_directory;
use koan_backup_tests::stores::{Azurite, GoogleByMoto, Moto, S3s};

use crate::fixture::{Customer, TestStore, backup, customers, customers_of, koan, shop};

#[tokio::test]
async fn a_directory_keeps_backups() {
    conform(TestStore::Directory(tempfile::tempdir().expect("a directory"))).await;
}

#[tokio::test]
async fn memory_keeps_backups() {
    conform(TestStore::Memory(Vec::new())).await;
}

#[tokio::test]
async fn s3_by_moto_keeps_backups() {
    conform(TestStore::Moto(Moto::start())).await;
}

#[tokio::test]
async fn s3_by_s3s_keeps_backups() {
    conform(TestStore::S3s(S3s::start())).await;
}

#[tokio::test]
async fn azure_by_azurite_keeps_backups() {
    conform(TestStore::Azurite(Azurite::start())).await;
}

#[tokio::test]
async fn google_by_moto_keeps_backups() {
    conform(TestStore::Google(GoogleByMoto::start())).await;
}

/// Runs every case in its own profile.
async fn conform(mut place: TestStore) {
    nothing_is_there_at_first(place.storage("empty")).await;
    backups_come_back(place.storage("come-back")).await;
    profiles_in_one_bucket_are_apart(place.storage("a"), place.storage("a-b")).await;
    a_backup_that_is_cancelled_is_not_there(place.storage("cancelled")).await;
    two_backups_in_one_second_are_two(place.storage("second")).await;
    what_is_sealed_comes_back(place.storage("sealed")).await;
    copies_come_and_go(place.storage("copies")).await;
    // s3s-fs first checks whether a file exists and then writes it, so two simultaneous conditional puts may
    // both succeed.
    let refuses = if matches!(place, TestStore::S3s(_)) { Refuses::Mostly } else { Refuses::Always };
    of_copies_at_once_one_counts(place.storage("at-once"), refuses).await;
    of_backups_at_once_one_wins(place.storage("contended")).await;
    what_retention_removes_is_gone(place.storage("retention")).await;
    the_catalog_finds_and_compares(place.storage("catalog")).await;
}

/// Starts each backup in its own context, as from machines that share the store.
async fn of_backups_at_once_one_wins(storage: Storage) {
    let contexts = join_all((0..4).map(|_| koan(shop(1 << 20), [("store", storage.clone())]))).await;
    let made = join_all(contexts.iter().map(|koan| backup(koan, "nightly"))).await;
    let (won, lost): (Vec<_>, Vec<_>) = made.into_iter().partition(Result::is_ok);
    assert!(!won.is_empty(), "{lost:?}");
    for error in lost {
        assert_eq!(error.expect_err("it lost").kind(), ErrorKind::Busy);
    }
    // A backup that lost its lease to another one leaves a record of its failure.
    let listed = contexts[0].catalog().query().healthy().await.expect("listed");
    assert_eq!(listed.total, won.len(), "nothing counts but what was said to be there");
}

async fn what_retention_removes_is_gone(storage: Storage) {
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
    assert_eq!(koan.verify(ids[1]).await.expect_err("gone").kind(), ErrorKind::NotFound);
    assert!(koan.unpin(ids[0], None).await.expect("unpinned"));
    koan.delete(ids[0]).await.expect("deleted");
    let left: Vec<_> = koan.backups().await.expect("listed").iter().map(|made| made.id).collect();
    assert_eq!(left, [ids[2]]);
    let ran = koan.maintenance().await.expect("ran");
    assert!(ran.is_clean() && ran.profiles[0].verified == Some(ids[2]), "{ran:?}");
}

async fn the_catalog_finds_and_compares(storage: Storage) {
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
    // This is the last backup from before the loss of the customers, so it is kept until somebody
    // acknowledges the loss.
    assert_eq!(koan.delete(before).await.map(drop).expect_err("kept").kind(), ErrorKind::Conflict);
    koan.catalog().acknowledge(after, "cleared by this test").await.expect("acknowledged");
    koan.delete(before).await.expect("deleted");
    assert_eq!(koan.catalog().all().await.expect("listed").len(), 1, "the cache forgets what is gone");
    assert!(koan.warm_up().await.is_clean());
}

/// The clock of the store shows that the clock of this machine is wrong.
#[tokio::test]
async fn retention_removes_nothing_if_the_clock_differs_from_that_of_the_store() {
    let server = Moto::start();
    let clock = HandClock::at(&Timestamp::now().to_string());
    clock.pass(1);
    let storage = server.storage("clock").open().expect("a profile");
    let builder = Koan::builder()
        .state_directory(state_directory())
        .provider("main", shop(0))
        .storage("store", storage)
        .clock(clock.clone());
    let koan = builder.build().await.expect("a context");
    for _ in 0..2 {
        backup(&koan, "nightly").await.expect("a backup");
    }
    let retention = koan.retention(Retention::new().keep_last(1));
    let plan = retention.plan().await.expect("a plan");
    let error = retention.apply(&plan).await.expect_err("an hour off");
    assert!(error.to_string().contains("seconds from the clock of storage"), "{error:?}");
    assert_eq!(koan.backups().await.expect("listed").len(), 2);
}

async fn nothing_is_there_at_first(storage: Storage) {
    let koan = koan(shop(0), [("store", storage)]).await;
    assert_eq!(koan.backups().await.expect("listed"), []);
    assert_eq!(koan.restore("nightly").await.expect_err("none").kind(), ErrorKind::NotFound);
    let id = "01a20039-2e20-73ff-b80d-43944b669d73";
    assert_eq!(koan.verify(id).await.expect_err("none").kind(), ErrorKind::NotFound);
}

/// Creates, lists, verifies and restores an archive of several parts, as a whole and by ranges.
async fn backups_come_back(storage: Storage) {
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
    let one = koan.restore(first.id).entity::<Customer>().await.expect("restored");
    assert_eq!(one.entities.len(), 1);
    assert_eq!(customers_of(&koan).await, customers());
    koan.data::<Customer>().clear().await.expect("cleared");
    assert_eq!(koan.restore("nightly").await.expect("restored").id, second.id);
    assert_eq!(customers_of(&koan).await, customers());
}

async fn profiles_in_one_bucket_are_apart(a: Storage, b: Storage) {
    let koan = koan(shop(0), [("a", a), ("b", b)]).await;
    koan.backup("in a").to_profile("a").await.expect("a backup");
    koan.backup("in b").to_profile("b").await.expect("a backup");
    for (profile, name) in [("a", "in a"), ("b", "in b")] {
        let listed = koan.backups_in(Some(profile)).await.expect("listed");
        let names: Vec<_> = listed.iter().map(|made| made.name.as_str()).collect();
        assert_eq!(names, [name]);
        assert!(koan.verify(name).from_profile(profile).await.expect("a report").is_valid());
    }
}

async fn a_backup_that_is_cancelled_is_not_there(storage: Storage) {
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
    backup(&koan, "nightly").await.expect("nothing is in the way");
}

/// A clock that always returns the same time.
#[derive(Debug)]
struct Standing(Timestamp);

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        self.0
    }
}

async fn two_backups_in_one_second_are_two(storage: Storage) {
    let clock = Standing("2026-05-04T03:02:01Z".parse().expect("a time"));
    let builder = Koan::builder()
        .state_directory(state_directory())
        .provider("main", shop(0))
        .storage("store", storage)
        .clock(clock);
    let koan = builder.build().await.expect("a context");
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(backup(&koan, "nightly").await.expect("a backup").id);
    }
    ids.sort();
    let mut listed: Vec<_> = koan.backups().await.expect("listed").iter().map(|made| made.id).collect();
    listed.sort();
    assert_eq!(listed, ids);
    for id in ids {
        assert!(koan.verify(id).await.expect("a report").is_valid());
    }
}

async fn what_is_sealed_comes_back(storage: Storage) {
    use age::secrecy::ExposeSecret as _;
    let key = age::x25519::Identity::generate();
    let koan = Koan::builder()
        .state_directory(state_directory())
        .provider("main", shop(6 << 20))
        .storage("store", storage.archive_encryption(ArchiveEncryption::Always))
        .encrypt_to(Recipients::keys([key.to_public().to_string()]).expect("a public key"))
        .keys(Keys::text(key.to_string().expose_secret()))
        .build()
        .await
        .expect("a context");
    let made = backup(&koan, "nightly").await.expect("a backup");
    assert!(koan.verify(made.id).await.expect("a report").is_valid());
    let again = koan.rekey(made.id).await.expect("sealed anew");
    assert_eq!(again.old_archive, None, "the old archive was not removed");
    koan.data::<Customer>().clear().await.expect("cleared");
    koan.restore(made.id).entity::<Customer>().await.expect("restored");
    assert_eq!(customers_of(&koan).await, customers());
}

/// Copies a backup from memory into the store, and from there into memory.
async fn copies_come_and_go(storage: Storage) {
    let koan =
        koan(shop(12 << 20), [("here", Storage::memory()), ("store", storage), ("there", Storage::memory())])
            .await;
    let made = backup(&koan, "nightly").await.expect("a backup");
    let report = koan.copy(made.id).to_profile("store").await.expect("copied");
    assert!(report.verification.expect("read back").is_valid());
    assert!(koan.copy(made.id).to_profile("store").await.expect("it is there").already_existed);
    koan.copy("nightly").from_profile("store").to_profile("there").await.expect("copied");
    koan.data::<Customer>().clear().await.expect("cleared");
    koan.restore("nightly").from_profile("there").await.expect("restored");
    assert_eq!(customers_of(&koan).await, customers());
}

/// Whether a store refuses the second of two simultaneous conditional puts.
#[derive(PartialEq)]
enum Refuses {
    Always,
    Mostly,
}

/// Starts several copies that create the same manifest: exactly one of them creates it.
async fn of_copies_at_once_one_counts(storage: Storage, refuses: Refuses) {
    let koan = Arc::new(koan(shop(0), [("here", Storage::memory()), ("store", storage)]).await);
    let made = backup(&koan, "nightly").await.expect("a backup");
    let copies = join_all((0..6).map(|_| koan.copy(made.id).to_profile("store").into_future())).await;
    let copies: Vec<_> = copies.into_iter().map(|copy| copy.expect("copied, or there")).collect();
    if refuses == Refuses::Always {
        assert_eq!(copies.iter().filter(|copy| !copy.already_existed).count(), 1, "{copies:?}");
        assert!(copies.iter().all(|copy| copy.archive == copies[0].archive), "{copies:?}");
    }
    assert_eq!(koan.backups_in(Some("store")).await.expect("listed").len(), 1);
    assert!(koan.verify(made.id).from_profile("store").await.expect("a report").is_valid());
}
