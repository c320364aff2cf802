//! Verifies that a process that has lost its lease removes nothing more. The tests disconnect the process
//! from its storage at each point of a removal.

use std::future::IntoFuture as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use age::secrecy::ExposeSecret as _;
use koan_backup::prelude::*;
use koan_backup::{ArchiveEncryption, BackupId, Keys, Recipients, Retention};
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};
use object_store::local::LocalFileSystem;

use super::shop::{NAME, Shared, builder, complete_backups, wait_until};

/// The shortest lease time that is allowed.
const LEASE_TIME: Duration = Duration::from_secs(1);

/// Creates a store in a directory. The requests to the store can be paused.
pub(super) fn store(folder: &Path) -> FaultyStore {
    FaultyStore::over(Arc::new(LocalFileSystem::new_with_prefix(folder).expect("a directory")))
}

async fn koan(store: &FaultyStore, lease_time: Duration) -> Koan {
    let koan = builder("shop", store.storage(), Duration::ZERO).lease_time(lease_time);
    koan.build().await.expect("a context")
}

/// Returns the requests at which the removal of a backup can be paused: two before its manifest is deleted,
/// and two before its archive is deleted. Each request is an operation, a path, and the number of the call.
pub(super) fn removal_requests(id: BackupId) -> Vec<(Operation, &'static str, usize)> {
    let pin: &str = String::leak(format!("pins/{id}"));
    let lease: &str = String::leak(format!("leases/rekey/{id}"));
    [1, 2]
        .into_iter()
        .flat_map(|time| [(Operation::List, lease, time), (Operation::Get, pin, time)])
        .collect()
}

/// Pauses the store at one of these requests.
pub(super) fn pause(store: &FaultyStore, (operation, path, call_number): (Operation, &'static str, usize)) {
    store.fail([Fault::always(operation, path, Failure::Held).after(call_number - 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_was_disconnected_during_a_deletion_does_not_remove_the_last_valid_backup() {
    let shared = Shared::new();
    let store = store(shared.path());
    let first = koan(&store, LEASE_TIME).await;
    let second = builder("shop", shared.storage(), Duration::ZERO).lease_time(LEASE_TIME);
    let second = second.build().await.expect("a context");
    let remaining = first.backup(NAME).await.expect("a backup").id();
    let other = first.backup(NAME).await.expect("a backup").id();
    let request = removal_requests(remaining)[1];
    pause(&store, request);
    let deleting = tokio::spawn(first.delete(remaining).into_future());
    wait_until(async || store.call_count(request.0, request.1) == 1).await;
    // The deletion has verified the other copy. From now on, it is disconnected and cannot renew its lease.
    store.fail([
        Fault::always(Operation::Put, "leases", Failure::Held),
        Fault::always(Operation::Get, "leases", Failure::Held),
    ]);
    wait_until(async || match second.delete(other).await {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
            false
        }
    })
    .await;
    store.resume();
    let error = deleting.await.expect("no panic").expect_err("the lease is lost");
    assert_eq!(error.kind(), ErrorKind::Busy, "{error:?}");
    assert_eq!(complete_backups(&second).await, [remaining], "{error:?}");
    assert!(second.verify(remaining).await.expect("read").is_valid());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_lost_its_lease_leaves_the_backup_complete() {
    for request in 0..4 {
        let shared = Shared::new();
        let store = store(shared.path());
        let koan = koan(&store, LEASE_TIME * 60).await;
        let first = koan.backup(NAME).await.expect("a backup").id();
        let second = koan.backup(NAME).await.expect("a backup").id();
        let request = removal_requests(first)[request];
        pause(&store, request);
        let deleting = tokio::spawn(koan.delete(first).into_future());
        wait_until(async || store.call_count(request.0, request.1) == request.2).await;
        shared.take_over("prune");
        store.resume();
        let error = deleting.await.expect("no panic").expect_err("another holder has the lease");
        assert_eq!(error.kind(), ErrorKind::Busy, "{request:?}: {error:?}");
        assert!(error.chain().contains("`thief`"), "{request:?}: {error:?}");
        assert_eq!(complete_backups(&koan).await, [second, first], "{request:?}: {error:?}");
        assert!(koan.verify(first).await.expect("read").is_valid(), "{request:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prune_that_lost_its_lease_removes_nothing_more() {
    for request in 0..4 {
        let shared = Shared::new();
        let store = store(shared.path());
        let koan = koan(&store, LEASE_TIME * 60).await;
        let mut ids = Vec::new();
        for _ in 0..4 {
            ids.insert(0, koan.backup(NAME).await.expect("a backup").id());
        }
        let retention = koan.retention(Retention::new().keep_last(1));
        let plan = retention.plan().await.expect("a plan");
        // The oldest backup is removed before the pause.
        let request = removal_requests(ids[2])[request];
        pause(&store, request);
        let pruning = tokio::spawn(async move { retention.apply(&plan).await });
        wait_until(async || store.call_count(request.0, request.1) == request.2).await;
        shared.take_over("prune");
        store.resume();
        let error = pruning.await.expect("no panic").expect_err("another holder has the lease");
        assert_eq!(error.kind(), ErrorKind::Busy, "{request:?}: {error:?}");
        let chain = error.chain();
        assert!(chain.contains(&format!("after it had removed `{}`", ids[3])), "{request:?}: {error:?}");
        assert!(error.has_remaining_changes(), "{request:?}: {error:?}");
        assert!(chain.contains("`thief`") && chain.contains("nothing more is removed"), "{error:?}");
        assert_eq!(complete_backups(&koan).await, ids[..3], "{request:?}");
        assert_eq!(shared.archives(), 3, "{request:?}");
    }
}

/// Sets the modification time of a file to a week ago.
fn make_old(path: &Path) {
    let week_ago = std::time::SystemTime::now() - Duration::from_secs(7 * 86_400);
    let file = std::fs::File::options().append(true).open(path).expect("opened");
    file.set_modified(week_ago).expect("the modification time is set");
}

#[tokio::test(flavor = "multi_thread")]
async fn maintenance_that_lost_its_lease_removes_no_files() {
    let shared = Shared::new();
    let store = store(shared.path());
    let koan = builder("shop", store.storage(), Duration::ZERO).build().await.expect("a context");
    let _ = koan.backup(NAME).await.expect("a backup");
    let incomplete_archives: Vec<_> = ["00000001", "00000002"]
        .into_iter()
        .map(|short| shared.path().join(format!("archives/backup-nightly-20260101-030000-{short}.zip")))
        .collect();
    for incomplete in &incomplete_archives {
        std::fs::write(incomplete, b"PK").expect("written");
        make_old(incomplete);
    }
    let verification = shared.path().join(format!("verifications/{}.json", uuid::Uuid::nil()));
    std::fs::create_dir_all(verification.parent().expect("a folder")).expect("created");
    std::fs::write(&verification, br#"{"verifiedAt":"2026-01-01T00:00:00Z"}"#).expect("written");
    store.fail([Fault::always(Operation::List, "archives", Failure::Held)]);
    let running = tokio::spawn(koan.maintenance().without_verification().into_future());
    wait_until(async || store.call_count(Operation::List, "archives") == 1).await;
    shared.take_over("prune");
    store.resume();
    let report = running.await.expect("no panic").expect("a report");
    let profile = &report.profiles[0];
    assert!(profile.removed_files.is_empty(), "{report:?}");
    assert!(profile.skipped.iter().any(|skipped| skipped.contains("`thief`")), "{report:?}");
    assert!(incomplete_archives.iter().all(|archive| archive.exists()) && verification.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rekey_that_lost_its_lease_leaves_the_old_archive() {
    // The rekey is paused before it replaces the manifest, and before it removes the old archive.
    for (operation, path, is_replaced) in
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
        let archive =
            |manifest: &koan_backup::archive::Manifest| manifest.archive.clone().expect("an archive").file;
        let before = archive(&koan.backups().await.expect("listed")[0]);
        store.fail([Fault::always(operation, path, Failure::Held).after(usize::from(!is_replaced))]);
        let rekeying = tokio::spawn(koan.rekey(id).into_future());
        wait_until(async || store.call_count(operation, path) == 1 + usize::from(!is_replaced)).await;
        shared.take_over(&format!("rekey/{id}"));
        store.resume();
        let result = rekeying.await.expect("no panic");
        assert!(shared.path().join(&before).exists(), "{result:?}");
        let now = archive(&koan.backups().await.expect("listed")[0]);
        match is_replaced {
            true => {
                assert_ne!(now, before);
                assert_eq!(result.expect("rekeyed").old_archive, Some(before));
            }
            false => {
                assert_eq!(now, before);
                let error = result.expect_err("another holder has the lease");
                assert_eq!(error.kind(), ErrorKind::Busy);
                assert_eq!(shared.archives(), 1, "the new archive was not discarded");
            }
        }
        assert!(koan.verify(id).await.expect("read").is_valid());
    }
}
