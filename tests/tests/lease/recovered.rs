//! Tests that a recovered archive stays if its writer, which has lost its lease, abandons the archive
//! afterwards.

use std::future::IntoFuture as _;
use std::time::Duration;

use age::secrecy::ExposeSecret as _;
use koan_backup::prelude::*;
use koan_backup::{ArchiveEncryption, Keys, KoanBuilder, Recipients};
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};

use super::removing::store;
use super::shop::{NAME, Shared, builder, complete_backups};

/// The lease time, which is so long that no lease is renewed during the test.
const LEASE_TIME: Duration = Duration::from_secs(3600);

/// Two applications that share a storage profile. The requests of the first application can be paused.
struct TwoApplications {
    elsewhere: Shared,
    shared: Shared,
    store: FaultyStore,
    first: Koan,
    second: Koan,
}

impl TwoApplications {
    async fn new() -> Self {
        let (shared, elsewhere) = (Shared::new(), Shared::new());
        let store = store(shared.path());
        let key = age::x25519::Identity::generate();
        let with_key = |koan: KoanBuilder| {
            koan.named_storage("elsewhere", elsewhere.storage().archive_encryption(ArchiveEncryption::Always))
                .encrypt_to(Recipients::keys([key.to_public().to_string()]).expect("a key"))
                .keys(Keys::text(key.to_string().expose_secret()))
                .lease_time(LEASE_TIME)
        };
        let encrypted = |storage: Storage| storage.archive_encryption(ArchiveEncryption::Always);
        let first = with_key(builder("shop", encrypted(store.storage()), Duration::ZERO));
        let second = with_key(builder("shop", encrypted(shared.storage()), Duration::ZERO));
        let (first, second) =
            (first.build().await.expect("a context"), second.build().await.expect("a context"));
        Self { elsewhere, shared, store, first, second }
    }

    /// Removes the lease of the first application, which does not detect the removal. Then the second
    /// application recovers the archive.
    async fn recover(&self) {
        std::fs::remove_dir_all(self.shared.path().join("leases")).expect("removed");
        let report = self.second.catalog().recover().profiles(["shared"]).await.expect("a report");
        assert_eq!(report.recovered().count(), 1, "{report:?}");
    }

    /// Checks that the profile contains exactly one backup, which is valid.
    async fn assert_valid(&self) {
        let ids = complete_backups(&self.second).await;
        assert_eq!(ids.len(), 1);
        assert!(self.second.verify(ids[0]).await.expect("read").is_valid(), "the archive was removed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_lost_its_lease_does_not_remove_a_recovered_archive() {
    // The writer either detects that its lease is lost, or its upload fails at the end.
    let held = |operation, path| Fault::always(operation, path, Failure::Held);
    let lost = Fault::always(Operation::Head, "archives/", Failure::Lost);
    for (faults, (operation, path), expected) in [
        // The archive is complete, and its size is requested.
        (vec![held(Operation::Head, "archives/")], (Operation::Head, "archives/"), ErrorKind::Busy),
        // The request for the size fails, and the archive is abandoned unless it was published.
        (vec![lost, held(Operation::Get, "manifests/")], (Operation::Get, "manifests/"), ErrorKind::Storage),
    ] {
        let applications = TwoApplications::new().await;
        applications.store.fail(faults);
        let writing = tokio::spawn(applications.first.backup(NAME).into_future());
        applications.store.until_called(operation, path, 1).await;
        applications.recover().await;
        applications.store.resume();
        let error = writing.await.expect("no panic").expect_err("the backup fails");
        assert_eq!(error.kind(), expected, "{error:?}");
        applications.assert_valid().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_lost_its_lease_does_not_remove_a_recovered_archive() {
    let applications = TwoApplications::new().await;
    let id = applications.first.backup(NAME).to_profile("elsewhere").await.expect("a backup").id();
    assert_eq!(applications.elsewhere.archives(), 1);
    applications.store.fail([Fault::always(Operation::Get, "archives/", Failure::Held)]);
    let copy = applications.first.copy(id).from_profile("elsewhere").to_profile("shared");
    let copying = tokio::spawn(copy.into_future());
    // The copy verifies the archive that it has written.
    applications.store.until_called(Operation::Get, "archives/", 1).await;
    applications.recover().await;
    applications.store.resume();
    assert_eq!(copying.await.expect("no panic").expect_err("the lease is lost").kind(), ErrorKind::Busy);
    applications.assert_valid().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rekey_that_lost_its_lease_does_not_remove_a_recovered_archive() {
    let applications = TwoApplications::new().await;
    let made = applications.first.backup(NAME).await.expect("a backup");
    let (id, old) = (made.id(), made.manifest().archive.as_ref().expect("an archive").file.clone());
    let manifest = applications.shared.path().join(format!("manifests/{id}.json"));
    applications.store.fail([Fault::always(Operation::Get, "manifests/", Failure::Held).after(1)]);
    let rekeying = tokio::spawn(applications.first.rekey(id).into_future());
    // The rekey has verified the new archive and reads the manifest once more. Meanwhile, the manifest and
    // the old archive are lost.
    applications.store.until_called(Operation::Get, "manifests/", 2).await;
    std::fs::remove_file(&manifest).expect("removed");
    std::fs::remove_file(applications.shared.path().join(&old)).expect("removed");
    applications.recover().await;
    applications.store.resume();
    rekeying.await.expect("no panic").expect_err("the lease is lost");
    applications.assert_valid().await;
}
