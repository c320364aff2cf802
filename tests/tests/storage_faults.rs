//! Stores that fail, return wrong results or are full: no incomplete backup is published, and every failure
//! is reported.

use std::sync::Arc;

use koan_backup::prelude::*;
use koan_backup::{SetName, archive::BackupStatus};
use koan_backup_tests::archive_surgery::Vault;
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};
use koan_backup_tests::scripted::Scripted;
use koan_backup_tests::small_disk::SmallDisk;
use koan_backup_tests::wait;
use object_store::local::LocalFileSystem;
use serde::{Deserialize, Serialize};

koan_backup::entity_backup_scope!(mode = All);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
struct User {
    id: i64,
    name: String,
}

struct Shop {
    vault: Vault,
    store: FaultyStore,
    koan: Koan,
}

async fn context(storage: Storage, name_length: usize) -> Koan {
    let database = Scripted::default();
    for id in 0..4 {
        database.put(&SetName::root(), &User { id, name: "x".repeat(name_length) });
    }
    Koan::builder().provider(database).named_storage("faulty", storage).build().await.expect("a context")
}

async fn shop() -> Shop {
    shop_with_names(10).await
}

/// Creates a shop whose archives are larger than one part of an upload.
async fn large_shop() -> Shop {
    shop_with_names(3 << 19).await
}

async fn shop_with_names(name_length: usize) -> Shop {
    let vault = Vault::default();
    let store = FaultyStore::over(vault.store());
    Shop { koan: context(store.storage(), name_length).await, store, vault }
}

impl Shop {
    /// Runs a backup that fails, verifies that it leaves only the record of its failure, and returns the
    /// error.
    async fn failed_backup(&self, faults: impl IntoIterator<Item = Fault>) -> Error {
        self.store.fail(faults);
        let backup = self.koan.backup("nightly").compression(Compression::stored());
        let error = backup.await.expect_err("the store failed");
        self.store.fail([]);
        self.assert_nothing_is_published().await;
        error
    }

    async fn assert_nothing_is_published(&self) {
        let files = self.vault.files().await;
        assert!(!files.iter().any(|file| file.starts_with("archives/")), "{files:?}");
        for manifest in self.koan.backups().await.expect("listed") {
            assert_eq!(manifest.status, BackupStatus::Failed);
            assert_eq!(manifest.archive, None);
            assert!(manifest.error.is_some_and(|error| !error.is_empty()));
        }
        assert_eq!(
            self.koan.restore("nightly").await.expect_err("no backup was completed").kind(),
            ErrorKind::NotFound
        );
    }
}

#[tokio::test]
async fn a_faulty_store_without_faults_works() {
    let shop = large_shop().await;
    let backup = shop.koan.backup("nightly").compression(Compression::stored()).await.expect("a backup");
    assert!(shop.store.call_count(Operation::Part, "archives/") >= 2, "the archive must have several parts");
    assert!(shop.koan.verify(backup.id()).await.expect("a report").is_valid());
    let _ = shop.koan.restore("nightly").await.expect("restored");
}

#[tokio::test]
async fn an_upload_that_fails_in_any_operation_publishes_nothing_and_the_error_names_the_archive() {
    let shop = large_shop().await;
    for failure in [Failure::Lost, Failure::Broken, Failure::Busy, Failure::Forbidden, Failure::Missing] {
        for (operation, after) in
            [(Operation::Begin, 0), (Operation::Part, 0), (Operation::Part, 1), (Operation::Complete, 0)]
        {
            let fault = Fault::always(operation, "archives/", failure).after(after);
            let error = shop.failed_backup([fault]).await;
            assert_eq!(error.kind(), ErrorKind::Storage, "{operation:?} {failure:?}");
            assert!(error.to_string().contains("archives/backup-nightly-"), "{operation:?}: {error}");
            let expected_text = match failure {
                Failure::Forbidden => "403",
                Failure::Missing => "404",
                Failure::Busy => "429",
                Failure::Broken => "500",
                _ => "connection reset",
            };
            assert!(error.chain().contains(expected_text), "{operation:?}: {}", error.chain());
        }
    }
}

#[tokio::test]
async fn a_slow_store_delays_a_backup_and_a_cancelled_backup_does_not_wait_for_the_store() {
    let shop = large_shop().await;
    let slow_operations = |millis| {
        [Operation::Part, Operation::Complete, Operation::Put, Operation::Get]
            .map(|operation| Fault::always(operation, "", Failure::Slow(millis)))
    };
    shop.store.fail(slow_operations(50));
    let backup = shop.koan.backup("nightly").compression(Compression::stored()).await.expect("a backup");
    assert!(shop.koan.verify(backup.id()).await.expect("a report").is_valid());

    for operation in [Operation::Put, Operation::Part] {
        shop.store.fail([Fault::always(operation, "", Failure::Never)]);
        let token = koan_backup::CancellationToken::new();
        let backup =
            shop.koan.backup("cancelled").compression(Compression::stored()).cancel_on(token.clone());
        let cancel = async {
            shop.store.until_called(operation, "", 1).await;
            token.cancel();
        };
        let (result, ()) = tokio::join!(backup.into_future(), cancel);
        assert_eq!(result.expect_err("cancelled").kind(), ErrorKind::Cancelled, "{operation:?}");
    }
    shop.store.fail([]);
    assert_eq!(shop.koan.backups().await.expect("listed").len(), 1);
}

#[tokio::test]
async fn the_upload_of_a_backup_that_is_dropped_is_aborted() {
    let shop = large_shop().await;
    shop.store.fail([Fault::always(Operation::Part, "archives/", Failure::Never)]);
    let backup = shop.koan.backup("dropped").compression(Compression::stored());
    wait::dropped_at(shop.store.until_called(Operation::Part, "archives/", 1), backup).await;
    // A store keeps the parts of an upload until it is aborted.
    shop.store.until_called(Operation::Abort, "archives/", 1).await;
}

#[tokio::test]
async fn a_failed_upload_is_aborted() {
    let shop = large_shop().await;
    for operation in [Operation::Part, Operation::Complete] {
        shop.store.fail([Fault::always(operation, "archives/", Failure::Lost)]);
        shop.koan.backup("nightly").compression(Compression::stored()).await.expect_err("the store failed");
        assert_eq!(shop.store.call_count(Operation::Abort, "archives/"), 1, "{operation:?}");
    }
}

#[tokio::test]
async fn an_upload_whose_completion_response_was_lost_leaves_no_archive() {
    let shop = shop().await;
    shop.failed_backup([Fault::always(Operation::Complete, "archives/", Failure::ResponseLost)]).await;
}

#[tokio::test]
async fn every_compression_can_be_verified_on_a_store_that_refuses_empty_ranges() {
    let shop = shop().await;
    for compression in
        [Compression::stored(), Compression::zstd(3).expect("a valid level"), Compression::default()]
    {
        let backup = shop.koan.backup("nightly").compression(compression).await.expect("a backup");
        assert!(shop.koan.verify(backup.id()).await.expect("a report").is_valid(), "{compression:?}");
        shop.koan.data::<User>().clear().await.expect("cleared");
        let empty = shop.koan.backup("empty").compression(compression).await.expect("a backup");
        assert!(
            shop.koan.verify(empty.id()).await.expect("a report").is_valid(),
            "{compression:?}, without records"
        );
        let _ = shop.koan.restore(backup.id()).await.expect("restored");
    }
}

#[tokio::test]
async fn an_archive_with_another_size_in_the_store_is_not_published_and_is_removed() {
    let shop = shop().await;
    for length in [0, 1, u64::MAX] {
        let error =
            shop.failed_backup([Fault::always(Operation::Head, "archives/", Failure::Short(length))]).await;
        assert_eq!(error.kind(), ErrorKind::Storage);
        assert!(error.to_string().contains("archives/backup-nightly-"), "{error}");
        assert!(error.to_string().contains(&length.to_string()), "{error}");
    }
}

#[tokio::test]
async fn an_archive_whose_size_cannot_be_read_is_not_published() {
    let shop = shop().await;
    for failure in [Failure::Lost, Failure::Broken, Failure::Busy, Failure::Forbidden, Failure::Missing] {
        let error = shop.failed_backup([Fault::always(Operation::Head, "archives/", failure)]).await;
        assert_eq!(error.kind(), ErrorKind::Storage);
        assert!(error.to_string().contains("archives/backup-nightly-"), "{error}");
    }
}

#[tokio::test]
async fn a_backup_whose_manifest_cannot_be_written_fails_and_its_archive_is_removed() {
    let shop = shop().await;
    for failure in [Failure::Lost, Failure::Forbidden] {
        let error = shop.failed_backup([Fault::once(Operation::Put, "manifests/", failure)]).await;
        assert_eq!(error.kind(), ErrorKind::Storage);
        assert!(error.to_string().contains("manifests/"), "{error}");
        let error = shop.failed_backup([Fault::always(Operation::Put, "manifests/", failure)]).await;
        assert!(error.to_string().contains("manifests/"), "{error}");
    }
}

#[tokio::test]
async fn a_backup_succeeds_although_the_response_to_the_upload_of_its_manifest_was_lost() {
    let shop = shop().await;
    shop.store.fail([Fault::once(Operation::Put, "manifests/", Failure::ResponseLost)]);
    let backup =
        shop.koan.backup("nightly").await.expect("the manifest was published although the response was lost");
    shop.store.fail([]);
    let listed = shop.koan.backups().await.expect("listed");
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].id, listed[0].status), (backup.id(), BackupStatus::Completed));
    assert!(shop.koan.verify(backup.id()).await.expect("a report").is_valid());
}

#[tokio::test]
async fn the_archive_is_kept_if_it_is_unknown_whether_the_manifest_was_published() {
    let shop = shop().await;
    shop.store.fail([
        Fault::once(Operation::Put, "manifests/", Failure::ResponseLost),
        Fault::always(Operation::Get, "manifests/", Failure::Lost),
    ]);
    let error =
        shop.koan.backup("nightly").await.expect_err("it is unknown whether the manifest was published");
    assert_eq!(error.kind(), ErrorKind::Storage);
    shop.store.fail([]);
    // The manifest was published although the response was lost, so the backup must be valid.
    let listed = shop.koan.backups().await.expect("listed");
    assert!(shop.koan.verify(listed[0].id).await.expect("a report").is_valid());
}

#[tokio::test]
async fn a_manifest_is_never_overwritten() {
    let directory = tempfile::tempdir().expect("a directory");
    let local = Arc::new(LocalFileSystem::new_with_prefix(directory.path()).expect("a store"));
    for store in [Vault::default().store(), local] {
        let store = FaultyStore::over(store);
        let koan = context(store.storage(), 10).await;
        store.fail([Fault::once(Operation::Put, "manifests/", Failure::ResponseLost)]);
        let backup = koan.backup("nightly").await.expect("a backup");
        // Recording the failure of a second backup does not change the manifest of the first.
        store.fail([Fault::always(Operation::Begin, "archives/", Failure::Lost)]);
        koan.backup("nightly").await.expect_err("the store failed");
        store.fail([]);
        let listed = koan.backups().await.expect("listed");
        assert_eq!(listed.len(), 2);
        assert!(koan.verify(backup.id()).await.expect("a report").is_valid());
        assert_eq!(koan.restore("nightly").dry_run().await.expect("compared").id, backup.id());
    }
}

#[tokio::test]
async fn a_read_that_is_interrupted_once_is_retried() {
    let shop = shop().await;
    let backup = shop.koan.backup("nightly").await.expect("a backup");
    for failure in [Failure::Short(3), Failure::Lost] {
        for path in ["archives/", "manifests/"] {
            for after in 0..12 {
                shop.store.fail([Fault::once(Operation::Get, path, failure).after(after)]);
                let report = shop.koan.verify(backup.id()).await.expect("an interrupted read is retried");
                assert!(report.is_valid(), "{path} {failure:?} after {after}: {:?}", report.issues());
            }
        }
    }
}

#[tokio::test]
async fn a_backup_that_cannot_be_read_completely_is_never_valid() {
    let shop = shop().await;
    let backup = shop.koan.backup("nightly").await.expect("a backup");
    for failure in [Failure::Short(3), Failure::Lost, Failure::Forbidden, Failure::Zeros] {
        for path in ["archives/", "manifests/"] {
            for after in 0..12 {
                let fault = Fault::always(Operation::Get, path, failure).after(after);
                shop.store.fail([fault]);
                let verified = shop.koan.verify(backup.id()).await;
                let is_fault_reached = shop.store.call_count(Operation::Get, path) > after;
                assert_eq!(
                    verified.as_ref().is_ok_and(|report| report.is_valid()),
                    !is_fault_reached,
                    "{path} {failure:?} after {after}: {verified:?}"
                );
                if is_fault_reached && matches!(failure, Failure::Lost | Failure::Forbidden) {
                    // If the store cannot be read, the state of the backup is unknown.
                    let error = verified.expect_err("the state of the backup is unknown");
                    assert_eq!(error.kind(), ErrorKind::Storage, "{path} after {after}: {}", error.chain());
                    assert!(error.to_string().contains(path), "{error}");
                }
                shop.store.fail([fault]);
                shop.koan.data::<User>().clear().await.expect("cleared");
                let restored = shop.koan.restore(backup.id()).await;
                if shop.store.call_count(Operation::Get, path) > after {
                    restored.expect_err("the archive cannot be read completely");
                    assert_eq!(shop.koan.data::<User>().count().await.expect("readable"), 0);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_refused_read_is_reported_without_retries() {
    let shop = shop().await;
    let backup = shop.koan.backup("nightly").await.expect("a backup");
    for (failure, expected_text) in [(Failure::Forbidden, "403"), (Failure::Missing, "404")] {
        shop.store.fail([Fault::always(Operation::Get, "archives/", failure)]);
        let error = shop.koan.verify(backup.id()).await.expect_err("the state of the backup is unknown");
        assert_eq!(shop.store.call_count(Operation::Get, "archives/"), 1, "{failure:?} must not be retried");
        assert!(error.chain().contains(expected_text), "{}", error.chain());
        shop.store.fail([Fault::always(Operation::Head, "archives/", failure)]);
        let verified = shop.koan.verify(backup.id()).await;
        assert_eq!(shop.store.call_count(Operation::Head, "archives/"), 1);
        match failure {
            Failure::Missing => assert!(!verified.expect("a report").is_valid()),
            _ => assert!(
                verified.expect_err("the state of the backup is unknown").chain().contains(expected_text)
            ),
        }
    }
    shop.store.fail([Fault::always(Operation::Get, "manifests/", Failure::Forbidden)]);
    let error = shop.koan.verify(backup.id()).await.expect_err("the state of the backup is unknown");
    assert!(error.to_string().contains("manifests/") && error.chain().contains("403"), "{}", error.chain());
    assert_eq!(shop.store.call_count(Operation::Get, "manifests/"), 1);
}

#[tokio::test]
async fn a_restore_is_rolled_back_if_the_archive_changes_after_its_verification() {
    let shop = shop().await;
    let backup = shop.koan.backup("nightly").await.expect("a backup");
    shop.koan.data::<User>().clear().await.expect("cleared");
    shop.store.fail([]);
    assert!(shop.koan.verify(backup.id()).await.expect("a report").is_valid());
    let verification_reads = shop.store.call_count(Operation::Get, "archives/");
    shop.store.fail([]);
    let _ = shop.koan.restore(backup.id()).dry_run().await.expect("compared");
    let reads = shop.store.call_count(Operation::Get, "archives/");
    assert!(
        reads > verification_reads,
        "a restore must read the archive after its verification: {reads} reads, {verification_reads} for the verification"
    );
    shop.store.fail([Fault::always(Operation::Get, "archives/", Failure::Zeros).after(reads - 1)]);
    let error = shop.koan.restore(backup.id()).await.expect_err("the archive changed");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("nothing was committed"), "{error}");
    assert_eq!(shop.koan.data::<User>().count().await.expect("readable"), 0);
}

#[tokio::test]
async fn a_failed_list_is_an_error_and_never_a_shorter_list() {
    let shop = shop().await;
    let _ = shop.koan.backup("nightly").await.expect("a backup");
    let _ = shop.koan.backup("nightly").await.expect("a backup");
    for failure in [Failure::Lost, Failure::Forbidden] {
        shop.store.fail([Fault::always(Operation::List, "manifests", failure)]);
        for error in [
            shop.koan.backups().await.expect_err("the manifests cannot be listed"),
            shop.koan.restore("nightly").await.expect_err("the manifests cannot be listed"),
            shop.koan.verify("nightly").await.expect_err("the manifests cannot be listed"),
        ] {
            assert_eq!(error.kind(), ErrorKind::Storage);
            assert!(error.to_string().contains("faulty"), "{error}");
        }
        shop.store.fail([Fault::always(Operation::Get, "manifests/", failure)]);
        assert_eq!(
            shop.koan.backups().await.expect_err("the manifests cannot be read").kind(),
            ErrorKind::Storage
        );
    }
}

#[tokio::test]
async fn a_full_disk_is_reported_with_the_path_and_leaves_no_archive() {
    let Some(disk) = SmallDisk::mount() else { return };
    let koan = context(Storage::local(disk.path()).expect("a directory"), 1 << 20).await;
    let error = koan.backup("large").compression(Compression::stored()).await.expect_err("the disk is full");
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert!(error.to_string().contains("archives/backup-large-"), "{error}");
    assert!(error.to_string().contains(&disk.path().display().to_string()), "{error}");
    assert!(error.chain().to_lowercase().contains("no space"), "{}", error.chain());
    let remaining: Vec<_> = std::fs::read_dir(disk.path().join("archives"))
        .map(|files| files.map(|file| file.expect("readable").path()).collect())
        .unwrap_or_default();
    assert_eq!(remaining, Vec::<std::path::PathBuf>::new());
    let listed = koan.backups().await.expect("listed");
    assert!(listed.iter().all(|manifest| manifest.status == BackupStatus::Failed));
    let small = context(Storage::local(disk.path()).expect("a directory"), 100).await;
    let backup = small.backup("small").await.expect("a small backup fits on the disk");
    assert!(small.verify(backup.id()).await.expect("a report").is_valid());
}

#[tokio::test]
async fn a_backup_on_a_full_disk_leaves_no_archive_and_no_manifest() {
    let Some(disk) = SmallDisk::mount() else { return };
    let koan = context(Storage::local(disk.path()).expect("a directory"), 100).await;
    let backup = koan.backup("before").await.expect("a backup");
    let filler = disk.path().join("filler");
    std::fs::write(&filler, vec![0; 4 << 20]).expect_err("the disk is filled");
    let error = koan.backup("after").await.expect_err("the disk is full");
    assert_eq!(error.kind(), ErrorKind::Storage);
    let files = |folder: &str| std::fs::read_dir(disk.path().join(folder)).expect("readable").count();
    assert_eq!((files("archives"), files("manifests")), (1, 1));
    assert!(koan.verify(backup.id()).await.expect("a report").is_valid());
}
