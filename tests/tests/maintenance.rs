//! Maintenance prunes, verifies each backup in turn, and removes only the files that crashed runs left.

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
    shop_over(storage, folder).await
}

async fn shop_over(storage: Storage, folder: tempfile::TempDir) -> Shop {
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
    (shop_over(store.storage(), folder).await, store)
}

async fn context(storage: Storage, clock: &HandClock) -> Koan {
    let database = Scripted::default();
    database.put(&SetName::root(), &Invoice { id: 1 });
    let builder = Koan::builder().provider("main", database).storage("local", storage).clock(clock.clone());
    builder.build().await.expect("a context")
}

async fn health(koan: &Koan) -> CatalogHealth {
    koan.catalog().health(&Expectations::new()).await.expect("looked at")
}

fn ids(entries: &[CatalogEntry]) -> Vec<BackupId> {
    entries.iter().map(CatalogEntry::id).collect()
}

impl Shop {
    /// Returns a context of another process with the same storage.
    async fn elsewhere(&self) -> Koan {
        context(Storage::local(self.folder.path()).expect("a folder"), &self.clock).await
    }

    async fn archive_of(&self, id: BackupId) -> PathBuf {
        let manifests = self.koan.backups().await.expect("listed");
        let manifest = manifests.iter().find(|manifest| manifest.id == id).expect("there");
        self.folder.path().join(&manifest.archive.as_ref().expect("an archive").file)
    }

    fn files(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path().join(folder)).into_iter().flatten();
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().expect("a name")).collect();
        names.sort();
        names
    }

    async fn nightly(&self, days: usize) -> Vec<BackupId> {
        let mut ids = Vec::new();
        for _ in 0..days {
            ids.push(self.koan.backup("nightly").await.expect("a backup").id());
            self.clock.pass(24);
        }
        ids
    }
}

fn age(file: &Path, by: Duration) {
    let file = std::fs::File::options().write(true).open(file).expect("a file");
    file.set_modified(SystemTime::now() - by).expect("a time");
}

#[tokio::test]
async fn every_backup_is_verified_in_its_turn_and_damage_is_told() {
    let shop = shop().await;
    let ids = shop.nightly(3).await;
    let mut verified = Vec::new();
    for _ in 0..4 {
        let report = shop.koan.maintenance().await.expect("ran");
        assert!(report.is_clean(), "{report:?}");
        verified.extend(report.profiles[0].verified);
        shop.clock.pass(1);
    }
    assert_eq!(
        verified,
        [ids[2], ids[1], ids[0], ids[2]],
        "the newest that never was, then the one longest ago"
    );
    let manifests = shop.koan.backups().await.expect("listed");
    let archive = shop.folder.path().join(&manifests[1].archive.as_ref().expect("an archive").file);
    std::fs::write(archive, b"PK").expect("written");
    let report = shop.koan.maintenance().await.expect("ran");
    assert!(!report.is_clean());
    assert_eq!(report.profiles[0].verified, Some(ids[1]));
    assert!(report.profiles[0].damage.is_some(), "{report:?}");
    let health = health(&shop.koan).await;
    assert_eq!(health.damaged, [("local".to_owned(), ids[1])]);
    let none = shop.koan.maintenance().without_verification().await.expect("ran");
    assert_eq!(none.profiles[0].verified, None);
}

#[tokio::test]
async fn leftovers_go_when_they_are_old_and_everything_else_stays() {
    let shop = shop().await;
    let ids = shop.nightly(1).await;
    let archives = shop.folder.path().join("archives");
    let kept =
        std::fs::read_dir(&archives).expect("a folder").next().expect("an archive").expect("an entry").path();
    age(&kept, Duration::from_secs(90 * 86_400));
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
        age(&archives.join(name), Duration::from_secs(3 * 86_400));
    }
    // Files that somebody else put there are not removed.
    let foreign = ["notes.txt#1", "notes.zip", "backup-of-my-own.zip", "backup-of-my-own.zip#1"];
    for name in foreign {
        std::fs::write(archives.join(name), b"mine").expect("written");
        age(&archives.join(name), Duration::from_secs(90 * 86_400));
    }
    let report = shop.koan.maintenance().without_cleanup().await.expect("ran");
    assert!(report.profiles[0].removed_files.is_empty());
    let report =
        shop.koan.maintenance().cleanup_older_than(Duration::from_secs(2 * 86_400)).await.expect("ran");
    let mut left = report.profiles[0].removed_files.clone();
    left.sort();
    assert_eq!(left, old.map(|name| format!("archives/{name}")), "{report:?}");
    assert_eq!(report.profiles[0].freed_bytes, 5 * u64::try_from(old.len()).expect("few"));
    assert!(young.iter().chain(&foreign).all(|name| archives.join(name).exists()));
    let verified = shop.koan.verify(ids[0]).await.expect("read");
    assert!(verified.is_valid(), "{verified:?}");
}

#[tokio::test]
async fn temporary_files_of_manifests_and_leases_go_when_they_are_old() {
    let shop = shop().await;
    let ids = shop.nightly(1).await;
    let old = [
        "leases/backup/nightly/0000000002.json#1".to_owned(),
        format!("leases/restore/{0}/{0}.json#12", ids[0]),
        format!("manifests/{}.json#1", ids[0]),
        format!("pins/{}.json#3", ids[0]),
        "removals/backup-a-20260101-000000-0a1b2c3d.zip.json#1".to_owned(),
        // A process leaves these files if it is killed while it makes the names in a folder durable.
        format!("archives/{}.json#1", ids[0]),
        format!("removals/{}.json#1", ids[0]),
        format!("leases/backup/nightly/{}.json#1", ids[0]),
        // A process leaves these files if it is killed while it tests whether the directory is durable.
        format!("koan-probe-{}", ids[0]),
        format!("koan-probe-{}#1", ids[0]),
    ];
    let mut expected = old.clone();
    expected.sort();
    let young = format!("manifests/{}.json#2", ids[0]);
    let unlike = format!("koan-probe-{}.txt", ids[0]);
    let simple = format!("koan-probe-{}", ids[0].to_string().replace('-', ""));
    let foreign = [
        unlike.as_str(),
        simple.as_str(),
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
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        std::fs::write(&file, b"123").expect("written");
        if path != young {
            age(&file, Duration::from_secs(3 * 86_400));
        }
    }
    let report = shop.koan.maintenance().await.expect("ran");
    let mut left = report.profiles[0].removed_files.clone();
    left.sort();
    assert_eq!(left, expected, "{report:?}");
    assert_eq!(report.profiles[0].freed_bytes, 3 * u64::try_from(old.len()).expect("few"));
    assert!(old.iter().all(|path| !shop.folder.path().join(path).exists()));
    assert!(foreign.iter().chain([&young.as_str()]).all(|path| shop.folder.path().join(path).exists()));
}

#[tokio::test]
async fn temporary_files_are_judged_by_the_time_at_which_maintenance_looked() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = HandClock::at(&(jiff::Timestamp::now() - Duration::from_secs(2 * 86_400)).to_string());
    let koan = context(Storage::local(folder.path()).expect("a folder"), &clock).await;
    let id = koan.backup("nightly").await.expect("a backup").id();
    let file = folder.path().join(format!("manifests/{id}.json#1"));
    std::fs::write(&file, b"123").expect("written");
    // The file is older than a day now, but was not when maintenance started.
    age(&file, Duration::from_secs(2 * 86_400 + 3600));
    let report = koan.maintenance().await.expect("ran");
    assert!(report.profiles[0].removed_files.is_empty() && file.exists(), "{report:?}");
    clock.pass(24);
    let report = koan.maintenance().await.expect("ran");
    assert!(!file.exists(), "{report:?}");
}

#[tokio::test]
async fn retention_is_applied_and_what_refuses_it_is_in_the_report() {
    let shop = shop().await;
    let ids = shop.nightly(4).await;
    let report = shop.koan.maintenance().retention(Retention::new().keep_last(2)).await.expect("ran");
    let pruned = report.profiles[0].pruned.as_ref().expect("pruned");
    assert_eq!(pruned.removed.iter().map(|backup| backup.id).collect::<Vec<_>>(), ids[..2]);
    let misspelt = Retention::new().keep_last(1).exempt_tag("leagl");
    let report = shop.koan.maintenance().retention(misspelt).await.expect("ran");
    assert!(report.profiles[0].failures[0].contains("leagl"), "{report:?}");
    assert!(report.profiles[0].verified.is_some(), "the rest is done all the same");
    assert_eq!(shop.koan.backups().await.expect("listed").len(), 2);
    let error = shop.koan.maintenance().retention(Retention::new()).await.expect_err("no rule");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let error = shop.koan.maintenance().profiles(["far"]).await.expect_err("no such profile");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_runs_again_and_again_until_it_is_stopped() {
    let shop = shop().await;
    let ids = shop.nightly(3).await;
    assert!(shop.koan.maintenance().every(Duration::ZERO).start().is_err());
    let task =
        shop.koan.maintenance().every(Duration::from_millis(5)).jitter(Duration::from_millis(5)).start();
    let task = task.expect("started");
    let verified = || {
        let report = task.last_report()?.expect("ran");
        report.profiles[0].verified
    };
    let seen = async |id| {
        while verified() != Some(id) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let all = async {
        for id in ids.iter().rev() {
            shop.clock.pass(1);
            seen(*id).await;
        }
    };
    all.await;
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
async fn an_archive_that_somebody_works_on_is_no_leftover_however_old() {
    let shop = shop().await;
    shop.nightly(1).await;
    let archive = "archives/backup-slow-20260101-000000-0a1b2c3d.zip";
    let file = shop.folder.path().join(archive);
    let temporary = shop.folder.path().join(format!("{archive}#1"));
    for file in [&file, &temporary] {
        std::fs::write(file, b"12345").expect("written");
        age(file, Duration::from_secs(30 * 86_400));
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
    let report = shop.koan.maintenance().await.expect("ran");
    assert!(report.is_clean() && report.profiles[0].removed_files.is_empty(), "{report:?}");
    shop.clock.pass(1);
    let report = shop.koan.maintenance().await.expect("ran");
    assert_eq!(
        report.profiles[0].removed_files,
        [archive.to_owned(), format!("{archive}#1")],
        "its holder is dead"
    );
}

/// A clock that calls a function once, when its time is read for the n-th time.
#[derive(Clone)]
struct Alarm {
    clock: HandClock,
    left: Arc<AtomicI64>,
    work: Arc<dyn Fn() + Send + Sync>,
}

impl std::fmt::Debug for Alarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Alarm").finish_non_exhaustive()
    }
}

impl Clock for Alarm {
    fn now(&self) -> jiff::Timestamp {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            (self.work)();
        }
        self.clock.now()
    }

    fn follows_system(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn an_archive_that_stays_because_somebody_works_on_its_backup_is_reported() {
    // Another process begins to rekey the backup, each time at a later moment of the run.
    let mut reported = 0;
    for moment in 1..40 {
        let shop = shop().await;
        let id = shop.nightly(1).await[0];
        let archive = shop.archive_of(id).await;
        let old = "archives/backup-nightly-20260101-000000-0a1b2c3d.zip";
        std::fs::copy(&archive, shop.folder.path().join(old)).expect("copied");
        age(&shop.folder.path().join(old), Duration::from_secs(3 * 86_400));
        let now = shop.clock.now();
        let lease = serde_json::json!({
            "formatVersion": 1, "subject": { "rekey": id }, "acquiredAt": now, "leaseSeconds": 60, "released": false,
            "expiresAt": now + jiff::Span::new().minutes(1), "backup": id, "archive": null,
            "holder": { "token": uuid::Uuid::nil(), "application": "shop", "host": "other", "process": 7 },
        });
        let folder = shop.folder.path().join(format!("leases/rekey/{id}"));
        let work = move || {
            std::fs::create_dir_all(&folder).expect("a folder");
            let number =
                (1..).find(|number| !folder.join(format!("{number:010}.json")).exists()).expect("one");
            std::fs::write(folder.join(format!("{number:010}.json")), lease.to_string()).expect("written");
        };
        let left = Arc::new(AtomicI64::new(0));
        let clock = Alarm { clock: shop.clock.clone(), left: Arc::clone(&left), work: Arc::new(work) };
        let database = Scripted::default();
        database.put(&SetName::root(), &Invoice { id: 1 });
        let koan = Koan::builder()
            .provider("main", database)
            .storage("local", Storage::local(shop.folder.path()).expect("a folder"))
            .clock(clock)
            .build()
            .await
            .expect("a context");
        left.store(moment, Ordering::SeqCst);
        let report = koan.maintenance().without_verification().await.expect("ran");
        let profile = &report.profiles[0];
        let is_there = shop.folder.path().join(old).exists();
        assert_eq!(profile.removed_files.is_empty(), is_there, "{moment}: {report:?}");
        let told =
            format!("archive `{old}` was not removed, because another process works on its backup {id}");
        if let Some(skipped) = profile.skipped.iter().find(|skipped| skipped.contains(&told)) {
            assert!(is_there && skipped.contains("process 7"), "{skipped}");
            reported += 1;
        }
    }
    assert!(reported > 0, "an archive stayed and nothing was said");
}

#[tokio::test]
async fn a_retention_that_was_refused_is_in_the_health_until_one_goes_well() {
    let shop = shop().await;
    shop.nightly(3).await;
    let misspelt = || Retention::new().keep_last(1).exempt_tag("leagl");
    let ran = shop.koan.maintenance().retention(misspelt()).await.expect("ran");
    assert!(!ran.is_clean());
    let elsewhere = shop.elsewhere().await;
    let told = health(&elsewhere).await;
    let [undone] = told.incomplete_tasks.as_slice() else { panic!("{told:?}") };
    assert_eq!((undone.profile.as_str(), undone.task.as_str()), ("local", "retention"));
    assert_eq!(undone.tried_at, shop.clock.now());
    assert!(undone.problem.contains("leagl"), "{undone:?}");
    let [problem] = told.problems.as_slice() else { panic!("{told:?}") };
    assert!(problem.contains("leagl") && problem.contains("did not complete `retention`"), "{problem}");
    // A run without a retention does not change the record of the failed retention.
    let _ = elsewhere.maintenance().await.expect("ran");
    assert_eq!(health(&elsewhere).await.incomplete_tasks.len(), 1);
    let ran = elsewhere.maintenance().retention(misspelt().allow_idle_rules()).await.expect("ran");
    assert!(ran.is_clean(), "{ran:?}");
    let told = health(&shop.koan).await;
    assert!(told.is_healthy() && told.incomplete_tasks.is_empty(), "{told:?}");
    assert_eq!(shop.files("maintenance"), [""; 0], "nothing is kept of what went well");
}

#[tokio::test]
async fn a_leftover_that_stays_is_in_the_health_until_it_is_gone() {
    let (shop, store) = faulty_shop().await;
    shop.nightly(1).await;
    let names = ["backup-a-20260101-000000-0a1b2c3d.zip", "backup-b-20260101-000000-0a1b2c3d.zip"];
    for name in names {
        let file = shop.folder.path().join("archives").join(name);
        std::fs::write(&file, b"12345").expect("written");
        age(&file, Duration::from_secs(3 * 86_400));
    }
    // Only the first removal fails, whichever archive it concerns.
    store.fail([Fault::once(Operation::Delete, "archives/backup-", Failure::Forbidden)]);
    let ran = shop.koan.maintenance().await.expect("ran");
    let profile = &ran.profiles[0];
    let [gone] = profile.removed_files.as_slice() else { panic!("the other goes all the same: {ran:?}") };
    let stays = if gone.contains(names[0]) { names[1] } else { names[0] };
    assert!(!ran.is_clean() && profile.failures[0].contains(stays), "{ran:?}");
    assert!(profile.verified.is_some(), "and the rest is done");
    let elsewhere = shop.elsewhere().await;
    let told = health(&elsewhere).await;
    let [undone] = told.incomplete_tasks.as_slice() else { panic!("{told:?}") };
    assert_eq!(undone.task, "cleanup");
    assert!(undone.problem.contains(stays) && told.problems[0].contains(stays), "{told:?}");
    // An archive that still exists is not removed, even if the store reports that it is.
    store.fail([Fault::always(Operation::Delete, "archives/backup-", Failure::Pretended)]);
    let _ = shop.koan.maintenance().await.expect("ran");
    assert!(
        health(&elsewhere).await.incomplete_tasks[0]
            .problem
            .contains("although the storage reported its removal")
    );
    store.fail([]);
    let ran = shop.koan.maintenance().await.expect("ran");
    assert_eq!((ran.is_clean(), ran.profiles[0].freed_bytes), (true, 5), "{ran:?}");
    assert!(health(&elsewhere).await.is_healthy());
}

#[tokio::test]
async fn what_cannot_be_kept_of_a_run_is_in_its_report_and_what_is_damaged_is_not_taken_for_done() {
    let (shop, store) = faulty_shop().await;
    shop.nightly(2).await;
    let misspelt = || Retention::new().keep_last(1).exempt_tag("leagl");
    store.fail([Fault::always(Operation::Put, "maintenance", Failure::Forbidden)]);
    let ran = shop.koan.maintenance().retention(misspelt()).await.expect("ran");
    let [refused, not_kept] = ran.profiles[0].failures.as_slice() else { panic!("{ran:?}") };
    assert!(refused.contains("leagl") && not_kept.contains("maintenance/retention.json"), "{ran:?}");
    store.fail([]);
    std::fs::create_dir_all(shop.folder.path().join("maintenance")).expect("a folder");
    std::fs::write(shop.folder.path().join("maintenance/retention.json"), b"{").expect("written");
    let undone = health(&shop.koan).await.incomplete_tasks;
    assert!(undone.len() == 1 && undone[0].problem.contains("is damaged"), "{undone:?}");
    let ran = shop.koan.maintenance().retention(misspelt()).await.expect("ran");
    assert_eq!(ran.profiles[0].failures.len(), 1, "{ran:?}");
    assert_eq!(health(&shop.koan).await.incomplete_tasks.len(), 1);
}

#[tokio::test]
async fn damage_that_maintenance_found_is_known_to_queries_until_it_is_mended() {
    let shop = shop().await;
    let ids_made = shop.nightly(2).await;
    let archive = shop.archive_of(ids_made[0]).await;
    let whole = std::fs::read(&archive).expect("read");
    std::fs::write(&archive, b"PK").expect("written");
    let elsewhere = shop.elsewhere().await;
    let query = || elsewhere.catalog().query();
    let healthy = async || ids(&query().healthy().await.expect("listed").entries);
    let attention = async || ids(&query().requiring_attention().await.expect("listed").entries);
    assert_eq!(healthy().await.len(), 2, "nobody knows of it yet");
    for _ in 0..2 {
        let _ = shop.koan.maintenance().await.expect("ran");
        shop.clock.pass(1);
    }
    assert_eq!((healthy().await, attention().await), (vec![ids_made[1]], vec![ids_made[0]]));
    let entry = elsewhere.catalog().get(ids_made[0]).await.expect("there");
    assert!(
        !entry.is_healthy() && entry.damage().is_some_and(|damage| damage.contains("damaged")),
        "{entry:?}"
    );
    let other = elsewhere.catalog().get(ids_made[1]).await.expect("there");
    assert!(other.is_healthy() && other.damage().is_none());
    assert_eq!(health(&elsewhere).await.damaged, [("local".to_owned(), ids_made[0])]);
    // A damage record that cannot be read does not count as absent.
    let record = shop.folder.path().join(format!("damage/{}.json", ids_made[0]));
    let text = std::fs::read(&record).expect("kept");
    std::fs::write(&record, b"{").expect("written");
    assert_eq!((healthy().await, attention().await), (vec![ids_made[1]], vec![ids_made[0]]));
    std::fs::write(&record, text).expect("written");
    std::fs::write(&archive, whole).expect("written");
    for _ in 0..2 {
        let _ = shop.koan.maintenance().await.expect("ran");
        shop.clock.pass(1);
    }
    assert_eq!((healthy().await.len(), attention().await.len()), (2, 0));
    assert!(health(&elsewhere).await.is_healthy());
}

#[tokio::test]
async fn damage_that_a_retention_meets_is_known_as_well() {
    let shop = shop().await;
    let ids_made = shop.nightly(3).await;
    std::fs::write(shop.archive_of(ids_made[2]).await, b"PK").expect("written");
    let retention = shop.koan.retention(Retention::new().keep_last(2));
    let plan = retention.plan().await.expect("a plan");
    retention.apply(&plan).await.expect("applied");
    let page = shop.elsewhere().await.catalog().query().requiring_attention().await.expect("listed");
    assert_eq!(ids(&page.entries), [ids_made[2]]);
}

#[tokio::test]
async fn a_run_looks_once_at_what_is_there() {
    let (shop, store) = faulty_shop().await;
    shop.nightly(4).await;
    let maintenance = || shop.koan.maintenance().retention(Retention::new().keep_last(3));
    let _ = maintenance().await.expect("ran");
    shop.nightly(1).await;
    shop.koan.catalog().all().await.expect("listed");
    store.fail([]);
    let ran = maintenance().await.expect("ran");
    assert!(ran.is_clean() && ran.profiles[0].verified.is_some(), "{ran:?}");
    assert_eq!(ran.profiles[0].pruned.as_ref().map(|pruned| pruned.removed.len()), Some(1));
    assert_eq!(store.asked(Operation::List, "manifests"), 2, "once, and once for the catalog");
    // The four manifests are read once, and the manifest of the removed backup once more right before its
    // removal.
    assert_eq!(store.asked(Operation::Get, "manifests"), 4 + 1);
    // The lease is confirmed before the manifest is removed and before the archive is removed.
    assert_eq!(
        store.asked(Operation::Put, "leases/prune"),
        1 + 2 + 1,
        "one lease, confirmed twice, released"
    );
}

#[tokio::test]
async fn what_is_known_of_backups_that_are_gone_goes_as_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = tempfile::tempdir().expect("a folder");
    let clock = HandClock::at(&jiff::Timestamp::now().to_string());
    let database = Scripted::default();
    database.put(&SetName::root(), &Invoice { id: 1 });
    let storage = Storage::local(folder.path()).expect("a folder");
    let koan = Koan::builder()
        .provider("main", database)
        .storage("local", storage)
        .catalog_cache(cache.path())
        .clock(clock.clone())
        .build()
        .await
        .expect("a context");
    let shop = Shop { koan, clock, folder };
    let ids_made = shop.nightly(3).await;
    std::fs::write(shop.archive_of(ids_made[0]).await, b"PK").expect("written");
    for _ in 0..3 {
        let _ = shop.koan.maintenance().await.expect("ran");
        shop.clock.pass(1);
    }
    let place = std::fs::read_dir(cache.path()).expect("a folder").next().expect("one").expect("one").path();
    let foreign = place.join("notes.json");
    std::fs::write(&foreign, b"mine").expect("written");
    let restored = format!("leases/restore/{}", ids_made[0]);
    let now = shop.clock.now();
    let lease = serde_json::json!({
        "formatVersion": 1, "subject": { "restore": ids_made[0] }, "acquiredAt": now, "leaseSeconds": 60,
        "released": false, "expiresAt": now - jiff::Span::new().hours(25), "backup": ids_made[0], "archive": null,
        "holder": { "token": uuid::Uuid::nil(), "application": "shop", "host": "other", "process": 7 },
    });
    std::fs::create_dir_all(shop.folder.path().join(&restored)).expect("a folder");
    std::fs::write(shop.folder.path().join(&restored).join("other.json"), lease.to_string())
        .expect("written");
    let name = |id: &BackupId| format!("{id}.json");
    let kept = || ids_made.iter().filter(|id| place.join(name(id)).exists()).count();
    assert_eq!((shop.files("verifications").len(), shop.files("damage").len(), kept()), (3, 1, 3));
    let ran = shop.koan.maintenance().retention(Retention::new().keep_last(1)).await.expect("ran");
    assert!(ran.is_clean(), "{ran:?}");
    // The next run removes the files about the backups that this run removed.
    let ran = shop.koan.maintenance().await.expect("ran");
    assert!(ran.is_clean(), "{ran:?}");
    assert_eq!(shop.files("verifications"), [name(&ids_made[2])]);
    assert_eq!(shop.files("damage"), [""; 0]);
    assert_eq!(shop.files(&restored), [""; 0], "a lease of a restore that was killed");
    assert_eq!(kept(), 1);
    assert!(foreign.exists(), "what is called otherwise is not ours");
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
async fn what_somebody_else_is_doing_is_skipped_and_neither_undone_nor_done() {
    let shop = shop().await;
    shop.nightly(2).await;
    let misspelt = || Retention::new().keep_last(1).exempt_tag("leagl");
    let _ = shop.koan.maintenance().retention(misspelt()).await.expect("ran");
    let folder = shop.folder.path().join("leases/prune");
    let prune = lease(&serde_json::json!("prune"), shop.clock.now());
    std::fs::write(folder.join("0000000009.json"), prune).expect("written");
    let allowed = misspelt().allow_idle_rules();
    let ran = shop.koan.maintenance().retention(allowed.clone()).await.expect("ran");
    let profile = &ran.profiles[0];
    assert!(ran.is_clean() && profile.skipped.len() == 2 && profile.verified.is_some(), "{ran:?}");
    let undone = health(&shop.koan).await.incomplete_tasks;
    assert_eq!(undone.iter().map(|undone| undone.task.as_str()).collect::<Vec<_>>(), ["retention"]);
    shop.clock.pass(1);
    let ran = shop.koan.maintenance().retention(allowed).await.expect("ran");
    assert!(ran.is_clean() && ran.profiles[0].skipped.is_empty(), "{ran:?}");
    assert!(health(&shop.koan).await.is_healthy());
}

#[tokio::test]
async fn damage_is_told_though_it_cannot_be_kept() {
    let (shop, store) = faulty_shop().await;
    let ids_made = shop.nightly(1).await;
    std::fs::write(shop.archive_of(ids_made[0]).await, b"PK").expect("written");
    store.fail([Fault::always(Operation::Put, "damage", Failure::Forbidden)]);
    let ran = shop.koan.maintenance().await.expect("ran");
    let profile = &ran.profiles[0];
    assert!(profile.verified == Some(ids_made[0]) && profile.damage.is_some(), "{ran:?}");
    assert!(profile.failures[0].contains("damage/"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_removed_while_it_is_verified_is_not_called_damaged() {
    let (shop, store) = faulty_shop().await;
    let ids_made = shop.nightly(1).await;
    let archive = shop.archive_of(ids_made[0]).await;
    store.fail([Fault::once(Operation::Get, "archives", Failure::Held)]);
    let running = tokio::spawn(shop.koan.maintenance().into_future());
    store.until_asked(Operation::Get, "archives", 1).await;
    std::fs::remove_file(shop.folder.path().join(format!("manifests/{}.json", ids_made[0])))
        .expect("removed");
    let bytes = std::fs::metadata(&archive).expect("there").len();
    std::fs::write(&archive, vec![0; usize::try_from(bytes).expect("small")]).expect("written");
    store.fail([]);
    let ran = running.await.expect("no panic").expect("ran");
    assert!(ran.is_clean() && ran.profiles[0].verified.is_none(), "{ran:?}");
    assert_eq!(shop.files("damage"), [""; 0]);
}

#[tokio::test]
async fn a_clock_that_is_behind_removes_nothing_and_what_a_retention_removed_is_not_verified() {
    let shop = shop().await;
    let ids_made = shop.nightly(2).await;
    let leftover = shop.folder.path().join("archives/backup-a-20260101-000000-0a1b2c3d.zip");
    std::fs::write(&leftover, b"12345").expect("written");
    age(&leftover, Duration::from_secs(30 * 86_400));
    shop.clock.pass(-72);
    let maintenance = || shop.koan.maintenance().retention(Retention::new().keep_last(1));
    let ran = maintenance().await.expect("ran");
    let profile = &ran.profiles[0];
    assert!(profile.failures.len() == 2 && profile.failures[1].contains("seconds after now"), "{ran:?}");
    assert!(leftover.exists() && profile.verified == Some(ids_made[1]), "{ran:?}");
    shop.clock.pass(72);
    let ran = maintenance().await.expect("ran");
    let pruned = ran.profiles[0].pruned.as_ref().expect("pruned");
    assert_eq!(pruned.removed.iter().map(|backup| backup.id).collect::<Vec<_>>(), ids_made[..1]);
    assert!(!leftover.exists());
    assert_eq!(
        ran.profiles[0].verified,
        Some(ids_made[1]),
        "the other one, which was never verified, is gone"
    );
}

/// The clock of a system that is ahead by this number of seconds.
#[derive(Clone, Debug, Default)]
struct Ahead(Arc<AtomicI64>);

impl Clock for Ahead {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now() + jiff::Span::new().seconds(self.0.load(Ordering::Relaxed))
    }
}

#[tokio::test]
async fn a_clock_that_is_not_that_of_the_disk_removes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Ahead::default();
    let database = Scripted::default();
    database.put(&SetName::root(), &Invoice { id: 1 });
    let storage = Storage::local(folder.path()).expect("a folder");
    let builder = Koan::builder().provider("main", database).storage("local", storage).clock(clock.clone());
    let koan = builder.build().await.expect("a context");
    for _ in 0..2 {
        koan.backup("nightly").await.expect("a backup");
    }
    let leftover = folder.path().join("archives/backup-a-20260101-000000-0a1b2c3d.zip");
    std::fs::write(&leftover, b"12345").expect("written");
    age(&leftover, Duration::from_secs(2 * 86_400));
    let retention = || koan.retention(Retention::new().keep_last(1));
    for ahead in [3600, 86_400] {
        clock.0.store(ahead, Ordering::Relaxed);
        let plan = retention().plan().await.expect("a plan");
        let error = retention().apply(&plan).await.expect_err("the disk has another time");
        assert!(error.to_string().contains("seconds from that of storage"), "{error:?}");
        let ran = koan.maintenance().retention(Retention::new().keep_last(1)).await.expect("ran");
        let failures = &ran.profiles[0].failures;
        assert!(failures.len() == 2 && failures[0].contains("seconds from that of storage"), "{ran:?}");
        assert_eq!(koan.backups().await.expect("listed").len(), 2);
        assert!(leftover.exists());
    }
    clock.0.store(60, Ordering::Relaxed);
    let ran = koan.maintenance().retention(Retention::new().keep_last(1)).await.expect("ran");
    assert!(ran.is_clean() && !leftover.exists(), "{ran:?}");
    assert_eq!(koan.backups().await.expect("listed").len(), 1);
}
