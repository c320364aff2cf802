//! Verifies that a process that lost its lease removes nothing more, at whichever moment it is disconnected
//! from its storage.

use std::future::IntoFuture as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use age::secrecy::ExposeSecret as _;
use koan_backup::prelude::*;
use koan_backup::{ArchiveEncryption, BackupId, Keys, Recipients, Retention};
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};
use object_store::local::LocalFileSystem;

use super::shop::{NAME, Shared, builder, complete, patiently};

/// The shortest lease time that is allowed.
const HOLDS: Duration = Duration::from_secs(1);

/// Creates a store in the shared directory that can be paused.
pub(super) fn store(folder: &Path) -> FaultyStore {
    FaultyStore::over(Arc::new(LocalFileSystem::new_with_prefix(folder).expect("a directory")))
}

async fn koan(store: &FaultyStore, holds: Duration) -> Koan {
    let koan = builder("shop", store.storage(), Duration::ZERO).lease_time(holds);
    koan.build().await.expect("a context")
}

/// Returns the requests at which the removal of a backup is interrupted: two before its manifest is deleted,
/// and two before its archive is deleted.
pub(super) fn moments(id: BackupId) -> Vec<(Operation, &'static str, usize)> {
    let pin: &str = String::leak(format!("pins/{id}"));
    let lease: &str = String::leak(format!("leases/rekey/{id}"));
    [1, 2]
        .into_iter()
        .flat_map(|time| [(Operation::List, lease, time), (Operation::Get, pin, time)])
        .collect()
}

/// Pauses the store at one of these requests.
pub(super) fn pause(store: &FaultyStore, (operation, path, time): (Operation, &'static str, usize)) {
    store.fail([Fault::always(operation, path, Failure::Held).after(time - 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_last_good_copies_one_stays_though_whoever_deletes_the_other_was_cut_off() {
    let shared = Shared::new();
    let store = store(shared.path());
    let first = koan(&store, HOLDS).await;
    let second = builder("shop", shared.storage(), Duration::ZERO).lease_time(HOLDS);
    let second = second.build().await.expect("a context");
    let one = first.backup(NAME).await.expect("a backup").id();
    let other = first.backup(NAME).await.expect("a backup").id();
    let moment = moments(one)[1];
    pause(&store, moment);
    let deleting = tokio::spawn(first.delete(one).into_future());
    patiently(async || store.call_count(moment.0, moment.1) == 1).await;
    // The deletion has verified the other copy. From now on it is disconnected and does not renew its lease.
    store.fail([
        Fault::always(Operation::Put, "leases", Failure::Held),
        Fault::always(Operation::Get, "leases", Failure::Held),
    ]);
    patiently(async || match second.delete(other).await {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
            false
        }
    })
    .await;
    store.resume();
    let error = deleting.await.expect("no panic").expect_err("its lease is lost");
    assert_eq!(error.kind(), ErrorKind::Busy, "{error:?}");
    assert_eq!(complete(&second).await, [one], "{error:?}");
    assert!(second.verify(one).await.expect("read").is_valid());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_deletes_and_lost_its_lease_leaves_the_backup_whole() {
    for moment in 0..4 {
        let shared = Shared::new();
        let store = store(shared.path());
        let koan = koan(&store, HOLDS * 60).await;
        let one = koan.backup(NAME).await.expect("a backup").id();
        let other = koan.backup(NAME).await.expect("a backup").id();
        let moment = moments(one)[moment];
        pause(&store, moment);
        let deleting = tokio::spawn(koan.delete(one).into_future());
        patiently(async || store.call_count(moment.0, moment.1) == moment.2).await;
        shared.take_over("prune");
        store.resume();
        let error = deleting.await.expect("no panic").expect_err("another has the lease");
        assert_eq!(error.kind(), ErrorKind::Busy, "{moment:?}: {error:?}");
        assert!(error.chain().contains("`thief`"), "{moment:?}: {error:?}");
        assert_eq!(complete(&koan).await, [other, one], "{moment:?}: {error:?}");
        assert!(koan.verify(one).await.expect("read").is_valid(), "{moment:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retention_that_lost_its_lease_removes_nothing_more() {
    for moment in 0..4 {
        let shared = Shared::new();
        let store = store(shared.path());
        let koan = koan(&store, HOLDS * 60).await;
        let mut ids = Vec::new();
        for _ in 0..4 {
            ids.insert(0, koan.backup(NAME).await.expect("a backup").id());
        }
        let retention = koan.retention(Retention::new().keep_last(1));
        let plan = retention.plan().await.expect("a plan");
        // The oldest backup is removed before the interruption.
        let moment = moments(ids[2])[moment];
        pause(&store, moment);
        let pruning = tokio::spawn(async move { retention.apply(&plan).await });
        patiently(async || store.call_count(moment.0, moment.1) == moment.2).await;
        shared.take_over("prune");
        store.resume();
        let error = pruning.await.expect("no panic").expect_err("another has the lease");
        assert_eq!(error.kind(), ErrorKind::Busy, "{moment:?}: {error:?}");
        let chain = error.chain();
        assert!(chain.contains(&format!("after it had removed `{}`", ids[3])), "{moment:?}: {error:?}");
        assert!(chain.contains("`thief`") && chain.contains("nothing more is removed"), "{error:?}");
        assert_eq!(complete(&koan).await, ids[..3], "{moment:?}");
        assert_eq!(shared.archives(), 3, "{moment:?}");
    }
}

/// Sets the modification time of a file to a week ago.
fn age(path: &Path) {
    let week = std::time::SystemTime::now() - Duration::from_secs(7 * 86_400);
    let file = std::fs::File::options().append(true).open(path).expect("opened");
    file.set_modified(week).expect("dated");
}

#[tokio::test(flavor = "multi_thread")]
async fn maintenance_that_lost_its_lease_removes_no_leftovers() {
    let shared = Shared::new();
    let store = store(shared.path());
    let koan = builder("shop", store.storage(), Duration::ZERO).build().await.expect("a context");
    koan.backup(NAME).await.expect("a backup");
    let leftovers: Vec<_> = ["00000001", "00000002"]
        .into_iter()
        .map(|short| shared.path().join(format!("archives/backup-nightly-20260101-030000-{short}.zip")))
        .collect();
    for leftover in &leftovers {
        std::fs::write(leftover, b"PK").expect("written");
        age(leftover);
    }
    let verification = shared.path().join(format!("verifications/{}.json", uuid::Uuid::nil()));
    std::fs::create_dir_all(verification.parent().expect("a folder")).expect("made");
    std::fs::write(&verification, br#"{"verifiedAt":"2026-01-01T00:00:00Z"}"#).expect("written");
    store.fail([Fault::always(Operation::List, "archives", Failure::Held)]);
    let running = tokio::spawn(koan.maintenance().without_verification().into_future());
    patiently(async || store.call_count(Operation::List, "archives") == 1).await;
    shared.take_over("prune");
    store.resume();
    let report = running.await.expect("no panic").expect("a report");
    let profile = &report.profiles[0];
    assert!(profile.removed_files.is_empty(), "{report:?}");
    assert!(profile.skipped.iter().any(|skipped| skipped.contains("`thief`")), "{report:?}");
    assert!(leftovers.iter().all(|leftover| leftover.exists()) && verification.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_seals_for_others_and_lost_its_lease_leaves_the_old_archive() {
    // The rekey is interrupted before it replaces the manifest, and before it removes the old archive.
    for (operation, path, is_sealed) in
        [(Operation::Get, "manifests", false), (Operation::List, "leases/restore", true)]
    {
        let shared = Shared::new();
        let store = store(shared.path());
        let identity = age::x25519::Identity::generate();
        let recipients = Recipients::keys([identity.to_public().to_string()]).expect("a key");
        let keys = Keys::text(identity.to_string().expose_secret());
        let storage = store.storage().archive_encryption(ArchiveEncryption::Always);
        let koan = builder("shop", storage, Duration::ZERO).encrypt_to(recipients).keys(keys);
        let koan = koan.build().await.expect("a context");
        let id = koan.backup(NAME).await.expect("a backup").id();
        let archive = |manifest: &koan_backup::archive::Manifest| manifest.archive.clone().expect("one").file;
        let before = archive(&koan.backups().await.expect("listed")[0]);
        store.fail([Fault::always(operation, path, Failure::Held).after(usize::from(!is_sealed))]);
        let sealing = tokio::spawn(koan.rekey(id).into_future());
        patiently(async || store.call_count(operation, path) == 1 + usize::from(!is_sealed)).await;
        shared.take_over(&format!("rekey/{id}"));
        store.resume();
        let sealed = sealing.await.expect("no panic");
        assert!(shared.path().join(&before).exists(), "{sealed:?}");
        let now = archive(&koan.backups().await.expect("listed")[0]);
        match is_sealed {
            true => {
                assert_ne!(now, before);
                assert_eq!(sealed.expect("sealed").old_archive, Some(before));
            }
            false => {
                assert_eq!(now, before);
                assert_eq!(sealed.expect_err("another has the lease").kind(), ErrorKind::Busy);
                assert_eq!(shared.archives(), 1, "the new archive is discarded");
            }
        }
        assert!(koan.verify(id).await.expect("read").is_valid());
    }
}
