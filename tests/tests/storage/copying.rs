//! A backup is copied into another profile completely or not at all.

use koan_backup::prelude::*;
use koan_backup::{CancellationToken, Recipients, archive::BackupStatus};
use koan_backup_tests::archive_surgery::Vault;
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};
use koan_backup_tests::scripted::{Script, Scripted};
use koan_backup_tests::wait;

use crate::fixture::{Customer, backup, customers, customers_of, koan, shop};

struct Two {
    koan: Koan,
    here: Vault,
    there: Vault,
    faulty_here: FaultyStore,
    faulty_there: FaultyStore,
}

async fn two() -> Two {
    let (here, there) = (Vault::default(), Vault::default());
    let (faulty_here, faulty_there) = (FaultyStore::over(here.store()), FaultyStore::over(there.store()));
    let koan = koan(shop(12 << 20), [("here", faulty_here.storage()), ("dr", faulty_there.storage())]).await;
    Two { koan, here, there, faulty_here, faulty_there }
}

#[tokio::test]
async fn a_copy_is_the_same_backup_in_another_profile() {
    let two = two().await;
    let made = backup(&two.koan, "nightly").await.expect("a backup");
    let report = two.koan.copy("nightly").to_profile("dr").await.expect("copied");
    assert_eq!((report.id, report.already_existed), (made.id, false));
    assert!(report.verification.expect("read back").is_valid());
    let copies = two.koan.backups_in(Some("dr")).await.expect("listed");
    assert_eq!(copies.len(), 1);
    let (from, to) =
        (made.archive.clone().expect("an archive"), copies[0].archive.clone().expect("an archive"));
    assert_eq!((&from.sha256, from.size_bytes), (&to.sha256, to.size_bytes));
    assert_eq!(two.here.read(&from.file).await, two.there.read(&to.file).await);
    assert!(two.faulty_there.call_count(Operation::Part, "archives/") >= 3, "it has several parts");
    two.koan.data::<Customer>().clear().await.expect("cleared");
    two.koan.restore("nightly").from_profile("dr").await.expect("restored");
    assert_eq!(customers_of(&two.koan).await, customers());
    // Copying it back does nothing, because the backup exists there.
    let back = two.koan.copy(made.id).from_profile("dr").to_profile("here").await.expect("it is there");
    assert!(back.already_existed && back.verification.is_none());
}

#[tokio::test]
async fn an_existing_copy_is_not_copied_again() {
    let two = two().await;
    backup(&two.koan, "nightly").await.expect("a backup");
    let first = two.koan.copy("nightly").to_profile("dr").await.expect("copied");
    let before = two.there.files().await;
    two.faulty_there.fail([]);
    let second = two.koan.copy("nightly").to_profile("dr").await.expect("it is there");
    assert!(second.already_existed);
    assert_eq!(second.archive, first.archive);
    assert_eq!(two.faulty_there.call_count(Operation::Begin, ""), 0);
    assert_eq!(two.there.files().await, before);
    // A manifest without its archive is not reported as an existing copy.
    two.there.remove(&first.archive.file).await;
    let error = two.koan.copy("nightly").to_profile("dr").await.expect_err("its archive is missing");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(
        error.to_string().contains("is missing") && error.to_string().contains("copy it again"),
        "{error}"
    );
    two.there.write(&first.archive.file, b"short").await;
    let error = two.koan.copy("nightly").to_profile("dr").await.expect_err("its archive is another");
    assert!(error.to_string().contains("another size"), "{error}");
}

#[tokio::test]
async fn another_backup_with_the_same_id_is_not_changed() {
    let two = two().await;
    let made = backup(&two.koan, "nightly").await.expect("a backup");
    two.koan.copy("nightly").to_profile("dr").await.expect("copied");
    let path = format!("manifests/{}.json", made.id);
    let text = String::from_utf8(two.here.read(&path).await).expect("text");
    two.here.write(&path, text.replacen("\"tags\": []", "\"tags\": [\"other\"]", 1).as_bytes()).await;
    let before = (two.there.files().await, two.there.read(&path).await);
    let error = two.koan.copy(made.id).to_profile("dr").await.expect_err("another content");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains(&made.id.to_string()), "{error}");
    assert_eq!((two.there.files().await, two.there.read(&path).await), before);
}

#[tokio::test]
async fn a_copy_that_fails_anywhere_leaves_nothing() {
    let two = two().await;
    backup(&two.koan, "nightly").await.expect("a backup");
    let archives = "archives/";
    for failure in [Failure::Lost, Failure::Forbidden] {
        for (fault_there, fault_here) in [
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
            two.faulty_there.fail(fault_there);
            two.faulty_here.fail(fault_here);
            let error = two.koan.copy("nightly").to_profile("dr").await.expect_err("the store failed");
            assert_eq!(error.kind(), ErrorKind::Storage, "{fault_there:?} {fault_here:?}: {}", error.chain());
            two.faulty_there.fail([]);
            two.faulty_here.fail([]);
            assert_eq!(two.there.files().await, [""; 0], "{fault_there:?} {fault_here:?}");
        }
    }
    two.koan.copy("nightly").to_profile("dr").await.expect("nothing is in the way");
}

#[tokio::test]
async fn a_damaged_archive_is_not_copied_and_a_copy_that_arrives_damaged_does_not_stay() {
    let two = two().await;
    let made = backup(&two.koan, "nightly").await.expect("a backup");
    // The archive arrives as zeros, which only the verification of the copy detects.
    two.faulty_there.fail([Fault::always(Operation::Get, "archives/", Failure::Zeros)]);
    let error = two.koan.copy("nightly").to_profile("dr").await.expect_err("it is damaged there");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("was not verified and was removed"), "{error}");
    two.faulty_there.fail([]);
    assert_eq!(two.there.files().await, [""; 0]);
    // The archive of the source is damaged.
    let file = made.archive.expect("an archive").file;
    let mut archive = two.here.read(&file).await;
    let middle = archive.len() / 2;
    archive[middle] ^= 1;
    two.here.write(&file, &archive).await;
    let error = two.koan.copy("nightly").to_profile("dr").await.expect_err("it is damaged here");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains(&file), "{error}");
    assert_eq!(two.faulty_there.call_count(Operation::Complete, "archives/"), 0, "it was completed there");
    assert_eq!(two.there.files().await, [""; 0]);
}

#[tokio::test]
async fn a_cancelled_copy_leaves_nothing_and_waits_for_nothing() {
    let two = two().await;
    backup(&two.koan, "nightly").await.expect("a backup");
    for (operation, path) in
        [(Operation::Begin, "archives/"), (Operation::Part, "archives/"), (Operation::Get, "archives/")]
    {
        two.faulty_there.fail([Fault::always(operation, path, Failure::Never)]);
        let token = CancellationToken::new();
        let copy = two.koan.copy("nightly").to_profile("dr").cancel_on(token.clone());
        let cancel = async {
            two.faulty_there.until_called(operation, path, 1).await;
            token.cancel();
        };
        let (ended, ()) = tokio::join!(copy.into_future(), cancel);
        assert_eq!(ended.expect_err("cancelled").kind(), ErrorKind::Cancelled, "{operation:?}");
        two.faulty_there.fail([]);
        assert_eq!(two.there.files().await, [""; 0], "{operation:?}");
    }
}

#[tokio::test]
async fn a_copy_that_is_dropped_while_it_is_verified_does_not_stay() {
    let two = two().await;
    backup(&two.koan, "nightly").await.expect("a backup");
    two.faulty_there.fail([Fault::always(Operation::Get, "archives/", Failure::Never)]);
    let read_back = two.faulty_there.until_called(Operation::Get, "archives/", 1);
    wait::dropped_at(read_back, two.koan.copy("nightly").to_profile("dr")).await;
    wait::until("nothing of the copy is left", async || two.there.files().await.is_empty()).await;
}

#[tokio::test]
async fn a_lost_response_does_not_create_a_second_copy() {
    let two = two().await;
    let made = backup(&two.koan, "nightly").await.expect("a backup");
    two.faulty_there.fail([Fault::once(Operation::Put, "manifests/", Failure::AnswerLost)]);
    let report = two.koan.copy("nightly").to_profile("dr").await.expect("it is there, whole");
    assert!(!report.already_existed);
    assert_eq!(two.there.files().await.len(), 2);
    assert!(two.koan.verify(made.id).from_profile("dr").await.expect("a report").is_valid());
}

#[tokio::test]
async fn a_failed_backup_is_not_copied_and_the_error_contains_the_reason() {
    let dying = Script { disconnects_at: Some(("Customer".to_owned(), 0)), ..Script::default() };
    let database = Scripted::new(dying);
    database.put(&koan_backup::SetName::root(), &customers()[0]);
    let koan =
        koan(database, [("here", Vault::default().storage()), ("dr", Vault::default().storage())]).await;
    backup(&koan, "nightly").await.expect_err("the database died");
    let failed = koan.backups().await.expect("listed").remove(0);
    assert_eq!(failed.status, BackupStatus::Failed);
    let error = koan.copy(failed.id).to_profile("dr").await.expect_err("it has no archive");
    assert!(error.to_string().contains("no archive to copy"), "{error}");
    assert!(error.to_string().contains(failed.error.as_deref().expect("a reason")), "{error}");
    let error = koan.copy("nightly").to_profile("dr").await.expect_err("none was completed");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("failed"), "{error}");
}

#[tokio::test]
async fn an_unencrypted_backup_is_not_copied_into_a_profile_that_requires_encryption() {
    let key = age::x25519::Identity::generate().to_public().to_string();
    let (here, sealed) = (Vault::default(), Vault::default());
    let koan = Koan::builder()
        .provider("main", shop(0))
        .storage("here", here.storage())
        .storage("sealed", sealed.storage().archive_encryption(ArchiveEncryption::Always))
        .encrypt_to(Recipients::keys([key]).expect("a public key"))
        .build()
        .await
        .expect("a context");
    backup(&koan, "clear").await.expect("a backup");
    let error = koan.copy("clear").to_profile("sealed").await.expect_err("it is not encrypted");
    assert_eq!(error.kind(), ErrorKind::Encryption);
    assert!(error.to_string().contains("must be encrypted as a whole"), "{error}");
    assert_eq!(sealed.files().await, [""; 0]);
    // An encrypted archive may be copied to any profile, without a key.
    koan.backup("sealed").to_profile("sealed").await.expect("a backup");
    let report = koan.copy("sealed").from_profile("sealed").to_profile("here").await.expect("copied");
    assert!(report.verification.expect("read back").is_valid());
    assert!(report.warnings.iter().any(|warning| warning.contains("no key")), "{:?}", report.warnings);
}

#[tokio::test]
async fn a_copy_needs_two_profiles_that_exist() {
    let two = two().await;
    backup(&two.koan, "nightly").await.expect("a backup");
    for (copy, told) in [
        (two.koan.copy("nightly"), "name the target"),
        (two.koan.copy("nightly").to_profile("here"), "already"),
        (two.koan.copy("nightly").to_profile("mars"), "`mars`"),
        (two.koan.copy("nightly").from_profile("mars").to_profile("dr"), "`mars`"),
    ] {
        let error = copy.await.expect_err("no place");
        assert!(error.to_string().contains(told) && error.to_string().contains("`dr`"), "{error}");
    }
    assert_eq!(two.koan.copy("weekly").to_profile("dr").await.expect_err("none").kind(), ErrorKind::NotFound);
}
