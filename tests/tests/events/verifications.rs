//! Tests that a verification is recorded and announced.

use koan_backup::prelude::*;
use koan_backup_tests::archive_surgery::Vault;
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};
use koan_backup_tests::scripted::Script;

use super::shop::{Ends, User, builder};

/// Returns the sidecar files of verifications.
async fn records(vault: &Vault) -> Vec<String> {
    let files = vault.files().await.into_iter();
    files.filter(|file| file.starts_with("verifications/") || file.starts_with("damage/")).collect()
}

#[tokio::test]
async fn a_verification_of_the_whole_backup_is_recorded_and_a_part_is_not() {
    let (vault, ends) = (Vault::default(), Ends::default());
    let koan = builder(vault.storage(), Script::default()).observe(ends.listener()).build().await;
    let koan = koan.expect("a context");
    let id = koan.backup("nightly").await.expect("a backup").id();
    ends.take();
    assert!(koan.verify(id).sample(1).await.expect("verified").is_valid());
    assert!(koan.verify(id).sample_percent(10).await.expect("verified").is_valid());
    assert!(koan.verify(id).entity::<User>().await.expect("verified").is_valid());
    assert_eq!(records(&vault).await, Vec::<String>::new());
    assert_eq!(ends.take(), ["verification nightly of nightly: valid, part"; 3]);
    let report = koan.verify(id).await.expect("verified");
    assert!(report.is_valid() && report.notes.is_empty(), "{report:?}");
    assert_eq!(records(&vault).await, [format!("verifications/{id}.json")]);
    assert_eq!(ends.take(), ["verification nightly of nightly: valid, whole"]);
    let verified = koan.catalog().verifications().await.expect("read");
    assert!(
        verified.contains_key(&("local".to_owned(), id)),
        "the catalog knows the verification: {verified:?}"
    );
}

#[tokio::test]
async fn damage_is_recorded_until_the_backup_is_valid_again() {
    let (vault, ends) = (Vault::default(), Ends::default());
    let koan = builder(vault.storage(), Script::default()).observe(ends.listener()).build().await;
    let koan = koan.expect("a context");
    let id = koan.backup("nightly").await.expect("a backup").id();
    ends.take();
    let stored = vault.stored(id).await;
    let mut damaged = stored.archive.clone();
    damaged[60] ^= 1;
    for archive in [&damaged[..], &damaged[..100]] {
        vault.write(&stored.archive_path, archive).await;
        assert!(!koan.verify(id).await.expect("verified").is_valid());
        assert_eq!(records(&vault).await, [format!("damage/{id}.json"), format!("verifications/{id}.json")]);
        assert_eq!(ends.take(), ["verification nightly of nightly: damaged, whole"]);
    }
    vault.write_backup(&stored).await;
    assert!(koan.verify(id).await.expect("verified").is_valid());
    assert_eq!(records(&vault).await, [format!("verifications/{id}.json")]);
    assert_eq!(ends.take(), ["verification nightly of nightly: valid, whole"]);
}

#[tokio::test]
async fn a_storage_that_refuses_the_record_is_a_note_and_no_failure() {
    let (vault, ends) = (Vault::default(), Ends::default());
    let store = FaultyStore::over(vault.store());
    let koan = builder(store.storage(), Script::default()).observe(ends.listener()).build().await;
    let koan = koan.expect("a context");
    let id = koan.backup("nightly").await.expect("a backup").id();
    ends.take();
    store.fail([Fault::always(Operation::Put, "", Failure::Forbidden)]);
    let report = koan.verify(id).await.expect("verified").require_valid().expect("the backup is valid");
    let [note] = report.notes.as_slice() else { panic!("one note: {:?}", report.notes) };
    assert!(note.contains("the verification is not recorded") && note.contains("403"), "{note}");
    assert_eq!(ends.take(), ["verification nightly of nightly: valid, whole"]);
    store.fail([Fault::always(Operation::Get, "archives/", Failure::Forbidden)]);
    let _ = koan.verify(id).await.expect_err("the archive cannot be read");
    assert_eq!(ends.take(), ["verification nightly of nightly: unknown, whole"]);
    assert_eq!(records(&vault).await, Vec::<String>::new());
}

#[tokio::test]
async fn the_backup_of_another_application_is_verified_and_not_recorded() {
    let vault = Vault::default();
    let koan = builder(vault.storage(), Script::default()).build().await.expect("a context");
    let id = koan.backup("nightly").await.expect("a backup").id();
    let other = builder(vault.storage(), Script::default()).application("billing").build().await;
    let report = other.expect("a context").verify(id).await.expect("verified");
    assert!(report.is_valid());
    assert!(
        report.notes.iter().any(|note| note.contains("another application made the backup")),
        "{report:?}"
    );
    assert_eq!(records(&vault).await, Vec::<String>::new());
}

#[tokio::test]
async fn the_verification_after_a_backup_is_announced_before_the_end_of_the_backup() {
    let ends = Ends::default();
    let koan = builder(Storage::memory(), Script::default()).observe(ends.listener()).build().await;
    let koan = koan.expect("a context");
    let _ = koan.backup("nightly").verify_after().await.expect("a backup");
    assert_eq!(
        ends.take(),
        ["verification nightly of nightly: valid, whole", "backup nightly of nightly: Completed, published"]
    );
}
