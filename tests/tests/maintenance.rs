//! Maintenance prunes, verifies each backup in turn, and removes only incomplete files of interrupted runs.

use std::future::IntoFuture as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use koan_backup::prelude::*;
use koan_backup::{
    BackupId, CancellationToken, Clock, Retention, SetName,
    catalog::{CatalogEntry, CatalogHealth, Expectations},
};
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};
use koan_backup_tests::hand_clock::HandClock;
use koan_backup_tests::scripted::Scripted;
use object_store::local::LocalFileSystem;
use serde::{Deserialize, Serialize};

koan_backup::entity_backup_scope!(mode = All);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
struct Invoice {
    id: i64,
}

struct Shop {
    koan: Koan,
    clock: HandClock,
    folder: tempfile::TempDir,
}

async fn shop() -> Shop {
    let folder = tempfile::tempdir().expect("a folder");
    let storage = Storage::local(folder.path()).expect("a folder");
    shop_with_storage(storage, folder).await
}

async fn shop_with_storage(storage: Storage, folder: tempfile::TempDir) -> Shop {
    // The modification times of files come from the clock of this machine.
    let clock = HandClock::at(&jiff::Timestamp::now().to_string());
    let koan = context(storage, &clock).await;
    Shop { koan, clock, folder }
}

/// Creates a shop whose storage fails on request.
async fn faulty_shop() -> (Shop, FaultyStore) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = LocalFileSystem::new_with_prefix(folder.path()).expect("a folder");
    let store = FaultyStore::over(Arc::new(store));
    (shop_with_storage(store.storage(), folder).await, store)
}

async fn context(storage: Storage, clock: &HandClock) -> Koan {
    let database = Scripted::default();
    database.put(&SetName::root(), &Invoice { id: 1 });
    let builder = Koan::builder().provider(database).storage(storage).clock(clock.clone());
    builder.build().await.expect("a context")
}

async fn health(koan: &Koan) -> CatalogHealth {
    koan.catalog().health(&Expectations::new()).await.expect("the health was read")
}

fn ids(entries: &[CatalogEntry]) -> Vec<BackupId> {
    entries.iter().map(CatalogEntry::id).collect()
}

impl Shop {
    /// Returns a context of another process with the same storage.
    async fn koan_of_another_process(&self) -> Koan {
        context(Storage::local(self.folder.path()).expect("a folder"), &self.clock).await
    }

    async fn archive_of(&self, id: BackupId) -> PathBuf {
        let manifests = self.koan.backups().await.expect("listed");
        let manifest = manifests.iter().find(|manifest| manifest.id == id).expect("the backup is listed");
        self.folder.path().join(&manifest.archive.as_ref().expect("an archive").file)
    }

    fn files(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path().join(folder)).into_iter().flatten();
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().expect("a name")).collect();
        names.sort();
        names
    }

    async fn make_nightly_backups(&self, days: usize) -> Vec<BackupId> {
        let mut ids = Vec::new();
        for _ in 0..days {
            ids.push(self.koan.backup("nightly").await.expect("a backup").id());
            self.clock.pass(24);
        }
        ids
    }
}

fn set_file_age(file: &Path, file_age: Duration) {
    let file = std::fs::File::options().write(true).open(file).expect("a file");
    file.set_modified(SystemTime::now() - file_age).expect("a time");
}

#[tokio::test]
async fn maintenance_verifies_the_backups_in_turn_and_reports_damage() {
    let shop = shop().await;
    let ids = shop.make_nightly_backups(3).await;
    let mut verified = Vec::new();
    for _ in 0..4 {
        let report = shop.koan.maintenance().await.expect("maintenance completed");
        assert!(report.is_clean(), "{report:?}");
        verified.extend(report.profiles[0].verified);
        shop.clock.pass(1);
    }
    assert_eq!(
        verified,
        [ids[2], ids[1], ids[0], ids[2]],
        "maintenance must verify the newest unverified backup, or else the backup whose verification is the oldest"
    );
    let manifests = shop.koan.backups().await.expect("listed");
    let archive = shop.folder.path().join(&manifests[1].archive.as_ref().expect("an archive").file);
    std::fs::write(archive, b"PK").expect("written");
    let report = shop.koan.maintenance().await.expect("maintenance completed");
    assert!(!report.is_clean());
    assert_eq!(report.profiles[0].verified, Some(ids[1]));
    assert!(report.profiles[0].damage.is_some(), "{report:?}");
    let health = health(&shop.koan).await;
    assert_eq!(health.damaged, [("local".to_owned(), ids[1])]);
    let unverified = shop.koan.maintenance().without_verification().await.expect("maintenance completed");
    assert_eq!(unverified.profiles[0].verified, None);
}

#[tokio::test]
async fn old_incomplete_and_temporary_archives_are_removed_and_all_other_files_stay() {
    let shop = shop().await;
    let ids = shop.make_nightly_backups(1).await;
    let archives = shop.folder.path().join("archives");
    let archive =
        std::fs::read_dir(&archives).expect("a folder").next().expect("an archive").expect("an entry").path();
    set_file_age(&archive, Duration::from_secs(90 * 86_400));
    let old = [
        "backup-a-20260101-000000-0a1b2c3d.zip",
        "backup-a-20260101-000000-0a1b2c3d.zip#1",
        "backup-b-20260101-000000-0a1b2c3d.zip.age#12",
    ];
    let young = ["backup-c-20260101-000000-0a1b2c3d.zip", "backup-c-20260101-000000-0a1b2c3d.zip#1"];
    for name in old.iter().chain(&young) {
        std::fs::write(archives.join(name), b"12345").expect("written");
    }
    for name in old {
        set_file_age(&archives.join(name), Duration::from_secs(3 * 86_400));
    }
    // Files with names that Koan does not write are not removed.
    let foreign = ["notes.txt#1", "notes.zip", "backup-of-my-own.zip", "backup-of-my-own.zip#1"];
    for name in foreign {
        std::fs::write(archives.join(name), b"mine").expect("written");
        set_file_age(&archives.join(name), Duration::from_secs(90 * 86_400));
    }
    let report = shop.koan.maintenance().without_cleanup().await.expect("maintenance completed");
    assert!(report.profiles[0].removed_files.is_empty());
    let report = shop
        .koan
        .maintenance()
        .cleanup_older_than(Duration::from_secs(2 * 86_400))
        .await
        .expect("maintenance completed");
    let mut removed = report.profiles[0].removed_files.clone();
    removed.sort();
    assert_eq!(removed, old.map(|name| format!("archives/{name}")), "{report:?}");
    assert_eq!(
        report.profiles[0].freed_bytes,
        5 * u64::try_from(old.len()).expect("the number of files fits into u64")
    );
    assert!(young.iter().chain(&foreign).all(|name| archives.join(name).exists()));
    let verified = shop.koan.verify(ids[0]).await.expect("read");
    assert!(verified.is_valid(), "{verified:?}");
}

#[tokio::test]
async fn old_temporary_files_of_manifests_and_leases_are_removed() {
    let shop = shop().await;
    let ids = shop.make_nightly_backups(1).await;
    let old = [
        "leases/backup/nightly/0000000002.json#1".to_owned(),
        format!("leases/restore/{0}/{0}.json#12", ids[0]),
        format!("manifests/{}.json#1", ids[0]),
        format!("pins/{}.json#3", ids[0]),
        "removals/backup-a-20260101-000000-0a1b2c3d.zip.json#1".to_owned(),
        // A process leaves these files if it is killed while it syncs a folder.
        format!("archives/{}.json#1", ids[0]),
        format!("removals/{}.json#1", ids[0]),
        format!("leases/backup/nightly/{}.json#1", ids[0]),
        // A process leaves these files if it is killed while it tests whether the file system can make
        // files durable.
        format!("koan-probe-{}", ids[0]),
        format!("koan-probe-{}#1", ids[0]),
    ];
    let mut expected = old.clone();
    expected.sort();
    let young = format!("manifests/{}.json#2", ids[0]);
    let other_extension = format!("koan-probe-{}.txt", ids[0]);
    let id_without_hyphens = format!("koan-probe-{}", ids[0].to_string().replace('-', ""));
    let foreign = [
        other_extension.as_str(),
        id_without_hyphens.as_str(),
        "koan-probe-notes",
        "manifests/notes.json#1",
        "manifests/0000000001.json#a",
        "manifests/0000000001.json#",
        "notes/0000000001.json#1",
        "removals/notes.zip.json#1",
        "archives/notes.json#1",
        "archives/0000000001.json#1",
    ];
    for path in old.iter().map(String::as_str).chain([young.as_str()]).chain(foreign) {
        let file = shop.folder.path().join(path);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("created");
        std::fs::write(&file, b"123").expect("written");
        if path != young {
            set_file_age(&file, Duration::from_secs(3 * 86_400));
        }
    }
    let report = shop.koan.maintenance().await.expect("maintenance completed");
    let mut removed = report.profiles[0].removed_files.clone();
    removed.sort();
    assert_eq!(removed, expected, "{report:?}");
    assert_eq!(
        report.profiles[0].freed_bytes,
        3 * u64::try_from(old.len()).expect("the number of files fits into u64")
    );
    assert!(old.iter().all(|path| !shop.folder.path().join(path).exists()));
    assert!(foreign.iter().chain([&young.as_str()]).all(|path| shop.folder.path().join(path).exists()));
}

#[tokio::test]
async fn the_age_of_temporary_files_is_measured_with_the_clock_of_the_context() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = HandClock::at(&(jiff::Timestamp::now() - Duration::from_secs(2 * 86_400)).to_string());
    let koan = context(Storage::local(folder.path()).expect("a folder"), &clock).await;
    let id = koan.backup("nightly").await.expect("a backup").id();
    let file = folder.path().join(format!("manifests/{id}.json#1"));
    std::fs::write(&file, b"123").expect("written");
    // By the system clock the file is older than a day. By the clock of the context it is one hour old.
    set_file_age(&file, Duration::from_secs(2 * 86_400 + 3600));
    let report = koan.maintenance().await.expect("maintenance completed");
    assert!(report.profiles[0].removed_files.is_empty() && file.exists(), "{report:?}");
    clock.pass(24);
    let report = koan.maintenance().await.expect("maintenance completed");
    assert!(!file.exists(), "{report:?}");
}

#[tokio::test]
async fn retention_is_applied_and_the_reason_for_a_refusal_is_in_the_report() {
    let shop = shop().await;
    let ids = shop.make_nightly_backups(4).await;
    let report = shop
        .koan
        .maintenance()
        .retention(Retention::new().keep_last(2))
        .await
        .expect("maintenance completed");
    let pruned = report.profiles[0].pruned.as_ref().expect("pruned");
    assert_eq!(pruned.removed.iter().map(|backup| backup.id).collect::<Vec<_>>(), ids[..2]);
    let misspelt = Retention::new().keep_last(1).exempt_tag("leagl");
    let report = shop.koan.maintenance().retention(misspelt).await.expect("maintenance completed");
    assert!(report.profiles[0].failures[0].contains("leagl"), "{report:?}");
    assert!(
        report.profiles[0].verified.is_some(),
        "the verification must run although the retention policy was refused"
    );
    assert_eq!(shop.koan.backups().await.expect("listed").len(), 2);
    let error = shop
        .koan
        .maintenance()
        .retention(Retention::new())
        .await
        .expect_err("the retention policy has no rule");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let error = shop.koan.maintenance().profiles(["far"]).await.expect_err("no such profile");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maintenance_task_runs_repeatedly_until_it_is_stopped() {
    let shop = shop().await;
    let ids = shop.make_nightly_backups(3).await;
    assert!(shop.koan.maintenance().every(Duration::ZERO).start().is_err());
    let task =
        shop.koan.maintenance().every(Duration::from_millis(5)).jitter(Duration::from_millis(5)).start();
    let task = task.expect("started");
    let verified = || {
        let report = task.last_report()?.expect("maintenance completed");
        report.profiles[0].verified
    };
    let wait_until_verified = async |id| {
        while verified() != Some(id) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let all_verified = async {
        for id in ids.iter().rev() {
            shop.clock.pass(1);
            wait_until_verified(*id).await;
        }
    };
    all_verified.await;
    task.stop().await;

    let token = CancellationToken::new();
    let task = shop.koan.maintenance().every(Duration::from_secs(3600)).cancel_on(token.clone()).start();
    let task = task.expect("started");
    token.cancel();
    task.stop().await;
    let error = shop.koan.maintenance().cancel_on(token).await.expect_err("cancelled");
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

#[tokio::test]
async fn an_incomplete_archive_under_a_valid_lease_is_not_removed_however_old() {
    let shop = shop().await;
    shop.make_nightly_backups(1).await;
    let archive = "archives/backup-slow-20260101-000000-0a1b2c3d.zip";
    let file = shop.folder.path().join(archive);
    let temporary = shop.folder.path().join(format!("{archive}#1"));
    for file in [&file, &temporary] {
        std::fs::write(file, b"12345").expect("written");
        set_file_age(file, Duration::from_secs(30 * 86_400));
    }
    let now = shop.clock.now();
    let lease = serde_json::json!({
        "formatVersion": 1, "subject": { "backup": "slow" }, "acquiredAt": now, "leaseSeconds": 60, "released": false,
        "expiresAt": now + jiff::Span::new().minutes(1), "backup": null, "archive": archive,
        "holder": { "token": uuid::Uuid::nil(), "application": "shop", "host": "other", "process": 7 },
    });
    let folder = shop.folder.path().join("leases/backup/slow");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("0000000001.json"), lease.to_string()).expect("written");
    let report = shop.koan.maintenance().await.expect("maintenance completed");
    assert!(report.is_clean() && report.profiles[0].removed_files.is_empty(), "{report:?}");
    shop.clock.pass(1);
    let report = shop.koan.maintenance().await.expect("maintenance completed");
    assert_eq!(
        report.profiles[0].removed_files,
        [archive.to_owned(), format!("{archive}#1")],
        "the lease has expired, so the files must be removed"
    );
}

/// A clock that calls `action` once, when its time is read and `reads_left` is one.
#[derive(Clone)]
struct Alarm {
    clock: HandClock,
    reads_left: Arc<AtomicI64>,
    action: Arc<dyn Fn() + Send + Sync>,
}

impl std::fmt::Debug for Alarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Alarm").finish_non_exhaustive()
    }
}

impl Clock for Alarm {
    fn now(&self) -> jiff::Timestamp {
        if self.reads_left.fetch_sub(1, Ordering::SeqCst) == 1 {
            (self.action)();
        }
        self.clock.now()
    }

    fn follows_system(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn an_archive_that_stays_because_another_process_works_on_its_backup_is_reported() {
    // In each run, another process begins to rekey the backup at a later read of the clock.
    let mut reported = 0;
    for clock_read in 1..40 {
        let shop = shop().await;
        let id = shop.make_nightly_backups(1).await[0];
        let archive = shop.archive_of(id).await;
        let old = "archives/backup-nightly-20260101-000000-0a1b2c3d.zip";
        std::fs::copy(&archive, shop.folder.path().join(old)).expect("copied");
        set_file_age(&shop.folder.path().join(old), Duration::from_secs(3 * 86_400));
        let now = shop.clock.now();
        let lease = serde_json::json!({
            "formatVersion": 1, "subject": { "rekey": id }, "acquiredAt": now, "leaseSeconds": 60, "released": false,
            "expiresAt": now + jiff::Span::new().minutes(1), "backup": id, "archive": null,
            "holder": { "token": uuid::Uuid::nil(), "application": "shop", "host": "other", "process": 7 },
        });
        let folder = shop.folder.path().join(format!("leases/rekey/{id}"));
        let action = move || {
            std::fs::create_dir_all(&folder).expect("a folder");
            let number = (1..)
                .find(|number| !folder.join(format!("{number:010}.json")).exists())
                .expect("a free number");
            std::fs::write(folder.join(format!("{number:010}.json")), lease.to_string()).expect("written");
        };
        let reads_left = Arc::new(AtomicI64::new(0));
        let clock = Alarm {
            clock: shop.clock.clone(),
            reads_left: Arc::clone(&reads_left),
            action: Arc::new(action),
        };
        let database = Scripted::default();
        database.put(&SetName::root(), &Invoice { id: 1 });
        let koan = Koan::builder()
            .provider(database)
            .storage(Storage::local(shop.folder.path()).expect("a folder"))
            .clock(clock)
            .build()
            .await
            .expect("a context");
        reads_left.store(clock_read, Ordering::SeqCst);
        let report = koan.maintenance().without_verification().await.expect("maintenance completed");
        let profile = &report.profiles[0];
        let old_archive_exists = shop.folder.path().join(old).exists();
        assert_eq!(profile.removed_files.is_empty(), old_archive_exists, "{clock_read}: {report:?}");
        let expected_reason =
            format!("archive `{old}` was not removed, because another process uses its backup {id}");
        if let Some(skipped) = profile.skipped.iter().find(|skipped| skipped.contains(&expected_reason)) {
            assert!(old_archive_exists && skipped.contains("process 7"), "{skipped}");
            reported += 1;
        }
    }
    assert!(reported > 0, "no run reported the archive that it did not remove");
}

#[tokio::test]
async fn the_catalog_health_contains_a_refused_retention_policy_until_a_prune_succeeds() {
    let shop = shop().await;
    shop.make_nightly_backups(3).await;
    let misspelt = || Retention::new().keep_last(1).exempt_tag("leagl");
    let report = shop.koan.maintenance().retention(misspelt()).await.expect("maintenance completed");
    assert!(!report.is_clean());
    let other_process = shop.koan_of_another_process().await;
    let catalog_health = health(&other_process).await;
    let [incomplete_task] = catalog_health.incomplete_tasks.as_slice() else { panic!("{catalog_health:?}") };
    assert_eq!((incomplete_task.profile.as_str(), incomplete_task.task.as_str()), ("local", "retention"));
    assert_eq!(incomplete_task.tried_at, shop.clock.now());
    assert!(incomplete_task.problem.contains("leagl"), "{incomplete_task:?}");
    let [problem] = catalog_health.problems.as_slice() else { panic!("{catalog_health:?}") };
    assert!(problem.contains("leagl") && problem.contains("did not complete `retention`"), "{problem}");
    // A run without a retention policy does not change the record of the refused policy.
    let _ = other_process.maintenance().await.expect("maintenance completed");
    assert_eq!(health(&other_process).await.incomplete_tasks.len(), 1);
    let report = other_process
        .maintenance()
        .retention(misspelt().allow_idle_rules())
        .await
        .expect("maintenance completed");
    assert!(report.is_clean(), "{report:?}");
    let catalog_health = health(&shop.koan).await;
    assert!(catalog_health.is_healthy() && catalog_health.incomplete_tasks.is_empty(), "{catalog_health:?}");
    assert_eq!(
        shop.files("maintenance"),
        [""; 0],
        "the record of a task must be removed after the task succeeded"
    );
}

#[tokio::test]
async fn the_catalog_health_contains_an_incomplete_archive_until_it_is_removed() {
    let (shop, store) = faulty_shop().await;
    shop.make_nightly_backups(1).await;
    let names = ["backup-a-20260101-000000-0a1b2c3d.zip", "backup-b-20260101-000000-0a1b2c3d.zip"];
    for name in names {
        let file = shop.folder.path().join("archives").join(name);
        std::fs::write(&file, b"12345").expect("written");
        set_file_age(&file, Duration::from_secs(3 * 86_400));
    }
    // Only the first removal fails, whichever archive it concerns.
    store.fail([Fault::once(Operation::Delete, "archives/backup-", Failure::Forbidden)]);
    let report = shop.koan.maintenance().await.expect("maintenance completed");
    let profile = &report.profiles[0];
    let [removed_archive] = profile.removed_files.as_slice() else {
        panic!("the other archive must be removed although one removal failed: {report:?}")
    };
    let remaining_archive = if removed_archive.contains(names[0]) { names[1] } else { names[0] };
    assert!(!report.is_clean() && profile.failures[0].contains(remaining_archive), "{report:?}");
    assert!(profile.verified.is_some(), "the verification must run although a removal failed");
    let other_process = shop.koan_of_another_process().await;
    let catalog_health = health(&other_process).await;
    let [incomplete_task] = catalog_health.incomplete_tasks.as_slice() else { panic!("{catalog_health:?}") };
    assert_eq!(incomplete_task.task, "cleanup");
    assert!(
        incomplete_task.problem.contains(remaining_archive)
            && catalog_health.problems[0].contains(remaining_archive),
        "{catalog_health:?}"
    );
    // An archive that still exists does not count as removed, even if the store reports that it was removed.
    store.fail([Fault::always(Operation::Delete, "archives/backup-", Failure::IgnoredSilently)]);
    let _ = shop.koan.maintenance().await.expect("maintenance completed");
    assert!(
        health(&other_process).await.incomplete_tasks[0]
            .problem
            .contains("although the storage reported its removal")
    );
    store.fail([]);
    let report = shop.koan.maintenance().await.expect("maintenance completed");
    assert_eq!((report.is_clean(), report.profiles[0].freed_bytes), (true, 5), "{report:?}");
    assert!(health(&other_process).await.is_healthy());
}

#[tokio::test]
async fn a_task_record_that_cannot_be_written_is_reported_and_a_damaged_record_counts_as_incomplete() {
    let (shop, store) = faulty_shop().await;
    shop.make_nightly_backups(2).await;
    let misspelt = || Retention::new().keep_last(1).exempt_tag("leagl");
    store.fail([Fault::always(Operation::Put, "maintenance", Failure::Forbidden)]);
    let report = shop.koan.maintenance().retention(misspelt()).await.expect("maintenance completed");
    let [refusal, unsaved_record] = report.profiles[0].failures.as_slice() else { panic!("{report:?}") };
    assert!(refusal.contains("leagl") && unsaved_record.contains("maintenance/retention.json"), "{report:?}");
    store.fail([]);
    std::fs::create_dir_all(shop.folder.path().join("maintenance")).expect("a folder");
    std::fs::write(shop.folder.path().join("maintenance/retention.json"), b"{").expect("written");
    let incomplete_tasks = health(&shop.koan).await.incomplete_tasks;
    assert!(
        incomplete_tasks.len() == 1 && incomplete_tasks[0].problem.contains("is damaged"),
        "{incomplete_tasks:?}"
    );
    let report = shop.koan.maintenance().retention(misspelt()).await.expect("maintenance completed");
    assert_eq!(report.profiles[0].failures.len(), 1, "{report:?}");
    assert_eq!(health(&shop.koan).await.incomplete_tasks.len(), 1);
}

#[tokio::test]
async fn damage_found_by_maintenance_is_visible_to_queries_until_it_is_repaired() {
    let shop = shop().await;
    let backup_ids = shop.make_nightly_backups(2).await;
    let archive = shop.archive_of(backup_ids[0]).await;
    let intact_bytes = std::fs::read(&archive).expect("read");
    std::fs::write(&archive, b"PK").expect("written");
    let other_process = shop.koan_of_another_process().await;
    let query = || other_process.catalog().query();
    let healthy_ids = async || ids(&query().healthy().await.expect("listed").entries);
    let attention_ids = async || ids(&query().requiring_attention().await.expect("listed").entries);
    assert_eq!(
        healthy_ids().await.len(),
        2,
        "the damage must not be known before maintenance verified the backup"
    );
    for _ in 0..2 {
        let _ = shop.koan.maintenance().await.expect("maintenance completed");
        shop.clock.pass(1);
    }
    assert_eq!((healthy_ids().await, attention_ids().await), (vec![backup_ids[1]], vec![backup_ids[0]]));
    let entry = other_process.catalog().get(backup_ids[0]).await.expect("the backup is listed");
    assert!(
        !entry.is_healthy() && entry.damage().is_some_and(|damage| damage.contains("damaged")),
        "{entry:?}"
    );
    let other = other_process.catalog().get(backup_ids[1]).await.expect("the backup is listed");
    assert!(other.is_healthy() && other.damage().is_none());
    assert_eq!(health(&other_process).await.damaged, [("local".to_owned(), backup_ids[0])]);
    // A damage record that cannot be read does not count as absent.
    let record = shop.folder.path().join(format!("damage/{}.json", backup_ids[0]));
    let text = std::fs::read(&record).expect("a damage record");
    std::fs::write(&record, b"{").expect("written");
    assert_eq!((healthy_ids().await, attention_ids().await), (vec![backup_ids[1]], vec![backup_ids[0]]));
    std::fs::write(&record, text).expect("written");
    std::fs::write(&archive, intact_bytes).expect("written");
    for _ in 0..2 {
        let _ = shop.koan.maintenance().await.expect("maintenance completed");
        shop.clock.pass(1);
    }
    assert_eq!((healthy_ids().await.len(), attention_ids().await.len()), (2, 0));
    assert!(health(&other_process).await.is_healthy());
}

#[tokio::test]
async fn damage_found_by_a_prune_is_visible_to_queries() {
    let shop = shop().await;
    let backup_ids = shop.make_nightly_backups(3).await;
    std::fs::write(shop.archive_of(backup_ids[2]).await, b"PK").expect("written");
    let retention = shop.koan.retention(Retention::new().keep_last(2));
    let plan = retention.plan().await.expect("a plan");
    let _ = retention.apply(&plan).await.expect("applied");
    let page =
        shop.koan_of_another_process().await.catalog().query().requiring_attention().await.expect("listed");
    assert_eq!(ids(&page.entries), [backup_ids[2]]);
}

#[tokio::test]
async fn a_maintenance_run_reads_each_manifest_once() {
    let (shop, store) = faulty_shop().await;
    shop.make_nightly_backups(4).await;
    let maintenance = || shop.koan.maintenance().retention(Retention::new().keep_last(3));
    let _ = maintenance().await.expect("maintenance completed");
    shop.make_nightly_backups(1).await;
    shop.koan.catalog().all().await.expect("listed");
    store.fail([]);
    let report = maintenance().await.expect("maintenance completed");
    assert!(report.is_clean() && report.profiles[0].verified.is_some(), "{report:?}");
    assert_eq!(report.profiles[0].pruned.as_ref().map(|pruned| pruned.removed.len()), Some(1));
    assert_eq!(
        store.call_count(Operation::List, "manifests"),
        2,
        "maintenance and the catalog must list the manifests once each"
    );
    // The four manifests are read once, and the manifest of the removed backup once more right before its
    // removal.
    assert_eq!(store.call_count(Operation::Get, "manifests"), 4 + 1);
    // The lease is confirmed before the manifest is removed and before the archive is removed.
    assert_eq!(
        store.call_count(Operation::Put, "leases/prune"),
        1 + 2 + 1,
        "the lease must be acquired once, confirmed twice and released once"
    );
}

#[tokio::test]
async fn sidecar_files_leases_and_cached_manifests_of_removed_backups_are_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = tempfile::tempdir().expect("a folder");
    let clock = HandClock::at(&jiff::Timestamp::now().to_string());
    let database = Scripted::default();
    database.put(&SetName::root(), &Invoice { id: 1 });
    let storage = Storage::local(folder.path()).expect("a folder");
    let koan = Koan::builder()
        .provider(database)
        .storage(storage)
        .catalog_cache(cache.path())
        .clock(clock.clone())
        .build()
        .await
        .expect("a context");
    let shop = Shop { koan, clock, folder };
    let backup_ids = shop.make_nightly_backups(3).await;
    std::fs::write(shop.archive_of(backup_ids[0]).await, b"PK").expect("written");
    for _ in 0..3 {
        let _ = shop.koan.maintenance().await.expect("maintenance completed");
        shop.clock.pass(1);
    }
    let cache_folder = std::fs::read_dir(cache.path())
        .expect("a folder")
        .next()
        .expect("a folder of the profile")
        .expect("readable")
        .path();
    let foreign = cache_folder.join("notes.json");
    std::fs::write(&foreign, b"mine").expect("written");
    let restore_leases = format!("leases/restore/{}", backup_ids[0]);
    let now = shop.clock.now();
    let lease = serde_json::json!({
        "formatVersion": 1, "subject": { "restore": backup_ids[0] }, "acquiredAt": now, "leaseSeconds": 60,
        "released": false, "expiresAt": now - jiff::Span::new().hours(25), "backup": backup_ids[0], "archive": null,
        "holder": { "token": uuid::Uuid::nil(), "application": "shop", "host": "other", "process": 7 },
    });
    std::fs::create_dir_all(shop.folder.path().join(&restore_leases)).expect("a folder");
    std::fs::write(shop.folder.path().join(&restore_leases).join("other.json"), lease.to_string())
        .expect("written");
    let name = |id: &BackupId| format!("{id}.json");
    let cached_count = || backup_ids.iter().filter(|id| cache_folder.join(name(id)).exists()).count();
    assert_eq!((shop.files("verifications").len(), shop.files("damage").len(), cached_count()), (3, 1, 3));
    let report = shop
        .koan
        .maintenance()
        .retention(Retention::new().keep_last(1))
        .await
        .expect("maintenance completed");
    assert!(report.is_clean(), "{report:?}");
    // The next run removes the sidecar files, leases and cached manifests of the removed backups.
    let report = shop.koan.maintenance().await.expect("maintenance completed");
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(shop.files("verifications"), [name(&backup_ids[2])]);
    assert_eq!(shop.files("damage"), [""; 0]);
    assert_eq!(shop.files(&restore_leases), [""; 0], "the lease of a killed restore must be removed");
    assert_eq!(cached_count(), 1);
    assert!(foreign.exists(), "a file whose name is not an id must stay in the cache");
}

fn lease(subject: &serde_json::Value, now: jiff::Timestamp) -> String {
    let lease = serde_json::json!({
        "formatVersion": 1, "subject": subject, "acquiredAt": now, "leaseSeconds": 60, "released": false,
        "expiresAt": now + jiff::Span::new().minutes(1), "backup": null, "archive": null,
        "holder": { "token": uuid::Uuid::nil(), "application": "shop", "host": "other", "process": 7 },
    });
    lease.to_string()
}

#[tokio::test]
async fn a_task_that_another_process_performs_is_skipped_and_its_record_does_not_change() {
    let shop = shop().await;
    shop.make_nightly_backups(2).await;
    let misspelt = || Retention::new().keep_last(1).exempt_tag("leagl");
    let _ = shop.koan.maintenance().retention(misspelt()).await.expect("maintenance completed");
    let folder = shop.folder.path().join("leases/prune");
    let prune = lease(&serde_json::json!("prune"), shop.clock.now());
    std::fs::write(folder.join("0000000009.json"), prune).expect("written");
    let allowed = misspelt().allow_idle_rules();
    let report = shop.koan.maintenance().retention(allowed.clone()).await.expect("maintenance completed");
    let profile = &report.profiles[0];
    assert!(report.is_clean() && profile.skipped.len() == 2 && profile.verified.is_some(), "{report:?}");
    assert!(report.is_busy(), "another process holds the lease: {report:?}");
    assert_eq!(profile.busy_tasks, ["cleanup", "retention"]);
    let incomplete_tasks = health(&shop.koan).await.incomplete_tasks;
    assert_eq!(
        incomplete_tasks.iter().map(|incomplete_task| incomplete_task.task.as_str()).collect::<Vec<_>>(),
        ["retention"]
    );
    shop.clock.pass(1);
    let report = shop.koan.maintenance().retention(allowed).await.expect("maintenance completed");
    assert!(report.is_clean() && report.profiles[0].skipped.is_empty(), "{report:?}");
    assert!(!report.is_busy(), "{report:?}");
    assert!(health(&shop.koan).await.is_healthy());
}

#[tokio::test]
async fn damage_that_the_prune_finds_is_not_clean() {
    let shop = shop().await;
    let backup_ids = shop.make_nightly_backups(3).await;
    let newest = backup_ids[2];
    std::fs::write(shop.archive_of(newest).await, b"PK").expect("written");
    let maintenance = shop.koan.maintenance().without_verification().without_cleanup();
    let report = maintenance.retention(Retention::new().keep_last(2)).await.expect("maintenance completed");
    let pruned = report.profiles[0].pruned.as_ref().expect("pruned");
    let damaged: Vec<_> = pruned.damaged.iter().map(|(id, _)| *id).collect();
    assert_eq!(damaged, [newest], "{report:?}");
    assert!(!report.is_clean(), "the prune found a damaged backup: {report:?}");
}

#[tokio::test]
async fn damage_is_reported_although_its_record_cannot_be_written() {
    let (shop, store) = faulty_shop().await;
    let backup_ids = shop.make_nightly_backups(1).await;
    std::fs::write(shop.archive_of(backup_ids[0]).await, b"PK").expect("written");
    store.fail([Fault::always(Operation::Put, "damage", Failure::Forbidden)]);
    let report = shop.koan.maintenance().await.expect("maintenance completed");
    let profile = &report.profiles[0];
    assert!(profile.verified == Some(backup_ids[0]) && profile.damage.is_some(), "{report:?}");
    assert!(profile.failures[0].contains("damage/"), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_removed_while_it_is_verified_is_not_reported_as_damaged() {
    let (shop, store) = faulty_shop().await;
    let backup_ids = shop.make_nightly_backups(1).await;
    let archive = shop.archive_of(backup_ids[0]).await;
    store.fail([Fault::once(Operation::Get, "archives", Failure::Held)]);
    let running = tokio::spawn(shop.koan.maintenance().into_future());
    store.until_called(Operation::Get, "archives", 1).await;
    std::fs::remove_file(shop.folder.path().join(format!("manifests/{}.json", backup_ids[0])))
        .expect("removed");
    let bytes = std::fs::metadata(&archive).expect("the archive exists").len();
    std::fs::write(
        &archive,
        vec![0; usize::try_from(bytes).expect("the size of the archive fits into usize")],
    )
    .expect("written");
    store.fail([]);
    let report = running.await.expect("the task did not panic").expect("maintenance completed");
    assert!(report.is_clean() && report.profiles[0].verified.is_none(), "{report:?}");
    assert_eq!(shop.files("damage"), [""; 0]);
}

#[tokio::test]
async fn maintenance_with_a_clock_that_is_behind_removes_nothing_and_removed_backups_are_not_verified() {
    let shop = shop().await;
    let backup_ids = shop.make_nightly_backups(2).await;
    let incomplete_archive = shop.folder.path().join("archives/backup-a-20260101-000000-0a1b2c3d.zip");
    std::fs::write(&incomplete_archive, b"12345").expect("written");
    set_file_age(&incomplete_archive, Duration::from_secs(30 * 86_400));
    shop.clock.pass(-72);
    let maintenance = || shop.koan.maintenance().retention(Retention::new().keep_last(1));
    let report = maintenance().await.expect("maintenance completed");
    let profile = &report.profiles[0];
    assert!(
        profile.failures.len() == 2 && profile.failures[1].contains("seconds in the future"),
        "{report:?}"
    );
    assert!(incomplete_archive.exists() && profile.verified == Some(backup_ids[1]), "{report:?}");
    shop.clock.pass(72);
    let report = maintenance().await.expect("maintenance completed");
    let pruned = report.profiles[0].pruned.as_ref().expect("pruned");
    assert_eq!(pruned.removed.iter().map(|backup| backup.id).collect::<Vec<_>>(), backup_ids[..1]);
    assert!(!incomplete_archive.exists());
    assert_eq!(
        report.profiles[0].verified,
        Some(backup_ids[1]),
        "the prune removed the unverified backup, so maintenance must verify the remaining backup"
    );
}

/// A clock that is ahead of the system clock by this number of seconds.
#[derive(Clone, Debug, Default)]
struct ClockAhead(Arc<AtomicI64>);

impl Clock for ClockAhead {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now() + jiff::Span::new().seconds(self.0.load(Ordering::Relaxed))
    }
}

#[tokio::test]
async fn maintenance_with_a_clock_that_differs_from_that_of_the_disk_removes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = ClockAhead::default();
    let database = Scripted::default();
    database.put(&SetName::root(), &Invoice { id: 1 });
    let storage = Storage::local(folder.path()).expect("a folder");
    let builder = Koan::builder().provider(database).storage(storage).clock(clock.clone());
    let koan = builder.build().await.expect("a context");
    for _ in 0..2 {
        let _ = koan.backup("nightly").await.expect("a backup");
    }
    let incomplete_archive = folder.path().join("archives/backup-a-20260101-000000-0a1b2c3d.zip");
    std::fs::write(&incomplete_archive, b"12345").expect("written");
    set_file_age(&incomplete_archive, Duration::from_secs(2 * 86_400));
    let retention = || koan.retention(Retention::new().keep_last(1));
    for ahead in [3600, 86_400] {
        clock.0.store(ahead, Ordering::Relaxed);
        let plan = retention().plan().await.expect("a plan");
        let error = retention().apply(&plan).await.expect_err("the clock differs from that of the disk");
        assert!(error.to_string().contains("seconds from the clock of storage"), "{error:?}");
        let report =
            koan.maintenance().retention(Retention::new().keep_last(1)).await.expect("maintenance completed");
        let failures = &report.profiles[0].failures;
        assert!(
            failures.len() == 2 && failures[0].contains("seconds from the clock of storage"),
            "{report:?}"
        );
        assert_eq!(koan.backups().await.expect("listed").len(), 2);
        assert!(incomplete_archive.exists());
    }
    clock.0.store(60, Ordering::Relaxed);
    let report =
        koan.maintenance().retention(Retention::new().keep_last(1)).await.expect("maintenance completed");
    assert!(report.is_clean() && !incomplete_archive.exists(), "{report:?}");
    assert_eq!(koan.backups().await.expect("listed").len(), 1);
}
