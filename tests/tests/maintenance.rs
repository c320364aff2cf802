//! Maintenance prunes, verifies each backup in its turn, and removes what crashed runs left, and nothing else.

use std::path::Path;
use std::time::{Duration, SystemTime};

use koan_backup::prelude::*;
use koan_backup::{BackupId, CancellationToken, Clock as _, Retention, SetName};
use koan_backup_tests::hand_clock::HandClock;
use koan_backup_tests::scripted::Scripted;
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
    // Files have the time of this machine.
    let clock = HandClock::at(&jiff::Timestamp::now().to_string());
    let database = Scripted::default();
    database.put(&SetName::root(), &Invoice { id: 1 });
    let koan = Koan::builder()
        .provider("main", database)
        .storage("local", Storage::local(folder.path()).expect("a folder"))
        .clock(clock.clone())
        .build()
        .await
        .expect("a context");
    Shop { koan, clock, folder }
}

impl Shop {
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
    let health = shop.koan.catalog().health(&koan_backup::Expectations::new()).await.expect("looked at");
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
    // What somebody else put there is not ours.
    let foreign = ["notes.txt#1", "notes.zip", "backup-of-my-own.zip", "backup-of-my-own.zip#1"];
    for name in foreign {
        std::fs::write(archives.join(name), b"mine").expect("written");
        age(&archives.join(name), Duration::from_secs(90 * 86_400));
    }
    let report = shop.koan.maintenance().without_leftovers().await.expect("ran");
    assert!(report.profiles[0].leftovers.is_empty());
    let report =
        shop.koan.maintenance().leftovers_older_than(Duration::from_secs(2 * 86_400)).await.expect("ran");
    let mut left = report.profiles[0].leftovers.clone();
    left.sort();
    assert_eq!(left, old.map(|name| format!("archives/{name}")), "{report:?}");
    assert_eq!(report.profiles[0].freed_bytes, 15);
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
    ];
    let young = format!("manifests/{}.json#2", ids[0]);
    let foreign = [
        "manifests/notes.json#1",
        "manifests/0000000001.json#a",
        "manifests/0000000001.json#",
        "notes/0000000001.json#1",
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
    let mut left = report.profiles[0].leftovers.clone();
    left.sort();
    assert_eq!(left, old, "{report:?}");
    assert_eq!(report.profiles[0].freed_bytes, 12);
    assert!(old.iter().all(|path| !shop.folder.path().join(path).exists()));
    assert!(foreign.iter().chain([&young.as_str()]).all(|path| shop.folder.path().join(path).exists()));
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
    tokio::time::timeout(Duration::from_secs(30), all).await.expect("each had its turn");
    tokio::time::timeout(Duration::from_secs(10), task.stop()).await.expect("stopped");

    let token = CancellationToken::new();
    let task = shop.koan.maintenance().every(Duration::from_secs(3600)).cancel_on(token.clone()).start();
    let task = task.expect("started");
    token.cancel();
    tokio::time::timeout(Duration::from_secs(10), task.stop()).await.expect("stopped");
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
    assert!(report.is_clean() && report.profiles[0].leftovers.is_empty(), "{report:?}");
    shop.clock.pass(1);
    let report = shop.koan.maintenance().await.expect("ran");
    assert_eq!(
        report.profiles[0].leftovers,
        [archive.to_owned(), format!("{archive}#1")],
        "its holder is dead"
    );
}
