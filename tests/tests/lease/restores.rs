//! Tests that a restore pins its backup while the restore runs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use koan_backup::prelude::*;
use koan_backup_tests::archive_surgery::Vault;
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};
use koan_backup_tests::log::Log;
use koan_backup_tests::wait;
use object_store::ObjectStoreExt;

use super::shop::{NAME, RECORDS, Shared, builder, database, wait_until};

#[tokio::test]
async fn a_backup_is_pinned_only_while_it_is_restored() {
    let shared = Arc::new(Shared::new());
    let koan = shared.koan("shop", Duration::ZERO).await;
    let id = koan.backup(NAME).await.expect("a backup").id();
    let subject = format!("restore/{id}");
    // Counts the pins of the backup at each event.
    let pins = |builder: koan_backup::builders::RestoreBuilder| {
        let (counts, shared, subject) = (Arc::default(), Arc::clone(&shared), subject.clone());
        let recorded: Arc<Mutex<Vec<_>>> = Arc::clone(&counts);
        let restore = builder.on_event(move |_| {
            recorded.lock().expect("not poisoned").push(shared.leases(&subject).len());
        });
        (restore, counts)
    };
    let (restore, counts) = pins(koan.restore(NAME));
    let _ = restore.await.expect("restored");
    let counts = counts.lock().expect("not poisoned").clone();
    assert!(!counts.is_empty() && counts.iter().all(|&pins| pins == 1), "{counts:?}");
    assert!(shared.leases(&subject).is_empty());
    // An operation that writes nothing sets no pin.
    let (restore, counts) = pins(koan.restore(NAME).dry_run());
    let _ = restore.await.expect("compared");
    assert!(counts.lock().expect("not poisoned").iter().all(|&pins| pins == 0));
}

#[tokio::test]
async fn a_restore_that_is_dropped_removes_its_pin() {
    let vault = Vault::default();
    let store = FaultyStore::over(vault.store());
    let koan = builder("shop", store.storage(), Duration::ZERO).build().await.expect("a context");
    let _ = koan.backup(NAME).await.expect("a backup");
    store.fail([Fault::always(Operation::Get, "archives/", Failure::Never)]);
    wait::dropped_at(store.until_called(Operation::Get, "archives/", 1), koan.restore(NAME)).await;
    let pins = async || vault.files().await.iter().filter(|file| file.contains("leases/restore")).count();
    wait_until(async || pins().await == 0).await;
}

#[tokio::test]
async fn several_restores_can_pin_a_backup_concurrently() {
    let shared = Shared::new();
    let a = shared.koan("shop", Duration::ZERO).await;
    let b = Koan::builder().application("shop").named_storage("shared", shared.storage());
    let b = b.named_provider("replica", database(Duration::ZERO)).build().await.expect("a context");
    let _ = a.backup(NAME).await.expect("a backup");
    let (left, right) = tokio::join!(a.restore(NAME).into_future(), b.restore(NAME).into_future());
    let _ = left.and(right).expect("no restore is refused");
}

#[tokio::test]
async fn a_restore_from_a_read_only_storage_succeeds_with_a_warning() {
    let store = FaultyStore::over(Vault::default().store());
    let koan = builder("shop", store.storage(), Duration::ZERO).build().await.expect("a context");
    let _ = koan.backup(NAME).await.expect("a backup");
    let (log, _guard) = Log::capture();
    store.fail([Fault::always(Operation::Put, "", Failure::Forbidden)]);
    let restored = koan.restore(NAME).await.expect("restored");
    assert_eq!(restored.record_count(), RECORDS);
    let finding = restored.findings.iter().find(|finding| finding.message.contains("a second restore"));
    assert!(finding.is_some(), "the report warns that no lease was acquired: {:?}", restored.findings);
    let warning = log.lines().into_iter().find(|line| line.contains("do not remove the backup meanwhile"));
    assert!(warning.is_some_and(|line| line.contains("WARN") && line.contains("403")), "{:?}", log.lines());
}

#[tokio::test]
async fn a_backup_that_is_removed_while_its_restore_begins_is_not_restored() {
    let vault = Vault::default();
    let store = FaultyStore::over(vault.store());
    let koan = builder("shop", store.storage(), Duration::ZERO).build().await.expect("a context");
    let id = koan.backup(NAME).await.expect("a backup").id();
    // The backup is removed after the restore has found it and before the restore pins it.
    store.fail([Fault::once(Operation::Put, "leases/restore", Failure::Held)]);
    let removed = async {
        store.until_called(Operation::Put, "leases/restore", 1).await;
        let path = object_store::path::Path::from(format!("manifests/{id}.json"));
        vault.store().delete(&path).await.expect("removed");
        store.fail([]);
    };
    let (restored, ()) = tokio::join!(koan.restore(NAME).into_future(), removed);
    let error = restored.expect_err("the backup was removed");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("was removed while its restore began"), "{error}");
    assert!(!vault.files().await.iter().any(|file| file.contains("leases/restore")));
}
