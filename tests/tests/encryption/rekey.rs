//! Tests rekeying: the encryption of existing backups for other recipients.

use koan_backup::prelude::*;
use koan_backup::{
    ArchiveEncryption, BackupId, CancellationToken,
    archive::{BackupStatus, EncryptionScope},
    report::RekeyReport,
};
use koan_backup_tests::archive_surgery::Vault;
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};
use object_store::ObjectStoreExt;
use object_store::path::Path;

use crate::clinic::{Clinic, KeyPair, files, recipients};

/// Builds a context that encrypts for `new` and has the private key of `old`.
async fn rekeying_koan(clinic: &Clinic, old: &KeyPair, new: &KeyPair) -> Koan {
    let builder = clinic.builder().encrypt_to(recipients([new])).keys(Keys::text(&old.private));
    builder.build().await.expect("a context")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_rekey_only_the_new_key_decrypts_the_backup() {
    let (old, new) = (KeyPair::new(), KeyPair::new());
    let clinic = Clinic::with_patients(20_000);
    let before = clinic.dump();
    let backup =
        clinic.koan_without_keys(recipients([&old])).await.backup("nightly").await.expect("a backup");
    let first = clinic.archive();
    let koan = rekeying_koan(&clinic, &old, &new).await;
    let report = koan.rekey("nightly").await.expect("rekeyed");
    assert_eq!(report.id, backup.id());
    assert_eq!(report.previous_key_ids, backup.manifest().encryption.as_ref().expect("encrypted").key_ids);
    assert_eq!(report.key_ids, recipients([&new]).key_ids());
    assert_eq!((report.scope, report.entries.len()), (Some(EncryptionScope::Entities), 1));
    let report = report.require_replaced().expect("the old archive was removed");
    assert!(
        report.warnings.len() == 1 && report.warnings[0].contains("was not decrypted again"),
        "{:?}",
        report.warnings
    );
    // The old archive stays valid until the manifest of the new archive is published.
    assert!(clinic.archive() != first, "the new archive has the path of the old archive");

    let error = koan.restore("nightly").await.expect_err("the old key does not decrypt the new archive");
    assert_eq!(error.kind(), ErrorKind::Encryption);
    clinic.sql("DELETE FROM patients");
    let koan = clinic.koan_with_keys([&new]).await;
    let verified = koan.verify("nightly").await.expect("verified");
    assert!(verified.is_valid() && verified.notes.is_empty(), "{verified:?}");
    let _ = koan.restore(backup.id()).await.expect("restored");
    assert!(clinic.dump() == before, "rows differ");
    let manifest = &koan.backups().await.expect("listed")[0];
    assert_eq!(manifest.status, BackupStatus::Completed);
    let wards = |manifest: &koan_backup::archive::Manifest| {
        manifest.entities.iter().find(|entity| entity.entity == "Ward").cloned()
    };
    assert_eq!(wards(manifest), wards(backup.manifest()), "an unencrypted entity was changed");
}

#[tokio::test]
async fn a_rekey_without_the_old_key_changes_nothing() {
    let (old, new, other) = (KeyPair::new(), KeyPair::new(), KeyPair::new());
    let clinic = Clinic::with_patients(5);
    let _ = clinic.koan_without_keys(recipients([&old])).await.backup("nightly").await.expect("a backup");
    let manifest = std::fs::read(&files(&clinic.backups().join("manifests"))[0]).expect("a manifest");
    let archive = std::fs::read(clinic.archive()).expect("an archive");
    let koan = rekeying_koan(&clinic, &other, &new).await;
    let error = koan.rekey("nightly").await.expect_err("the key is missing");
    assert_eq!(error.kind(), ErrorKind::Encryption);
    assert_eq!(std::fs::read(&files(&clinic.backups().join("manifests"))[0]).expect("a manifest"), manifest);
    assert_eq!(std::fs::read(clinic.archive()).expect("an archive"), archive);
}

/// Builds a context with this storage that encrypts for `to` and has the private key of `keys`.
async fn koan_with(clinic: &Clinic, storage: Storage, to: &KeyPair, keys: &KeyPair) -> Koan {
    let database = Sqlite::open(clinic.database()).expect("opened");
    let builder = Koan::builder().provider(database).named_storage("vault", storage);
    builder.encrypt_to(recipients([to])).keys(Keys::text(&keys.private)).build().await.expect("a context")
}

/// Returns the number of archives in a store, with or without a manifest.
async fn archives(vault: &Vault) -> usize {
    vault.files().await.into_iter().filter(|file| file.starts_with("archives/")).count()
}

/// Rekeys a backup in a store in which the replacement of a manifest fails with this failure. Returns the
/// result of the rekey, and whether the new key decrypts the backup.
async fn rekeyed_in_a_store_that_fails(failure: Option<Failure>) -> (Result<RekeyReport, Error>, bool) {
    let (old, new) = (KeyPair::new(), KeyPair::new());
    let (clinic, vault) = (Clinic::with_patients(5), Vault::default());
    let store = FaultyStore::over(vault.store());
    let context = async |to: &KeyPair, keys: &KeyPair| koan_with(&clinic, store.storage(), to, keys).await;
    let id = context(&old, &old).await.backup("nightly").await.expect("a backup").id();
    store.fail(failure.map(|failure| Fault::always(Operation::Put, "manifests/", failure)));
    let result = context(&new, &old).await.rekey(id).await;
    store.fail([]);
    // The archive of the current manifest is valid, and exactly one of the keys decrypts it.
    let mut decrypting_keys = 0;
    for key in [&old, &new] {
        let report = context(&new, key).await.verify(id).await.expect("verified");
        assert!(report.is_valid(), "{:?}", report.issues());
        decrypting_keys += usize::from(report.undecrypted.is_empty());
    }
    assert_eq!(decrypting_keys, 1);
    let is_new = context(&new, &new).await.verify(id).await.expect("verified").undecrypted.is_empty();
    assert_eq!(archives(&vault).await, 1, "an archive without a manifest was left");
    (result, is_new)
}

#[tokio::test]
async fn a_store_that_fails_while_the_manifest_is_replaced_loses_neither_archive() {
    let (result, is_new) = rekeyed_in_a_store_that_fails(None).await;
    assert!(result.is_ok() && is_new, "{result:?}");
    for failure in [Failure::Lost, Failure::Broken, Failure::Forbidden] {
        let (result, is_new) = rekeyed_in_a_store_that_fails(Some(failure)).await;
        assert_eq!(
            result.expect_err("the manifest was not written").kind(),
            ErrorKind::Storage,
            "{failure:?}"
        );
        assert!(!is_new, "{failure:?}");
    }
    let (result, is_new) = rekeyed_in_a_store_that_fails(Some(Failure::ResponseLost)).await;
    assert!(result.is_ok() && is_new, "{result:?}");
}

/// Returns the files in a store except the leases.
async fn stored(vault: &Vault) -> Vec<String> {
    vault.files().await.into_iter().filter(|file| !file.starts_with("leases/")).collect()
}

#[tokio::test]
async fn of_two_concurrent_rekeys_exactly_one_succeeds_and_the_other_is_refused() {
    let (old, new) = (KeyPair::new(), KeyPair::new());
    let (clinic, vault) = (Clinic::with_patients(5), Vault::default());
    let id =
        koan_with(&clinic, vault.storage(), &old, &old).await.backup("nightly").await.expect("a backup").id();
    let koan = koan_with(&clinic, vault.storage(), &new, &old).await;
    let (first, second) = tokio::join!(koan.rekey(id).into_future(), koan.rekey(id).into_future());
    let (rekeyed, error) = match (first, second) {
        (Ok(rekeyed), Err(error)) | (Err(error), Ok(rekeyed)) => (rekeyed, error),
        both => panic!("not exactly one of the two rekeys succeeded: {both:?}"),
    };
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().contains(&format!("rewriting backup {id} for other recipients")), "{error}");
    let _ = rekeyed.require_replaced().expect("the old archive was removed");
    assert_eq!(archives(&vault).await, 1, "an archive without a manifest was left");
}

#[tokio::test]
async fn a_rekey_does_not_remove_an_archive_that_is_being_restored_and_reports_the_archive() {
    let (old, new) = (KeyPair::new(), KeyPair::new());
    let (clinic, vault) = (Clinic::with_patients(5), Vault::default());
    let store = FaultyStore::over(vault.store());
    let id =
        koan_with(&clinic, vault.storage(), &old, &old).await.backup("nightly").await.expect("a backup").id();
    let koan = koan_with(&clinic, vault.storage(), &new, &old).await;
    // When the restore waits for the archive, it has written its lease.
    store.fail([Fault::always(Operation::Head, "archives/", Failure::Never)]);
    let restoring = koan_with(&clinic, store.storage(), &old, &old).await;
    let rekeying = async {
        store.until_called(Operation::Head, "archives/", 1).await;
        koan.rekey(id).await
    };
    let report = tokio::select! {
        report = rekeying => report.expect("rekeyed"),
        restored = restoring.restore(id).into_future() => {
            panic!("the restore did not wait for the store: {restored:?}")
        }
    };
    assert_eq!(archives(&vault).await, 2);
    assert!(
        report.warnings.iter().any(|warning| warning.contains(&format!("restoring backup {id}"))),
        "{report:?}"
    );
    report.require_replaced().expect_err("the old archive still exists");
}

#[tokio::test]
async fn of_two_concurrent_rekeys_without_a_common_lease_the_slower_rekey_fails_with_a_conflict() {
    let (old, new, other) = (KeyPair::new(), KeyPair::new(), KeyPair::new());
    let (clinic, vault) = (Clinic::with_patients(5), Vault::default());
    let store = FaultyStore::over(vault.store());
    let id =
        koan_with(&clinic, vault.storage(), &old, &old).await.backup("nightly").await.expect("a backup").id();
    // When the slow rekey waits for the store, it has read the whole old archive. The lease is hidden from
    // the quick rekey, which therefore runs at the same time.
    store.fail([Fault::always(Operation::Complete, "archives/", Failure::Held)]);
    let slow = koan_with(&clinic, store.storage(), &other, &old).await;
    let quick = koan_with(&clinic, vault.storage(), &new, &old).await;
    let overtaking = async {
        store.until_called(Operation::Complete, "archives/", 1).await;
        let lease = Path::from(format!("leases/rekey/{id}/0000000001.json"));
        let kept = vault.store().get(&lease).await.expect("a lease").bytes().await.expect("readable");
        vault.store().delete(&lease).await.expect("removed");
        let first = quick.rekey(id).await;
        vault.store().put(&lease, kept.into()).await.expect("written");
        store.fail([]);
        first
    };
    let (overtaken, first) = tokio::join!(slow.rekey(id).into_future(), overtaking);
    let _ = first.expect("rekeyed").require_replaced().expect("the old archive was removed");
    assert_eq!(overtaken.expect_err("the quick rekey replaced the manifest").kind(), ErrorKind::Conflict);
    let report = koan_with(&clinic, vault.storage(), &new, &new).await.verify(id).await.expect("verified");
    assert!(report.is_valid() && report.undecrypted.is_empty(), "{report:?}");
    assert_eq!(archives(&vault).await, 1, "an archive without a manifest was left");
}

#[tokio::test]
async fn a_damaged_backup_is_not_rekeyed() {
    let (old, new) = (KeyPair::new(), KeyPair::new());
    let clinic = Clinic::with_patients(5);
    let _ = clinic.koan_without_keys(recipients([&old])).await.backup("nightly").await.expect("a backup");
    let path = clinic.archive();
    let mut archive = std::fs::read(&path).expect("an archive");
    // This flips a bit of the modification time in the header of the first entry, which no ZIP tool checks.
    archive[10] ^= 1;
    std::fs::write(&path, &archive).expect("written");
    let koan = rekeying_koan(&clinic, &old, &new).await;
    koan.rekey("nightly").await.expect_err("a bit of the archive was flipped");
    assert_eq!(clinic.archive(), path);
    assert_eq!(std::fs::read(&path).expect("an archive"), archive);
}

#[tokio::test]
async fn all_backups_of_a_profile_are_rekeyed_and_failures_are_reported() {
    let (old, new, lost) = (KeyPair::new(), KeyPair::new(), KeyPair::new());
    let clinic = Clinic::with_patients(5);
    let writing = clinic.koan_without_keys(recipients([&old])).await;
    let first = writing.backup("one").await.expect("a backup").id();
    let second = writing.backup("two").await.expect("a backup").id();
    let unencrypted = writing.backup("clear").entities(["Ward"]).await.expect("a backup").id();
    let without_key =
        clinic.koan_without_keys(recipients([&lost])).await.backup("lost").await.expect("a backup").id();
    let summary = rekeying_koan(&clinic, &old, &new).await.rekey_all().await.expect("listed");
    let mut rekeyed: Vec<_> = summary.rekeyed.iter().map(|report| report.id).collect();
    rekeyed.sort();
    assert_eq!(rekeyed, [first, second]);
    assert_eq!(summary.unchanged, [unencrypted]);
    assert_eq!(summary.failed.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [without_key]);
    let error = summary.require_all().expect_err("one rekey failed");
    assert!(error.chain().contains(&without_key.to_string()), "{error:?}");
    let koan = clinic.koan_with_keys([&new]).await;
    for id in [first, second] {
        let report = koan.verify(id).await.expect("verified");
        assert!(report.is_valid() && report.notes.is_empty(), "{report:?}");
    }
}

/// Removes the environment from the manifests of these backups, because older versions did not record it.
fn rewrite_as_older_version(clinic: &Clinic, ids: &[BackupId]) {
    for id in ids {
        let path = clinic.backups().join(format!("manifests/{id}.json"));
        let mut manifest: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).expect("a manifest")).expect("JSON");
        manifest["producer"]
            .as_object_mut()
            .expect("an object")
            .remove("environment")
            .expect("the environment is recorded");
        std::fs::write(&path, manifest.to_string()).expect("written");
    }
}

#[tokio::test]
async fn require_all_fails_for_encrypted_backups_without_an_environment_unless_they_are_accepted() {
    let (old, new) = (KeyPair::new(), KeyPair::new());
    let clinic = Clinic::with_patients(5);
    let writing = clinic.koan_without_keys(recipients([&old])).await;
    let encrypted = writing.backup("one").await.expect("a backup").id();
    let unencrypted = writing.backup("clear").entities(["Ward"]).await.expect("a backup").id();
    rewrite_as_older_version(&clinic, &[unencrypted]);
    let koan = rekeying_koan(&clinic, &old, &new).await;
    let summary = koan.rekey_all().await.expect("listed");
    assert_eq!((summary.unidentified.as_slice(), summary.rekeyed.len()), (&[unencrypted][..], 1));
    let _ = summary.require_all().expect("an unencrypted backup needs no rekey");

    let storage = Storage::local(clinic.backups()).expect("a folder");
    let storage = storage.archive_encryption(ArchiveEncryption::Always);
    let encrypting = koan_with(&clinic, storage, &old, &old).await;
    let whole = encrypting.backup("encrypted-as-a-whole").entities(["Ward"]).await.expect("a backup").id();
    rewrite_as_older_version(&clinic, &[encrypted, whole]);
    let mut summary = koan.rekey_all().await.expect("listed");
    summary.unidentified_encrypted.sort();
    assert_eq!(summary.unidentified.len(), 3);
    assert_eq!(summary.unidentified_encrypted, [encrypted, whole]);
    let error = summary.require_all().expect_err("the old key still decrypts two backups");
    let text = error.to_string();
    assert!(text.contains(&encrypted.to_string()) && text.contains(&whole.to_string()), "{text}");
    assert!(!text.contains(&unencrypted.to_string()), "{text}");
    assert!(text.contains(".include_unidentified()") && text.contains(".accept_unidentified()"), "{text}");
    let summary = koan.rekey_all().await.expect("listed").accept_unidentified();
    let summary = summary.require_all().expect("accepted");
    assert_eq!(summary.unidentified.len(), 3, "accepted backups are still listed as unidentified");
}

#[tokio::test]
async fn the_rekey_of_an_unencrypted_backup_changes_nothing_and_reports_no_key() {
    let (old, new) = (KeyPair::new(), KeyPair::new());
    let clinic = Clinic::with_patients(5);
    let backup = clinic.koan_without_keys(recipients([&old])).await.backup("wards").entities(["Ward"]).await;
    let _ = backup.expect("a backup");
    let archive = std::fs::read(clinic.archive()).expect("an archive");
    let report = rekeying_koan(&clinic, &old, &new).await.rekey("wards").await.expect("rekeyed");
    assert_eq!((report.scope, report.key_ids, report.entries), (None, vec![], vec![]));
    assert_eq!(std::fs::read(clinic.archive()).expect("an archive"), archive);
}

#[tokio::test]
async fn an_old_archive_that_cannot_be_removed_causes_a_warning_and_fails_the_require_methods() {
    let (old, new) = (KeyPair::new(), KeyPair::new());
    let (clinic, vault) = (Clinic::with_patients(5), Vault::default());
    let store = FaultyStore::over(vault.store());
    let koan = koan_with(&clinic, store.storage(), &old, &old).await;
    let ids =
        [koan.backup("one").await.expect("a backup").id(), koan.backup("two").await.expect("a backup").id()];
    let koan = koan_with(&clinic, store.storage(), &new, &old).await;
    store.fail([Fault::always(Operation::Delete, "archives/", Failure::Forbidden)]);
    let report = koan.rekey(ids[0]).await.expect("rekeyed");
    let left = report.old_archive.clone().expect("the old archive still exists");
    assert!(report.warnings.iter().any(|warning| warning.contains(&left)), "{:?}", report.warnings);
    let error = report.require_replaced().expect_err("the old keys decrypt the old archive");
    assert!(error.chain().contains(&left), "{error:?}");
    let summary = koan_with(&clinic, store.storage(), &new, &old).await.rekey_all().await.expect("listed");
    // No private key of this context decrypts the first backup any longer.
    assert_eq!((summary.rekeyed.len(), summary.failed.len()), (1, 1));
    store.fail([]);
    let summary = koan_with(&clinic, store.storage(), &old, &new).await.rekey_all().await.expect("listed");
    assert_eq!((summary.rekeyed.len(), summary.failed.len()), (2, 0));
    store.fail([Fault::once(Operation::Delete, "archives/", Failure::Forbidden)]);
    let summary = koan_with(&clinic, store.storage(), &new, &old).await.rekey_all().await.expect("listed");
    assert_eq!((summary.rekeyed.len(), summary.failed.len()), (2, 0));
    summary.require_all().expect_err("the old keys decrypt one of the old archives");
}

/// Cancels a rekey when the store has received more than `after` requests of this operation for archives. The
/// store does not respond to the last of them, so only the cancellation ends the rekey.
async fn cancelled_at(token: &CancellationToken, store: &FaultyStore, operation: Operation, after: usize) {
    store.until_called(operation, "archives/", after + 1).await;
    token.cancel();
    std::future::pending().await
}

#[tokio::test]
async fn a_cancelled_rekey_leaves_the_backup_unchanged_and_no_second_archive() {
    let (old, new) = (KeyPair::new(), KeyPair::new());
    let (clinic, vault) = (Clinic::with_patients(5), Vault::default());
    let store = FaultyStore::over(vault.store());
    let id =
        koan_with(&clinic, store.storage(), &old, &old).await.backup("nightly").await.expect("a backup").id();
    let before = stored(&vault).await;
    let cancelled = async |operation, after| {
        store.fail([Fault::always(operation, "archives/", Failure::Never).after(after)]);
        let token = CancellationToken::new();
        let koan = koan_with(&clinic, store.storage(), &new, &old).await;
        tokio::select! {
            result = koan.rekey(id).cancel_on(token.clone()).into_future() => return result,
            () = cancelled_at(&token, &store, operation, after) => {}
        }
        unreachable!("`cancelled_at` never returns");
    };
    let error = cancelled(Operation::Part, 0).await.expect_err("cancelled during a write");
    assert_eq!((error.kind(), stored(&vault).await), (ErrorKind::Cancelled, before.clone()));
    // Cancels at each read, first of the old archive and then of the new one.
    let mut reads = 0;
    while let Err(error) = cancelled(Operation::Get, reads).await {
        assert_eq!(
            (error.kind(), stored(&vault).await),
            (ErrorKind::Cancelled, before.clone()),
            "read {reads}"
        );
        reads += 1;
    }
    println!("reads during which the rekey was cancelled: {reads}");
    assert!(reads > 10, "the rekey was cancelled only during {reads} reads");
    store.fail([]);
    let report = koan_with(&clinic, store.storage(), &new, &old).await.verify(id).await.expect("verified");
    assert!(report.is_valid(), "{report:?}");
}

#[tokio::test]
async fn a_cancelled_rekey_of_all_backups_reports_the_remaining_backups() {
    let (old, new) = (KeyPair::new(), KeyPair::new());
    let (clinic, vault) = (Clinic::with_patients(5), Vault::default());
    let store = FaultyStore::over(vault.store());
    let koan = koan_with(&clinic, store.storage(), &old, &old).await;
    for name in ["one", "two", "three"] {
        let _ = koan.backup(name).await.expect("a backup");
    }
    let token = CancellationToken::new();
    store.fail([Fault::always(Operation::Part, "archives/", Failure::Never).after(1)]);
    let koan = koan_with(&clinic, store.storage(), &new, &old).await;
    let cancelling = cancelled_at(&token, &store, Operation::Part, 1);
    let summary = tokio::select! {
        summary = koan.rekey_all().cancel_on(token.clone()).into_future() => summary.expect("listed"),
        () = cancelling => unreachable!("`cancelled_at` never returns"),
    };
    assert_eq!((summary.rekeyed.len(), summary.cancelled.len(), summary.failed.len()), (1, 2, 0));
    let error = summary.require_all().expect_err("two backups were not rekeyed");
    assert!(error.kind() == ErrorKind::Cancelled && error.chain().contains('2'), "{error:?}");
}
