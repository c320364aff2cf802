//! Backups and restores of a provider in memory that fails, waits and reads concurrently on request.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use koan_backup::prelude::*;
use koan_backup::{
    CancellationToken, Event, SetName,
    archive::{BackupStatus, EntityStatus},
};
use koan_backup_tests::scripted::{Script, Scripted};
use koan_backup_tests::wait;
use serde::{Deserialize, Serialize};

koan_backup::entity_backup_scope!(mode = All);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
struct User {
    id: i64,
    name: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
struct Order {
    id: i64,
    total: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
struct Address {
    id: i64,
    city: String,
}

struct Shop {
    koan: Koan,
    database: Scripted,
    _directory: tempfile::TempDir,
}

async fn shop(script: Script) -> Shop {
    let database = Scripted::new(script);
    let root = SetName::root();
    for id in 0..5 {
        database.put(&root, &User { id, name: format!("user {id}") });
        database.put(&root, &Order { id, total: 0.5 });
        database.put(&root, &Address { id, city: "Zürich".into() });
    }
    let directory = tempfile::tempdir().expect("a directory");
    let koan = Koan::builder()
        .provider(database.clone())
        .storage(Storage::local(directory.path()).expect("a directory"))
        .build()
        .await
        .expect("a context");
    Shop { koan, database, _directory: directory }
}

#[tokio::test]
async fn a_backup_is_verified_and_restored() {
    let shop = shop(Script::default()).await;
    let backup = shop.koan.backup("nightly").tags(["nightly"]).await.expect("a backup");
    assert_eq!(backup.status(), BackupStatus::Completed);
    assert_eq!(backup.item_count(), 15);
    let verified = shop.koan.verify(backup.id()).await.expect("verified");
    assert!(verified.is_valid(), "{:?}", verified.issues());
    shop.koan.data::<User>().clear().await.expect("cleared");
    assert_eq!(shop.database.len("User", &SetName::root()), 0);
    let restored = shop.koan.restore("nightly").await.expect("restored");
    assert_eq!(restored.record_count(), 15);
    assert_eq!(shop.database.len("User", &SetName::root()), 5);
    assert_eq!(
        shop.koan.data::<User>().get(&3).await.expect("read"),
        Some(User { id: 3, name: "user 3".into() })
    );
}

#[tokio::test]
async fn five_records_in_batches_of_two_are_read_three_times_in_order() {
    let shop = shop(Script::default()).await;
    let batches = Arc::new(Mutex::new(Vec::new()));
    let recorder = Arc::clone(&batches);
    let _ = shop
        .koan
        .backup("small")
        .entity::<User>()
        .batch_size(2)
        .on_event(move |event| {
            if let Event::BatchRead { records, .. } = event {
                recorder.lock().expect("the lock is not poisoned").push(*records);
            }
        })
        .await
        .expect("a backup");
    assert_eq!(*batches.lock().expect("the lock is not poisoned"), [2, 4, 5]);
}

#[tokio::test]
async fn a_backup_cancelled_in_its_second_batch_publishes_nothing() {
    let shop = shop(Script::default()).await;
    let token = CancellationToken::new();
    let cancel = token.clone();
    let result = shop
        .koan
        .backup("cancelled")
        .batch_size(2)
        .cancel_on(token)
        .on_event(move |event| {
            if matches!(event, Event::BatchRead { records: 4, .. }) {
                cancel.cancel();
            }
        })
        .await;
    let error = result.expect_err("cancelled");
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(shop.koan.backups().await.expect("listed").is_empty());
    assert_eq!(files(&shop), Vec::<String>::new());
}

/// Waits until the storage contains no file. A background thread, which the operation does not wait for,
/// removes the temporary file of a dropped backup.
async fn until_no_file_is_left(shop: &Shop) {
    wait::until_sync("no file is left", || files(shop).is_empty()).await;
}

#[tokio::test]
async fn a_dropped_backup_publishes_nothing() {
    let shop = shop(Script { hangs_at: Some(("Order".into(), 3)), ..Script::default() }).await;
    wait::dropped_at(shop.database.until_hanging(), shop.koan.backup("dropped")).await;
    until_no_file_is_left(&shop).await;
}

#[tokio::test]
async fn a_lost_connection_fails_the_backup_and_no_partial_archive_is_published() {
    let shop = shop(Script { disconnects_at: Some(("Order".into(), 3)), ..Script::default() }).await;
    let error = shop.koan.backup("nightly").await.expect_err("the connection is lost");
    assert_eq!(error.kind(), ErrorKind::Provider);
    let backups = shop.koan.backups().await.expect("listed");
    assert_eq!(backups.len(), 1);
    assert_eq!(backups[0].status, BackupStatus::Failed);
    assert_eq!(backups[0].archive, None);
    let error = shop.koan.restore("nightly").await.expect_err("the failed backup has no archive");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error =
        shop.koan.restore(backups[0].id).allow_partial().await.expect_err("the failed backup has no archive");
    assert_eq!(error.kind(), ErrorKind::Incompatible);
}

#[tokio::test]
async fn one_failed_entity_of_three_is_reported_and_the_other_two_can_be_restored() {
    let shop = shop(Script { disconnects_at: Some(("Order".into(), 3)), ..Script::default() }).await;
    let events = Arc::new(Mutex::new(Vec::new()));
    let recorder = Arc::clone(&events);
    let backup = shop
        .koan
        .backup("partial")
        .continue_on_error()
        .on_event(move |event| match event {
            Event::EntityFailed { entity, .. } => {
                recorder.lock().expect("the lock is not poisoned").push(format!("failed {entity}"))
            }
            Event::BackupFinished { status, .. } => {
                recorder.lock().expect("the lock is not poisoned").push(format!("{status:?}"))
            }
            _ => {}
        })
        .await
        .expect("a report");
    assert_eq!(*events.lock().expect("the lock is not poisoned"), ["failed Order", "Failed"]);
    assert_eq!(backup.status(), BackupStatus::Failed);
    let statuses: Vec<_> =
        backup.manifest().entities.iter().map(|entity| (entity.entity.as_str(), entity.status)).collect();
    assert_eq!(
        statuses,
        [
            ("Address", EntityStatus::Completed),
            ("Order", EntityStatus::Failed),
            ("User", EntityStatus::Completed)
        ]
    );
    let id = backup.id();
    assert!(
        backup
            .require_complete()
            .expect_err("the backup is incomplete")
            .to_string()
            .contains("`Order` failed")
    );
    assert!(!shop.koan.verify(id).await.expect("verified").is_valid());
    shop.koan.restore(id).await.expect_err("a partial backup is restored only with `allow_partial`");
    let restored = shop.koan.restore(id).allow_partial().await.expect("restored");
    assert_eq!(restored.entities.len(), 2);
}

#[tokio::test]
async fn entities_are_read_concurrently_and_written_in_order() {
    // No record is read before all three reads have begun, so sequential reads would never complete.
    let shop = shop(Script { waits_for_reads: 3, concurrent_reads: 3, ..Script::default() }).await;
    let backup = shop.koan.backup("parallel").await.expect("a backup");
    assert_eq!(shop.database.max_concurrent_reads(), 3);
    let names: Vec<_> = backup.manifest().entities.iter().map(|entity| entity.entity.as_str()).collect();
    assert_eq!(names, ["Address", "Order", "User"]);
}

#[tokio::test]
async fn no_more_entities_are_read_concurrently_than_provider_and_options_allow() {
    for (concurrent_reads, max_concurrency, expected_reads) in [(3, 1, 1), (3, 2, 2), (1, 3, 1), (2, 8, 2)] {
        // Each record takes 10 ms, so that a read that begins too early overlaps with earlier reads.
        let delay_per_record = Duration::from_millis(10);
        let shop = shop(Script {
            concurrent_reads,
            waits_for_reads: expected_reads,
            delay_per_record,
            ..Script::default()
        })
        .await;
        let _ = shop.koan.backup("limited").max_concurrency(max_concurrency).await.expect("a backup");
        assert_eq!(
            shop.database.max_concurrent_reads(),
            expected_reads,
            "{concurrent_reads}, {max_concurrency}"
        );
    }
}

#[tokio::test]
async fn few_of_many_small_sets_are_read_ahead_of_a_large_set() {
    let script =
        Script { delay_per_record: Duration::from_millis(10), concurrent_reads: 2, ..Script::default() };
    let shop = shop(script).await;
    for id in 5..60 {
        shop.database.put(&SetName::root(), &Address { id, city: "Zürich".into() });
    }
    for set in 0..30 {
        let set = SetName::new(format!("tenant-{set:02}")).expect("a valid set name");
        shop.database.put(&set, &User { id: 1, name: "one".into() });
    }
    let events = Arc::new(Mutex::new(Vec::new()));
    let recorder = Arc::clone(&events);
    let backup = shop.koan.backup("nightly").on_event(move |event| match event {
        Event::BatchRead { .. } => recorder.lock().expect("the lock is not poisoned").push("read"),
        Event::BlockWritten { .. } => recorder.lock().expect("the lock is not poisoned").push("written"),
        _ => {}
    });
    let _ = backup.await.expect("a backup");
    let events = events.lock().expect("the lock is not poisoned");
    let read = events.iter().take_while(|event| **event == "read").count();
    assert!((2..=5).contains(&read), "{read} sets were read before the first block was written");
}

#[tokio::test]
async fn the_restore_of_a_set_does_not_change_other_sets() {
    let shop = shop(Script::default()).await;
    let (a, b) = (
        SetName::new("tenant-a").expect("a valid set name"),
        SetName::new("tenant-b").expect("a valid set name"),
    );
    shop.database.put(&a, &User { id: 1, name: "a".into() });
    shop.database.put(&b, &User { id: 1, name: "b".into() });
    let backup = shop.koan.backup("tenants").entity::<User>().set("tenant-a").await.expect("a backup");
    assert_eq!(backup.item_count(), 1);
    shop.koan.data::<User>().set(a.clone()).clear().await.expect("cleared");
    let _ = shop.koan.restore("tenants").replace_existing().await.expect("restored");
    assert_eq!(shop.database.len("User", &a), 1);
    let record = shop.koan.data::<User>().set(b).get(&1).await.expect("read").expect("the record exists");
    assert_eq!(record.name, "b");
    assert_eq!(shop.database.len("User", &SetName::root()), 5);
}

#[tokio::test]
async fn only_a_selected_set_is_restored_and_a_missing_set_is_refused() {
    let shop = shop(Script::default()).await;
    let [a, b] = ["tenant-a", "tenant-b"].map(|name| SetName::new(name).expect("a valid set name"));
    for set in [&a, &b] {
        shop.database.put(set, &User { id: 1, name: set.to_string() });
    }
    let _ = shop.koan.backup("tenants").await.expect("a backup");
    for set in [&a, &b] {
        shop.koan.data::<User>().set(set.clone()).clear().await.expect("cleared");
    }
    let error = shop.koan.restore("tenants").set("tenant-a").set("tenant-c").await.expect_err("no such set");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("`tenant-c`"), "{error}");
    let restored = shop.koan.restore("tenants").set("tenant-a").await.expect("restored");
    assert_eq!(restored.record_count(), 1);
    assert_eq!((shop.database.len("User", &a), shop.database.len("User", &b)), (1, 0));
}

#[tokio::test]
async fn a_restore_emits_events_of_verification_and_writing_and_reports_whether_it_was_a_dry_run() {
    let shop = shop(Script::default()).await;
    let _ = shop.koan.backup("nightly").await.expect("a backup");
    let events = Arc::new(Mutex::new(Vec::new()));
    let recorder = Arc::clone(&events);
    let restored = shop.koan.restore("nightly").on_event(move |event| match event {
        Event::BlockVerified { entity, .. } => {
            recorder.lock().expect("the lock is not poisoned").push(format!("verified {entity}"))
        }
        Event::BatchRestored { entity, .. } => {
            recorder.lock().expect("the lock is not poisoned").push(format!("restored {entity}"))
        }
        _ => {}
    });
    assert!(!restored.await.expect("restored").dry_run);
    let entities = ["Address", "Order", "User"];
    let expected: Vec<_> = ["verified", "restored"]
        .iter()
        .flat_map(|step| entities.map(|name| format!("{step} {name}")))
        .collect();
    assert_eq!(*events.lock().expect("the lock is not poisoned"), expected);
    assert!(shop.koan.restore("nightly").dry_run().await.expect("compared").dry_run);
}

#[tokio::test]
async fn a_restore_that_is_cancelled_after_the_last_record_is_rolled_back() {
    let shop = shop(Script::default()).await;
    let _ = shop.koan.backup("nightly").await.expect("a backup");
    shop.koan.data::<User>().clear().await.expect("cleared");
    let token = CancellationToken::new();
    let cancel = token.clone();
    let restored = shop.koan.restore("nightly").cancel_on(token).on_event(move |event| {
        // `User` is the last of the three entities.
        if matches!(event, Event::EntityCompleted { entity, .. } if entity == "User") {
            cancel.cancel();
        }
    });
    assert_eq!(restored.await.expect_err("cancelled").kind(), ErrorKind::Cancelled);
    assert_eq!(shop.database.len("User", &SetName::root()), 0);
}

#[tokio::test]
async fn two_sets_are_not_restored_into_one_set() {
    let shop = shop(Script::default()).await;
    let [a, b] = ["tenant-a", "tenant-b"].map(|name| SetName::new(name).expect("a valid set name"));
    shop.database.put(&a, &User { id: 1, name: "a".into() });
    let _ = shop.koan.backup("tenants").await.expect("a backup");
    let error = shop
        .koan
        .restore("tenants")
        .to_set("tenant-b")
        .await
        .expect_err("two sets cannot be restored into one set");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    for part in ["`entities/User.jsonl`", "`entities/User#tenant-a.jsonl`", "`tenant-b` of `User`"] {
        assert!(error.to_string().contains(part), "{part} is not in {error}");
    }
    assert_eq!(shop.database.len("User", &b), 0);
    let moved = shop.koan.restore("tenants").set("tenant-a").to_set("tenant-b").await.expect("restored");
    assert_eq!(moved.record_count(), 1);
    assert_eq!(shop.database.len("User", &b), 1);
}

#[tokio::test]
async fn a_restore_with_a_batch_size_or_concurrency_of_zero_is_refused() {
    let shop = shop(Script::default()).await;
    let _ = shop.koan.backup("nightly").await.expect("a backup");
    for restore in
        [shop.koan.restore("nightly").batch_size(0), shop.koan.restore("nightly").max_concurrency(0)]
    {
        let error = restore.await.expect_err("zero is not a valid option");
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
    }
}

#[tokio::test]
async fn two_backups_can_have_the_same_name_and_the_name_selects_the_newest() {
    let shop = shop(Script::default()).await;
    let first = shop.koan.backup("daily").await.expect("a backup");
    shop.database.put(&SetName::root(), &User { id: 9, name: "late".into() });
    let second = shop.koan.backup("daily").await.expect("a backup");
    assert_ne!(first.id(), second.id());
    assert_ne!(first.manifest().archive, second.manifest().archive);
    let restored = shop.koan.restore("daily").dry_run().await.expect("compared");
    assert_eq!(restored.id, second.id());
}

/// Returns all files in the storage directory except the profile mark and the leases. The latest lease file
/// of each subject remains after its release.
fn files(shop: &Shop) -> Vec<String> {
    let mut files = Vec::new();
    let mut directories = vec![shop._directory.path().to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).expect("readable") {
            let path = entry.expect("readable").path();
            if path.ends_with("leases") || path.ends_with("koan-profile.json") {
                continue;
            }
            if path.is_dir() { directories.push(path) } else { files.push(path.display().to_string()) }
        }
    }
    files
}

#[test]
fn a_runtime_without_timers_fails_the_start_and_not_the_rollback() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let storage = Storage::memory();
    let built = runtime.block_on(async {
        Koan::builder().provider(Scripted::default()).named_storage("memory", storage).build().await
    });
    let error = built.expect_err("the runtime has no timers");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("enable_all"), "{error}");
}

/// The runtime of this test has one thread for asynchronous tasks and one thread for blocking tasks.
#[test]
fn a_runtime_with_one_worker_and_one_blocking_thread_is_sufficient() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let shop = shop(Script { concurrent_reads: 3, ..Script::default() }).await;
        let operations = async {
            let backup = shop.koan.backup("small").await.expect("a backup");
            assert!(shop.koan.verify(backup.id()).await.expect("verified").is_valid());
            let _ = shop.koan.restore("small").replace_existing().await.expect("restored");
        };
        // If an operation waited for a thread that it occupies itself, this future would never complete.
        operations.await;
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_that_fails_as_cancelled_was_neither_published_nor_committed() {
    for round in 0..40 {
        let shop = shop(Script::default()).await;
        let (token, completed_count) = (CancellationToken::new(), Arc::new(Mutex::new(0)));
        let (cancel, completed) = (token.clone(), Arc::clone(&completed_count));
        let cancel_after_last_entity = move |event: &Event| {
            if matches!(event, Event::EntityCompleted { .. }) {
                let mut completed = completed.lock().expect("the lock is not poisoned");
                *completed += 1;
                if *completed == 3 {
                    cancel.cancel();
                }
            }
        };
        match shop.koan.backup("late").cancel_on(token).on_event(cancel_after_last_entity.clone()).await {
            Ok(_) => assert_eq!(shop.koan.backups().await.expect("listed").len(), 1, "round {round}"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Cancelled);
                assert!(shop.koan.backups().await.expect("listed").is_empty(), "round {round}");
            }
        }
        let _ = shop.koan.backup("whole").await.expect("a backup");
        shop.koan.data::<User>().clear().await.expect("cleared");
        *completed_count.lock().expect("the lock is not poisoned") = 0;
        let token = CancellationToken::new();
        let (cancel, completed) = (token.clone(), Arc::new(Mutex::new(0)));
        let restored = shop.koan.restore("whole").cancel_on(token).on_event(move |event| {
            if matches!(event, Event::EntityCompleted { .. }) {
                *completed.lock().expect("the lock is not poisoned") += 1;
                if *completed.lock().expect("the lock is not poisoned") == 3 {
                    cancel.cancel();
                }
            }
        });
        match restored.await {
            Ok(_) => assert_eq!(shop.database.len("User", &SetName::root()), 5, "round {round}"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Cancelled);
                assert_eq!(shop.database.len("User", &SetName::root()), 0, "round {round}");
            }
        }
    }
}

#[tokio::test]
async fn a_restore_whose_counts_do_not_balance_is_rolled_back_with_the_entity_in_the_error() {
    let mut shop = shop(Script::default()).await;
    let _ = shop.koan.backup("nightly").await.expect("a backup");
    let dropping_database =
        Scripted::new(Script { discards_first_of_each_batch: Some("Order".to_owned()), ..Script::default() });
    let root = SetName::root();
    dropping_database.put(&root, &Order { id: 9, total: 1.0 });
    let storage = Storage::local(shop._directory.path()).expect("a directory");
    shop.koan = Koan::builder()
        .provider(dropping_database.clone())
        .storage(storage)
        .build()
        .await
        .expect("a context");
    for is_replacement in [false, true] {
        let restore = shop.koan.restore("nightly");
        let restore = if is_replacement { restore.replace_existing() } else { restore };
        let error = restore.await.expect_err("the provider drops one record");
        assert_eq!(error.kind(), ErrorKind::Constraint, "{error:?}");
        let text = error.chain();
        assert!(
            text.contains("Order") && text.contains("5 records") && text.contains("4 inserted"),
            "{text}"
        );
        assert!(text.contains("trigger, rule or policy"), "{text}");
        // The entities that were restored before the failing entity are rolled back as well.
        assert_eq!(
            ["User", "Order", "Address"].map(|entity| dropping_database.len(entity, &root)),
            [0, 1, 0]
        );
    }
    let written = shop.koan.data::<Order>().upsert_many([Order { id: 1, total: 2.0 }]).await;
    let text = written.expect_err("the provider drops one record").chain();
    assert!(text.contains("1 records") && text.contains("0 inserted"), "{text}");
    assert_eq!(dropping_database.len("Order", &root), 1);
}
