//! Tests backups that are verified after publication, by reading them back from storage.

use std::future::IntoFuture as _;
use std::sync::{Arc, Mutex};

use age::secrecy::ExposeSecret as _;
use koan_backup::prelude::*;
use koan_backup::{
    ArchiveEncryption, BackupId, CancellationToken, ErrorKind, Event, Keys, Recipients, archive::BackupStatus,
};
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};
use object_store::memory::InMemory;
use object_store::{ObjectStore as _, ObjectStoreExt as _};

use super::fixture::builder;

/// Creates a context with a store into which faults can be injected. Returns both.
async fn faulty(folder: &std::path::Path) -> (Koan, FaultyStore) {
    let store = FaultyStore::over(Arc::new(InMemory::new()));
    let koan = builder(folder).named_storage("faulty", store.storage()).build().await.expect("a context");
    (koan, store)
}

#[tokio::test]
async fn a_backup_that_is_intact_when_it_is_read_back_is_verified_in_the_report_and_the_catalog() {
    let folder = tempfile::tempdir().expect("a folder");
    let (koan, store) = faulty(folder.path()).await;
    let unverified = koan.backup("nightly").await.expect("a backup");
    assert_eq!(unverified.verified_at(), None);
    assert!(unverified.verification().is_none());
    store.fail([]);
    let report = koan.backup("nightly").verify_after().await.expect("a backup");
    assert!(store.call_count(Operation::Get, "archives/") > 0, "the archive was not read back");
    let verification = report.verification().expect("verified");
    assert_eq!(verification.entities.iter().map(|entity| entity.records_checked).sum::<u64>(), 3);
    let verifications = koan.catalog().verifications().await.expect("listed");
    let verified: Vec<_> = verifications.into_iter().collect();
    assert_eq!(verified, [(("faulty".to_owned(), report.id()), report.verified_at().expect("verified"))]);
}

#[tokio::test]
async fn a_backup_that_is_damaged_when_it_is_read_back_fails_and_is_listed_as_failed() {
    for (operation, path, failure) in [
        (Operation::Get, "archives/", Failure::Zeros),
        (Operation::Get, "archives/", Failure::Missing),
        (Operation::Get, "archives/", Failure::Short(10)),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let (koan, store) = faulty(folder.path()).await;
        let intact = koan.backup("nightly").await.expect("a backup");
        store.fail([Fault::always(operation, path, failure)]);
        let statuses = Arc::new(Mutex::new(Vec::new()));
        let emitted = Arc::clone(&statuses);
        let listen = move |event: &Event| {
            if let Event::BackupFinished { status, .. } = event {
                emitted.lock().expect("not poisoned").push(*status);
            }
        };
        let error = koan.backup("nightly").verify_after().on_event(listen).await.expect_err("damaged");
        store.fail([]);
        assert_eq!(*statuses.lock().expect("not poisoned"), [BackupStatus::Failed], "{failure:?}");
        let backups = koan.backups().await.expect("listed");
        assert_eq!(backups.len(), 2, "{failure:?}");
        let newest = &backups[0];
        assert!(error.chain().contains(&newest.id.to_string()), "{failure:?}: {error:?}");
        if error.kind() == ErrorKind::Storage {
            // A failed read does not show whether the backup is damaged, so the error does not report damage.
            assert!(error.chain().contains("not known whether it is valid"), "{error:?}");
            assert_eq!(newest.status, BackupStatus::Completed);
            continue;
        }
        assert!(error.chain().contains("is damaged"), "{failure:?}: {error:?}");
        assert_eq!(newest.status, BackupStatus::Failed, "{failure:?}");
        let entry = koan.catalog().get(newest.id).await.expect("listed");
        assert!(entry.damage().is_some() && !entry.is_healthy(), "{failure:?}");
        let restored = koan.restore("nightly").await.expect("restored");
        assert_eq!(restored.id, intact.id(), "a restore by name uses the backup that is not damaged");
        assert!(koan.catalog().verifications().await.expect("listed").is_empty());
    }
}

/// Creates a backup, and alters its manifest after the publication and before the manifest is read back.
/// Returns the context, the error of the backup, the id of the backup, and the manifest that is stored
/// afterwards.
async fn read_back_with(alter: impl FnOnce(Vec<u8>) -> Vec<u8>) -> (Koan, Error, BackupId, Vec<u8>) {
    let folder = tempfile::tempdir().expect("a folder");
    let inner = Arc::new(InMemory::new());
    let store = FaultyStore::over(Arc::clone(&inner) as _);
    let koan =
        builder(folder.path()).named_storage("faulty", store.storage()).build().await.expect("a context");
    store.fail([Fault::always(Operation::Get, "manifests/", Failure::Held)]);
    let backup = tokio::spawn(koan.backup("nightly").verify_after().into_future());
    store.until_called(Operation::Get, "manifests/", 1).await;
    let prefix = "manifests".into();
    let listed = inner.list_with_delimiter(Some(&prefix)).await.expect("listed");
    let path = listed.objects[0].location.clone();
    let written = inner.get(&path).await.expect("exists").bytes().await.expect("read");
    inner.put(&path, alter(written.to_vec()).into()).await.expect("written");
    store.resume();
    let error = backup.await.expect("no panic").expect_err("the manifest was altered");
    let stored = inner.get(&path).await.expect("exists").bytes().await.expect("read").to_vec();
    let id = path.filename().and_then(|name| name.strip_suffix(".json")).expect("an id");
    (koan, error, id.parse().expect("an id"), stored)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_whose_manifest_is_altered_when_it_is_read_back_is_marked_as_failed() {
    let alterations: [fn(&mut serde_json::Value); 3] = [
        |manifest| manifest["description"] = "altered".into(),
        |manifest| manifest["entities"][0]["itemCount"] = 77.into(),
        |manifest| manifest["archive"]["sizeBytes"] = 77.into(),
    ];
    for alter in alterations {
        let (koan, error, id, _) = read_back_with(|written| {
            let mut manifest = serde_json::from_slice(&written).expect("JSON");
            alter(&mut manifest);
            serde_json::to_vec(&manifest).expect("JSON")
        })
        .await;
        assert!(
            error.chain().contains("differs from what was written")
                && error.chain().contains("has the status failed"),
            "{error:?}"
        );
        let backups = koan.backups().await.expect("listed");
        assert_eq!((backups[0].id, backups[0].status), (id, BackupStatus::Failed));
        assert!(koan.catalog().get(id).await.expect("listed").damage().is_some());
        koan.restore("nightly").await.expect_err("a restore by name does not use the failed backup");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_cannot_be_parsed_is_not_changed_and_the_error_says_so() {
    for content in ["{", "", "{}"] {
        let (_, error, id, stored) = read_back_with(|_| content.into()).await;
        assert_eq!(stored, content.as_bytes(), "the manifest was replaced");
        let text = error.chain();
        assert!(text.contains("is damaged") && text.contains(&id.to_string()), "{error:?}");
        assert!(text.contains("cannot be parsed and was not changed"), "{content}: {error:?}");
        assert!(!text.contains("has the status failed"), "{content}: {error:?}");
    }
}

#[tokio::test]
async fn a_cancelled_verification_leaves_the_backup_and_the_error_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let (koan, _) = faulty(folder.path()).await;
    let token = CancellationToken::new();
    let cancel = token.clone();
    let listen = move |event: &Event| {
        if matches!(event, Event::BlockVerified { .. }) {
            cancel.cancel();
        }
    };
    let result = koan.backup("nightly").verify_after().cancel_on(token).on_event(listen).await;
    let backups = koan.backups().await.expect("listed");
    assert_eq!((backups.len(), backups[0].status), (1, BackupStatus::Completed));
    if let Err(error) = result {
        assert!(error.chain().contains("was published"), "{error:?}");
    }
}

#[tokio::test]
async fn a_backup_that_cannot_be_decrypted_is_reported_as_undecrypted() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = age::x25519::Identity::generate().to_public().to_string();
    let koan = builder(folder.path())
        .named_storage("sealed", Storage::memory().archive_encryption(koan_backup::ArchiveEncryption::Always))
        .encrypt_to(Recipients::keys([key]).expect("a public key"))
        .build()
        .await
        .expect("a context");
    let report = koan.backup("nightly").verify_after().await.expect("a backup");
    assert!(!report.verification().expect("verified").undecrypted.is_empty());
}

/// Creates two contexts with the same store. Requests of the first context can be paused by the returned
/// [`FaultyStore`]. Each context encrypts for another key and has both keys.
async fn two_contexts(folder: &std::path::Path) -> (Koan, FaultyStore, Koan) {
    let inner = Arc::new(InMemory::new());
    let store = FaultyStore::over(Arc::clone(&inner) as _);
    let keys = [0, 1].map(|_| age::x25519::Identity::generate());
    let secrets = keys.each_ref().map(|key| key.to_string().expose_secret().to_owned()).join("\n");
    let mut contexts = Vec::new();
    for (storage, key) in [store.storage(), Storage::object_store(inner, "faulty")].into_iter().zip(&keys) {
        let koan = builder(folder)
            .named_storage("faulty", storage.archive_encryption(ArchiveEncryption::Always))
            .encrypt_to(Recipients::keys([key.to_public().to_string()]).expect("a public key"))
            .keys(Keys::text(&secrets));
        contexts.push(koan.build().await.expect("a context"));
    }
    let other = contexts.pop().expect("the second context");
    (contexts.pop().expect("the first context"), store, other)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_rekeyed_while_it_is_read_back_is_verified_in_its_new_form() {
    let folder = tempfile::tempdir().expect("a folder");
    let (koan, store, other) = two_contexts(folder.path()).await;
    store.fail([Fault::always(Operation::Get, "archives/", Failure::Held)]);
    let backup = tokio::spawn(koan.backup("nightly").verify_after().into_future());
    store.until_called(Operation::Get, "archives/", 1).await;
    let made = other.backups().await.expect("listed")[0].clone();
    let rekeyed = other.rekey(made.id).await.expect("rekeyed");
    assert_eq!(rekeyed.old_archive, None, "the archive that is being verified was not removed");
    store.resume();
    let report = backup.await.expect("no panic").expect("the rekeyed backup is valid");
    assert!(report.verified_at().is_some());
    let now = other.backups().await.expect("listed");
    assert_eq!((now.len(), now[0].status), (1, BackupStatus::Completed));
    assert_ne!(now[0].archive, made.archive, "the manifest of the rekey was replaced");
    assert!(other.verify(made.id).await.expect("verified").is_valid());
    assert!(other.catalog().get(made.id).await.expect("listed").is_healthy());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_deleted_while_it_is_read_back_is_reported_as_removed_and_stays_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (koan, store, other) = two_contexts(folder.path()).await;
    let earlier = koan.backup("nightly").await.expect("a backup").id();
    store.fail([Fault::always(Operation::Get, "archives/", Failure::Held)]);
    let backup = tokio::spawn(koan.backup("nightly").verify_after().into_future());
    store.until_called(Operation::Get, "archives/", 1).await;
    let made = other.backups().await.expect("listed")[0].id;
    other.delete(made).await.expect("deleted");
    store.resume();
    let error = backup.await.expect("no panic").expect_err("the backup was deleted");
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    assert!(
        error.chain().contains("no longer exists") && error.chain().contains(&made.to_string()),
        "{error:?}"
    );
    let left = other.backups().await.expect("listed");
    assert_eq!(left.iter().map(|backup| backup.id).collect::<Vec<_>>(), [earlier]);
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_that_is_found_during_a_rekey_does_not_replace_the_new_manifest() {
    let folder = tempfile::tempdir().expect("a folder");
    let (koan, store, other) = two_contexts(folder.path()).await;
    // The content that is read back is damaged. The damage record is written only after another process has
    // rekeyed the backup.
    store.fail([
        Fault::always(Operation::Get, "archives/", Failure::Zeros),
        Fault::always(Operation::List, "leases/rekey", Failure::Held),
    ]);
    let backup = tokio::spawn(koan.backup("nightly").verify_after().into_future());
    store.until_called(Operation::List, "leases/rekey", 1).await;
    let made = other.backups().await.expect("listed")[0].clone();
    let rekeyed = other.rekey(made.id).await.expect("rekeyed");
    store.resume();
    let error = backup.await.expect("no panic").expect_err("damaged content was read back");
    assert!(error.chain().contains("another process changed backup"), "{error:?}");
    let now = other.backups().await.expect("listed");
    assert_eq!((now[0].status, rekeyed.id), (BackupStatus::Completed, now[0].id));
    assert_ne!(now[0].archive, made.archive);
    assert!(other.catalog().get(made.id).await.expect("listed").is_healthy(), "{error:?}");
}
