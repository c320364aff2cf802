//! Verifies that a cancelled operation ends long before its lease would expire, even if the store does not
//! respond to the current request. The tests repeat this for each kind of request.

use std::sync::Arc;
use std::time::Duration;

use age::secrecy::ExposeSecret as _;
use futures::future::BoxFuture;
use koan_backup::prelude::*;
use koan_backup::{ArchiveEncryption, CancellationToken, Compression, Keys, Recipients, Retention};
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};
use object_store::local::LocalFileSystem;

use super::shop::{NAME, Shared, builder, complete_backups};

/// A lease time so long that a test which waits for a lease to expire hangs.
const LEASE_TIME: Duration = Duration::from_secs(3600);

/// An application with two storage profiles, of which one has a store that can fail.
struct LeaseFixture {
    /// The directory of the second profile, whose store has no faults.
    other: Shared,
    shared: Shared,
    store: FaultyStore,
    koan: Koan,
}

impl LeaseFixture {
    /// Creates an application with one backup in a store without faults.
    async fn new() -> Self {
        let (shared, other) = (Shared::new(), Shared::new());
        let store = FaultyStore::over(Arc::new(
            LocalFileSystem::new_with_prefix(shared.path()).expect("a directory"),
        ));
        let key = age::x25519::Identity::generate();
        let storage = store.storage().archive_encryption(ArchiveEncryption::Always);
        let koan = builder("shop", storage, Duration::ZERO)
            .named_storage("other", other.storage().archive_encryption(ArchiveEncryption::Always))
            .encrypt_to(Recipients::keys([key.to_public().to_string()]).expect("a key"))
            .keys(Keys::text(key.to_string().expose_secret()))
            .lease_time(LEASE_TIME)
            .build()
            .await
            .expect("a context");
        let _ = koan.backup(NAME).await.expect("a backup");
        Self { other, shared, store, koan }
    }

    /// Starts an operation, cancels it after a request to which the store does not respond, and waits for its
    /// end.
    async fn cancel_at_request(
        &self,
        fault: Fault,
        work: impl FnOnce(CancellationToken) -> BoxFuture<'static, Result<(), Error>>,
    ) {
        self.store.fail([fault]);
        let token = CancellationToken::new();
        let work = tokio::spawn(work(token.clone()));
        self.store.until_called(fault.operation, fault.path, fault.after + 1).await;
        token.cancel();
        let result = work.await.expect("no panic");
        self.store.fail([]);
        let error = result.expect_err("the operation was cancelled");
        // If the manifest was being published, its state is unknown, which is a storage error.
        let interrupts_publication = fault.operation == Operation::Put && fault.path == "manifests/";
        let expected = if interrupts_publication { ErrorKind::Storage } else { ErrorKind::Cancelled };
        assert_eq!(error.kind(), expected, "{fault:?}: {error:?}");
        if fault.operation == Operation::Complete {
            assert!(
                error.chain().contains("was completed") && error.chain().contains("is not known"),
                "{error:?}"
            );
        }
    }
}

/// Creates a fault with which the store does not respond to an operation on a path that contains `path`.
fn no_response(operation: Operation, path: &'static str) -> Fault {
    Fault::always(operation, path, Failure::Never)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_backup_ends_although_the_store_does_not_respond() {
    for fault in [
        no_response(Operation::List, "leases"),
        no_response(Operation::Put, "leases"),
        // This write records the path of the archive in the lease.
        no_response(Operation::Put, "leases").after(1),
        no_response(Operation::Begin, "archives/"),
        no_response(Operation::Part, "archives/"),
        no_response(Operation::Complete, "archives/"),
        no_response(Operation::Head, "archives/"),
        // The lease is confirmed before the manifest is written.
        no_response(Operation::Put, "leases").after(2),
        no_response(Operation::Put, "manifests/"),
        no_response(Operation::List, "manifests"),
    ] {
        let fixture = LeaseFixture::new().await;
        let before = complete_backups(&fixture.koan).await;
        let koan = fixture.koan.clone();
        fixture
            .cancel_at_request(fault, |token| {
                let backup = koan.backup(NAME).compression(Compression::stored()).cancel_on(token);
                Box::pin(async move { backup.await.map(drop) })
            })
            .await;
        assert_eq!(complete_backups(&fixture.koan).await, before, "{fault:?}");
    }
}

/// Starts an operation, cancels it while the store completes the archive, and waits for its end. The store
/// completes the archive even if the operation does not wait for the completion.
async fn cancelled_while_the_store_completes(
    store: &FaultyStore,
    work: impl FnOnce(CancellationToken) -> BoxFuture<'static, Result<(), Error>>,
) {
    store.fail([Fault::once(Operation::Complete, "archives/", Failure::Detached)]);
    let token = CancellationToken::new();
    let mut work = tokio::spawn(work(token.clone()));
    store.until_called(Operation::Complete, "archives/", 1).await;
    token.cancel();
    // An operation that does not wait for the store ends now, and the archive appears afterwards.
    let early = tokio::time::timeout(Duration::from_secs(1), &mut work).await;
    store.resume();
    store.until_called(Operation::Complete, "archives/", 1).await;
    let result = match early {
        Ok(result) => result,
        Err(_) => work.await,
    };
    let error = result.expect("no panic").expect_err("the operation was cancelled");
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_that_is_cancelled_while_the_store_completes_its_archive_leaves_no_archive() {
    let fixture = LeaseFixture::new().await;
    let (before, archives) = (complete_backups(&fixture.koan).await, fixture.shared.archives());
    let koan = fixture.koan.clone();
    cancelled_while_the_store_completes(&fixture.store, |token| {
        Box::pin(async move { koan.backup(NAME).cancel_on(token).await.map(drop) })
    })
    .await;
    assert_eq!(
        (complete_backups(&fixture.koan).await, fixture.shared.archives()),
        (before.clone(), archives),
        "backup"
    );
    let koan = fixture.koan.clone();
    cancelled_while_the_store_completes(&fixture.store, |token| {
        Box::pin(async move { koan.rekey(NAME).cancel_on(token).await.map(drop) })
    })
    .await;
    assert_eq!(
        (complete_backups(&fixture.koan).await, fixture.shared.archives()),
        (before.clone(), archives),
        "rekey"
    );
    let id = fixture.koan.backup(NAME).to_profile("other").await.expect("a backup").id();
    let koan = fixture.koan.clone();
    cancelled_while_the_store_completes(&fixture.store, |token| {
        let copy = koan.copy(id).from_profile("other").to_profile("shared").cancel_on(token);
        Box::pin(async move { copy.await.map(drop) })
    })
    .await;
    assert!(!complete_backups(&fixture.koan).await.contains(&id), "copy");
    assert_eq!(fixture.shared.archives(), archives, "copy");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_exceeds_its_timeout_ends_although_the_store_never_responds() {
    for fault in [no_response(Operation::Complete, "archives/"), no_response(Operation::Part, "archives/")] {
        let fixture = LeaseFixture::new().await;
        fixture.store.fail([fault, no_response(Operation::Put, "manifests/")]);
        // The timeout may expire before or after this request. The store does not respond in either case.
        let backup = fixture.koan.backup(NAME).timeout(Duration::from_millis(500));
        let error = backup.await.expect_err("the timeout is exceeded");
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_restore_or_verification_ends_although_the_store_does_not_respond() {
    let fixture = LeaseFixture::new().await;
    for fault in [
        no_response(Operation::List, "manifests"),
        no_response(Operation::Get, "manifests/"),
        no_response(Operation::Head, "archives/"),
        no_response(Operation::Get, "archives/"),
    ] {
        let koan = fixture.koan.clone();
        fixture
            .cancel_at_request(fault, |token| {
                Box::pin(async move { koan.restore(NAME).cancel_on(token).await.map(drop) })
            })
            .await;
        let koan = fixture.koan.clone();
        fixture
            .cancel_at_request(fault, |token| {
                Box::pin(async move { koan.verify(NAME).cancel_on(token).await.map(drop) })
            })
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_copy_or_rekey_ends_although_the_store_does_not_respond() {
    for fault in [
        no_response(Operation::Get, "manifests/"),
        no_response(Operation::Put, "leases/rekey"),
        no_response(Operation::Part, "archives/"),
        no_response(Operation::Complete, "archives/"),
        // The manifest is read again before it is replaced.
        no_response(Operation::Get, "manifests/").after(1),
        no_response(Operation::Put, "removals"),
        no_response(Operation::Put, "manifests/"),
    ] {
        let fixture = LeaseFixture::new().await;
        let koan = fixture.koan.clone();
        fixture
            .cancel_at_request(fault, |token| {
                Box::pin(async move { koan.rekey(NAME).cancel_on(token).await.map(drop) })
            })
            .await;
        let ids = complete_backups(&fixture.koan).await;
        assert_eq!(ids.len(), 1, "{fault:?}");
        assert!(fixture.koan.verify(ids[0]).await.expect("read").is_valid(), "{fault:?}");
    }
    for fault in [
        no_response(Operation::List, "leases/copy"),
        no_response(Operation::Part, "archives/"),
        no_response(Operation::Complete, "archives/"),
        no_response(Operation::Get, "archives/"),
        no_response(Operation::Put, "manifests/"),
    ] {
        let fixture = LeaseFixture::new().await;
        let id = fixture.koan.backup(NAME).to_profile("other").await.expect("a backup").id();
        assert_eq!(fixture.other.archives(), 1);
        let koan = fixture.koan.clone();
        fixture
            .cancel_at_request(fault, |token| {
                let copy = koan.copy(id).from_profile("other").to_profile("shared").cancel_on(token);
                Box::pin(async move { copy.await.map(drop) })
            })
            .await;
        assert!(!complete_backups(&fixture.koan).await.contains(&id), "{fault:?}");
        assert_eq!(fixture.shared.archives(), 1 + usize::from(fault.path == "manifests/"), "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_maintenance_and_recovery_end_although_the_store_does_not_respond() {
    for fault in [
        no_response(Operation::List, "archives"),
        no_response(Operation::Put, "leases"),
        no_response(Operation::Get, "archives/"),
        no_response(Operation::Delete, "manifests/"),
        no_response(Operation::Put, "removals"),
        no_response(Operation::Put, "verifications"),
    ] {
        let fixture = LeaseFixture::new().await;
        let _ = fixture.koan.backup(NAME).await.expect("a backup");
        let koan = fixture.koan.clone();
        let retention = Retention::new().keep_last(1);
        fixture.store.fail([fault]);
        let token = CancellationToken::new();
        let running = tokio::spawn({
            let token = token.clone();
            async move { koan.maintenance().retention(retention).cancel_on(token).await }
        });
        fixture.store.until_called(fault.operation, fault.path, 1).await;
        token.cancel();
        // The state of a backup that was being removed may be unknown. The report then contains this state,
        // and maintenance returns no error.
        if let Err(error) = running.await.expect("no panic") {
            assert_eq!(error.kind(), ErrorKind::Cancelled, "{fault:?}: {error:?}");
        }
        fixture.store.fail([]);
        assert!(!complete_backups(&fixture.koan).await.is_empty(), "{fault:?}");
    }
    let fixture = LeaseFixture::new().await;
    for fault in [no_response(Operation::List, "archives"), no_response(Operation::Put, "leases")] {
        let koan = fixture.koan.clone();
        fixture
            .cancel_at_request(fault, |token| {
                Box::pin(async move { koan.catalog().recover().cancel_on(token).await.map(drop) })
            })
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_exceeds_its_timeout_ends_although_the_store_never_responds() {
    let fixture = LeaseFixture::new().await;
    // The timeout expires while the restore searches for the backup, or while it verifies the backup.
    for fault in [no_response(Operation::List, "manifests"), no_response(Operation::Get, "archives/")] {
        fixture.store.fail([fault]);
        let error =
            fixture.koan.restore(NAME).timeout(Duration::from_millis(300)).await.expect_err("a timeout");
        assert_eq!(error.kind(), ErrorKind::Timeout, "{fault:?}: {error:?}");
    }
}
