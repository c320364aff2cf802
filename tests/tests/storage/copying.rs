//! A backup is copied into another profile completely or not at all.

use koan_backup::prelude::*;
use koan_backup::{CancellationToken, Recipients, archive::BackupStatus};
use koan_backup_tests::archive_surgery::Vault;
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};
use koan_backup_tests::scripted::{Script, Scripted};
use koan_backup_tests::wait;

use crate::fixture::{Customer, backup, customers, customers_of, koan, shop};

/// A context with two profiles, `source` and `dr`, whose stores can fail.
struct TwoProfiles {
    koan: Koan,
    source: Vault,
    target: Vault,
    faulty_source: FaultyStore,
    faulty_target: FaultyStore,
}

async fn two_profiles() -> TwoProfiles {
    let (source, target) = (Vault::default(), Vault::default());
    let (faulty_source, faulty_target) =
        (FaultyStore::over(source.store()), FaultyStore::over(target.store()));
    let koan =
        koan(shop(12 << 20), [("source", faulty_source.storage()), ("dr", faulty_target.storage())]).await;
    TwoProfiles { koan, source, target, faulty_source, faulty_target }
}

#[tokio::test]
async fn a_copy_is_the_same_backup_in_another_profile() {
    let profiles = two_profiles().await;
    let manifest = backup(&profiles.koan, "nightly").await.expect("a backup");
    let report = profiles.koan.copy("nightly").to_profile("dr").await.expect("copied");
    assert_eq!((report.id, report.already_existed), (manifest.id, false));
    assert!(report.verification.expect("read back").is_valid());
    let copies = profiles.koan.backups_in(Some("dr")).await.expect("listed");
    assert_eq!(copies.len(), 1);
    let (source_archive, target_archive) =
        (manifest.archive.clone().expect("an archive"), copies[0].archive.clone().expect("an archive"));
    assert_eq!(
        (&source_archive.sha256, source_archive.size_bytes),
        (&target_archive.sha256, target_archive.size_bytes)
    );
    assert_eq!(
        profiles.source.read(&source_archive.file).await,
        profiles.target.read(&target_archive.file).await
    );
    assert!(
        profiles.faulty_target.call_count(Operation::Part, "archives/") >= 3,
        "the archive must be uploaded in several parts"
    );
    profiles.koan.data::<Customer>().clear().await.expect("cleared");
    let _ = profiles.koan.restore("nightly").from_profile("dr").await.expect("restored");
    assert_eq!(customers_of(&profiles.koan).await, customers());
    // A copy back into the source does nothing, because the backup exists there.
    let copy_back = profiles
        .koan
        .copy(manifest.id)
        .from_profile("dr")
        .to_profile("source")
        .await
        .expect("the copy exists already");
    assert!(copy_back.already_existed && copy_back.verification.is_none());
}

#[tokio::test]
async fn an_existing_copy_is_not_copied_again() {
    let profiles = two_profiles().await;
    backup(&profiles.koan, "nightly").await.expect("a backup");
    let first = profiles.koan.copy("nightly").to_profile("dr").await.expect("copied");
    let before = profiles.target.files().await;
    profiles.faulty_target.fail([]);
    let second = profiles.koan.copy("nightly").to_profile("dr").await.expect("the copy exists already");
    assert!(second.already_existed);
    assert_eq!(second.archive, first.archive);
    assert_eq!(profiles.faulty_target.call_count(Operation::Begin, ""), 0);
    assert_eq!(profiles.target.files().await, before);
    // A manifest without its archive is not reported as an existing copy.
    profiles.target.remove(&first.archive.file).await;
    let error =
        profiles.koan.copy("nightly").to_profile("dr").await.expect_err("the archive of the copy is missing");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(
        error.to_string().contains("is missing") && error.to_string().contains("copy it again"),
        "{error}"
    );
    profiles.target.write(&first.archive.file, b"short").await;
    let error = profiles
        .koan
        .copy("nightly")
        .to_profile("dr")
        .await
        .expect_err("the archive of the copy has another size");
    assert!(error.to_string().contains("a different size"), "{error}");
}

#[tokio::test]
async fn another_backup_with_the_same_id_is_not_changed() {
    let profiles = two_profiles().await;
    let manifest = backup(&profiles.koan, "nightly").await.expect("a backup");
    let _ = profiles.koan.copy("nightly").to_profile("dr").await.expect("copied");
    let path = format!("manifests/{}.json", manifest.id);
    let text = String::from_utf8(profiles.source.read(&path).await).expect("a text");
    profiles.source.write(&path, text.replacen("\"tags\": []", "\"tags\": [\"other\"]", 1).as_bytes()).await;
    let before = (profiles.target.files().await, profiles.target.read(&path).await);
    let error = profiles
        .koan
        .copy(manifest.id)
        .to_profile("dr")
        .await
        .expect_err("the existing backup has another manifest");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains(&manifest.id.to_string()), "{error}");
    assert_eq!((profiles.target.files().await, profiles.target.read(&path).await), before);
}

#[tokio::test]
async fn a_copy_that_fails_in_any_operation_leaves_no_file() {
    let profiles = two_profiles().await;
    backup(&profiles.koan, "nightly").await.expect("a backup");
    let archives = "archives/";
    for failure in [Failure::Lost, Failure::Forbidden] {
        for (target_fault, source_fault) in [
            (Some(Fault::always(Operation::Begin, archives, failure)), None),
            (Some(Fault::always(Operation::Part, archives, failure)), None),
            (Some(Fault::always(Operation::Part, archives, failure).after(1)), None),
            (Some(Fault::always(Operation::Complete, archives, failure)), None),
            (Some(Fault::always(Operation::Head, archives, failure)), None),
            (Some(Fault::always(Operation::Get, archives, failure)), None),
            (Some(Fault::always(Operation::Get, archives, failure).after(3)), None),
            (Some(Fault::always(Operation::Put, "manifests/", failure)), None),
            (None, Some(Fault::always(Operation::Get, archives, failure))),
            (None, Some(Fault::always(Operation::Get, archives, failure).after(1))),
        ] {
            profiles.faulty_target.fail(target_fault);
            profiles.faulty_source.fail(source_fault);
            let error = profiles.koan.copy("nightly").to_profile("dr").await.expect_err("the store failed");
            assert_eq!(
                error.kind(),
                ErrorKind::Storage,
                "{target_fault:?} {source_fault:?}: {}",
                error.chain()
            );
            profiles.faulty_target.fail([]);
            profiles.faulty_source.fail([]);
            assert_eq!(profiles.target.files().await, [""; 0], "{target_fault:?} {source_fault:?}");
        }
    }
    let _ = profiles
        .koan
        .copy("nightly")
        .to_profile("dr")
        .await
        .expect("the failed copies do not prevent another copy");
}

#[tokio::test]
async fn a_damaged_archive_is_not_copied_and_a_copy_that_is_stored_damaged_is_removed() {
    let profiles = two_profiles().await;
    let manifest = backup(&profiles.koan, "nightly").await.expect("a backup");
    // The archive arrives as zeros, which only the verification of the copy detects.
    profiles.faulty_target.fail([Fault::always(Operation::Get, "archives/", Failure::Zeros)]);
    let error = profiles.koan.copy("nightly").to_profile("dr").await.expect_err("the copy is damaged");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("could not be verified and was removed"), "{error}");
    profiles.faulty_target.fail([]);
    assert_eq!(profiles.target.files().await, [""; 0]);
    // The archive of the source is damaged.
    let file = manifest.archive.expect("an archive").file;
    let mut archive = profiles.source.read(&file).await;
    let middle = archive.len() / 2;
    archive[middle] ^= 1;
    profiles.source.write(&file, &archive).await;
    let error = profiles
        .koan
        .copy("nightly")
        .to_profile("dr")
        .await
        .expect_err("the archive of the source is damaged");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains(&file), "{error}");
    assert_eq!(
        profiles.faulty_target.call_count(Operation::Complete, "archives/"),
        0,
        "the upload of a damaged archive must not be completed"
    );
    assert_eq!(profiles.target.files().await, [""; 0]);
}

#[tokio::test]
async fn a_cancelled_copy_leaves_no_file_and_does_not_wait_for_the_store() {
    let profiles = two_profiles().await;
    backup(&profiles.koan, "nightly").await.expect("a backup");
    for (operation, path) in
        [(Operation::Begin, "archives/"), (Operation::Part, "archives/"), (Operation::Get, "archives/")]
    {
        profiles.faulty_target.fail([Fault::always(operation, path, Failure::Never)]);
        let token = CancellationToken::new();
        let copy = profiles.koan.copy("nightly").to_profile("dr").cancel_on(token.clone());
        let cancel = async {
            profiles.faulty_target.until_called(operation, path, 1).await;
            token.cancel();
        };
        let (result, ()) = tokio::join!(copy.into_future(), cancel);
        assert_eq!(result.expect_err("cancelled").kind(), ErrorKind::Cancelled, "{operation:?}");
        profiles.faulty_target.fail([]);
        assert_eq!(profiles.target.files().await, [""; 0], "{operation:?}");
    }
}

#[tokio::test]
async fn a_copy_that_is_dropped_during_its_verification_is_removed() {
    let profiles = two_profiles().await;
    backup(&profiles.koan, "nightly").await.expect("a backup");
    profiles.faulty_target.fail([Fault::always(Operation::Get, "archives/", Failure::Never)]);
    let read_back = profiles.faulty_target.until_called(Operation::Get, "archives/", 1);
    wait::dropped_at(read_back, profiles.koan.copy("nightly").to_profile("dr")).await;
    wait::until("all files of the copy are removed", async || profiles.target.files().await.is_empty()).await;
}

#[tokio::test]
async fn a_lost_response_does_not_create_a_second_copy() {
    let profiles = two_profiles().await;
    let manifest = backup(&profiles.koan, "nightly").await.expect("a backup");
    profiles.faulty_target.fail([Fault::once(Operation::Put, "manifests/", Failure::ResponseLost)]);
    let report = profiles
        .koan
        .copy("nightly")
        .to_profile("dr")
        .await
        .expect("the copy is complete although the response was lost");
    assert!(!report.already_existed);
    assert_eq!(profiles.target.files().await.len(), 2);
    assert!(profiles.koan.verify(manifest.id).from_profile("dr").await.expect("a report").is_valid());
}

#[tokio::test]
async fn a_failed_backup_is_not_copied_and_the_error_contains_the_reason() {
    let script = Script { disconnects_at: Some(("Customer".to_owned(), 0)), ..Script::default() };
    let database = Scripted::new(script);
    database.put(&koan_backup::SetName::root(), &customers()[0]);
    let koan =
        koan(database, [("source", Vault::default().storage()), ("dr", Vault::default().storage())]).await;
    backup(&koan, "nightly").await.expect_err("the database fails");
    let failed = koan.backups().await.expect("listed").remove(0);
    assert_eq!(failed.status, BackupStatus::Failed);
    let error = koan.copy(failed.id).to_profile("dr").await.expect_err("a failed backup has no archive");
    assert!(error.to_string().contains("no archive to copy"), "{error}");
    assert!(
        error.to_string().contains(failed.error.as_deref().expect("the reason of the failure")),
        "{error}"
    );
    let error =
        koan.copy("nightly").to_profile("dr").await.expect_err("no backup with this name was completed");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("failed"), "{error}");
}

#[tokio::test]
async fn an_unencrypted_backup_is_not_copied_into_a_profile_that_requires_encryption() {
    let key = age::x25519::Identity::generate().to_public().to_string();
    let (source, encrypted) = (Vault::default(), Vault::default());
    let koan = Koan::builder()
        .provider(shop(0))
        .named_storage("source", source.storage())
        .named_storage("sealed", encrypted.storage().archive_encryption(ArchiveEncryption::Always))
        .encrypt_to(Recipients::keys([key]).expect("a public key"))
        .build()
        .await
        .expect("a context");
    backup(&koan, "clear").await.expect("a backup");
    let error = koan.copy("clear").to_profile("sealed").await.expect_err("the backup is not encrypted");
    assert_eq!(error.kind(), ErrorKind::Encryption);
    assert!(error.to_string().contains("must be encrypted as a whole"), "{error}");
    assert_eq!(encrypted.files().await, [""; 0]);
    // An encrypted archive may be copied to any profile, without a key.
    let _ = koan.backup("sealed").to_profile("sealed").await.expect("a backup");
    let report = koan.copy("sealed").from_profile("sealed").to_profile("source").await.expect("copied");
    assert!(report.verification.expect("read back").is_valid());
    assert!(report.warnings.iter().any(|warning| warning.contains("no key")), "{:?}", report.warnings);
}

#[tokio::test]
async fn a_copy_requires_two_different_existing_profiles() {
    let profiles = two_profiles().await;
    backup(&profiles.koan, "nightly").await.expect("a backup");
    for (copy, expected_text) in [
        (profiles.koan.copy("nightly"), "has no target profile"),
        (profiles.koan.copy("nightly").to_profile("source"), "already"),
        (profiles.koan.copy("nightly").to_profile("mars"), "`mars`"),
        (profiles.koan.copy("nightly").from_profile("mars").to_profile("dr"), "`mars`"),
    ] {
        let error = copy.await.expect_err("the profiles of the copy are invalid");
        assert!(error.to_string().contains(expected_text) && error.to_string().contains("`dr`"), "{error}");
    }
    assert_eq!(
        profiles.koan.copy("weekly").to_profile("dr").await.expect_err("no backup has this name").kind(),
        ErrorKind::NotFound
    );
}
