//! A file that is foreign or cannot be read affects only the operations that need it.

use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use koan_backup::prelude::*;
use koan_backup::{BackupId, Clock, Retention, SetName, catalog::Expectations};
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

async fn shop_with(storage: impl FnOnce(&std::path::Path) -> Storage) -> Shop {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = HandClock::at(&jiff::Timestamp::now().to_string());
    let database = Scripted::default();
    database.put(&SetName::root(), &Invoice { id: 1 });
    let builder = Koan::builder().provider(database).storage(storage(folder.path()));
    let koan = builder.clock(clock.clone()).build().await.expect("a context");
    Shop { koan, clock, folder }
}

impl Shop {
    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    async fn make_nightly_backups(&self, days: usize) -> Vec<BackupId> {
        let mut ids = Vec::new();
        for _ in 0..days {
            ids.push(self.koan.backup("nightly").await.expect("a backup").id());
            self.clock.pass(24);
        }
        ids
    }

    async fn listed(&self) -> Vec<BackupId> {
        let mut ids: Vec<_> =
            self.koan.backups().await.expect("listed").into_iter().map(|manifest| manifest.id).collect();
        ids.sort();
        ids
    }
}

#[tokio::test]
async fn foreign_files_do_not_stop_any_operation() {
    let shop = shop_with(|path| Storage::local(path).expect("a folder")).await;
    let ids = shop.make_nightly_backups(3).await;
    let id = ids[0];
    let lease_folder = std::fs::read_dir(shop.path("leases/backup"))
        .expect("leases")
        .next()
        .expect("a lease of a backup")
        .expect("readable");
    let lease_path = format!("leases/backup/{}", lease_folder.file_name().to_str().expect("a name"));
    let folders = [
        "manifests",
        "pins",
        "damage",
        "verifications",
        "maintenance",
        "uploads",
        "removals",
        "archives",
        "leases",
        "leases/prune",
        lease_path.as_str(),
        "leases/restore",
    ];
    for folder in folders {
        std::fs::create_dir_all(shop.path(folder)).expect("a folder");
        let names = [
            "._x.json".to_owned(),
            format!("._{id}.json"),
            ".DS_Store".to_owned(),
            "notes.txt".to_owned(),
            "notes.json".to_owned(),
            format!("{id} (conflicted copy 2026-11-29).json"),
            format!("{id}.sync-conflict-20261129-120000-ABCDEFG.json"),
            format!("{}.json", id.to_string().to_uppercase()),
            format!("{}.json", id.as_uuid().simple()),
            "a\u{7}b.json".to_owned(),
        ];
        for name in names {
            if !(folder == "leases/restore" && name == "notes.json") {
                std::fs::write(shop.path(folder).join(name), b"\0\x05\x16\x07").expect("written");
            }
        }
        std::fs::write(shop.path(folder).join(std::ffi::OsStr::from_bytes(b"\xff.json")), b"x")
            .expect("written");
        for subfolder in ["@eaDir", ".snapshot", "lost+found"] {
            std::fs::create_dir(shop.path(folder).join(subfolder)).expect("a folder");
            std::fs::write(shop.path(folder).join(subfolder).join(format!("{id}.json")), b"x")
                .expect("written");
        }
    }
    // A file `notes.json` in the lease folder of a subject that the test uses could be a lease, so the test
    // removes it.
    for folder in ["leases/prune", lease_path.as_str()] {
        std::fs::remove_file(shop.path(folder).join("notes.json")).expect("removed");
    }
    assert_eq!(shop.listed().await, ids);
    assert_eq!(shop.koan.catalog().all().await.expect("listed").len(), 3);
    let _ = shop.koan.restore("nightly").replace_existing().await.expect("restored");
    shop.koan.pin(ids[1], None, "an audit").await.expect("pinned");
    let newest = shop.make_nightly_backups(1).await;
    let report = shop
        .koan
        .maintenance()
        .retention(Retention::new().keep_last(1))
        .await
        .expect("maintenance completed");
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(shop.listed().await, [ids[1], newest[0]]);
    let health = shop.koan.catalog().health(&Expectations::new()).await.expect("the health was read");
    assert!(health.is_healthy(), "{health:?}");
    assert!(shop.koan.catalog().recover().await.expect("recovery completed").archives.is_empty());
}

#[tokio::test]
async fn an_unreadable_manifest_is_reported_and_does_not_hide_other_manifests() {
    let store = |path: &std::path::Path| {
        FaultyStore::over(Arc::new(LocalFileSystem::new_with_prefix(path).expect("a folder")))
    };
    let folder = tempfile::tempdir().expect("a folder");
    let store = store(folder.path());
    let shop = shop_with(|_| store.storage()).await;
    let ids = shop.make_nightly_backups(4).await;
    let path = format!("manifests/{}.json", ids[1]);
    let file = folder.path().join(&path);
    let intact = std::fs::read_to_string(&file).expect("a manifest");
    let newer = intact.replacen("\"formatVersion\": 1", "\"formatVersion\": 99", 1);
    // The content has 64 MiB and one byte, which is too large to be read.
    let large = format!("{intact}{}", " ".repeat((64 << 20) + 1 - intact.len()));
    let contents = ["", "{", "{}", "\0\0\0", newer.as_str(), large.as_str(), intact.as_str()];
    for content in contents {
        std::fs::write(&file, content).expect("written");
        // The last content is complete, but the store refuses to return it, as cold storage does with status
        // 403.
        let is_refused = content == intact;
        let path_part: &'static str = Box::leak(ids[1].to_string().into_boxed_str());
        store.fail(is_refused.then(|| Fault::always(Operation::Get, path_part, Failure::Forbidden)));
        let excerpt: String = content.chars().take(30).collect();
        assert_eq!(shop.listed().await, [ids[0], ids[2], ids[3]], "{excerpt}");
        let all = shop.koan.catalog().all().await.expect("listed");
        let unreadable = shop.koan.catalog().unreadable().await.expect("listed");
        if !is_refused {
            assert_eq!(all.len(), 3, "{excerpt}");
            assert!(unreadable.len() == 1 && unreadable[0].1.id == ids[1], "{excerpt}: {unreadable:?}");
            assert!(
                !unreadable[0].1.problem.contains("move it away, and with it its archive"),
                "{unreadable:?}"
            );
        }
        let health = shop.koan.catalog().health(&Expectations::new()).await.expect("the health was read");
        assert!(
            !health.is_healthy() && health.unreadable.len() == 1 && health.unlisted.is_empty(),
            "{excerpt}: {health:?}"
        );
        let _ = shop.koan.restore("nightly").replace_existing().await.expect("restored");
        shop.koan.verify(ids[1]).await.expect_err("the manifest cannot be read");
        let error = shop.koan.restore("weekly").await.expect_err("no backup has this name");
        assert!(error.to_string().contains("1 manifest(s) cannot be read"), "{error}");
        let report = shop
            .koan
            .maintenance()
            .retention(Retention::new().keep_last(3))
            .await
            .expect("maintenance completed");
        assert!(!report.is_clean() && report.profiles[0].failures.is_empty(), "{excerpt}: {report:?}");
        assert_eq!(report.profiles[0].unreadable.len(), 1);
        assert_eq!(
            report.profiles[0].pruned.as_ref().map(|pruned| pruned.removed.len()),
            Some(0),
            "{excerpt}"
        );
        assert!(
            report.profiles[0].removed_files.is_empty() && report.profiles[0].unlisted.len() <= 1,
            "{excerpt}: {report:?}"
        );
    }
    store.fail([]);
    std::fs::write(&file, &intact).expect("written");
    assert_eq!(shop.listed().await, ids);
}

#[tokio::test]
async fn the_use_of_an_older_backup_because_of_an_unreadable_newest_manifest_is_in_every_report() {
    let shop = shop_with(|path| Storage::local(path).expect("a folder")).await;
    let ids = shop.make_nightly_backups(3).await;
    let path = |id: BackupId| shop.path(&format!("manifests/{id}.json"));
    let reports_older_backup = |text: &str, unreadable: BackupId, used: BackupId| {
        text.contains(&path(unreadable).file_name().expect("a name").to_string_lossy().into_owned())
            && text.contains(&used.to_string())
            && text.contains("there may be a newer backup")
            && text.contains("recover()")
    };
    let intact = std::fs::read(path(ids[2])).expect("a manifest");
    std::fs::write(path(ids[2]), "{").expect("written");
    for reference in ["nightly", "latest"] {
        let is_reported = |messages: &[String]| {
            messages.iter().any(|message| reports_older_backup(message, ids[2], ids[1]))
        };
        let messages = |findings: &[koan_backup::provider::Finding]| -> Vec<String> {
            findings.iter().map(|finding| finding.message.clone()).collect()
        };
        let viability = shop.koan.restore(reference).viability().await.expect("assessed");
        assert!(is_reported(&messages(&viability.findings)), "{reference}: {viability:?}");
        let restored = shop.koan.restore(reference).replace_existing().await.expect("restored");
        assert_eq!(restored.id, ids[1]);
        assert!(is_reported(&messages(&restored.findings)), "{reference}: {restored:?}");
        let verified = shop.koan.verify(reference).await.expect("verified");
        assert!(is_reported(&verified.notes), "{reference}: {verified:?}");
        let diff = shop.koan.diff(ids[0], reference).await.expect("compared");
        assert!(is_reported(&diff.notes), "{reference}: {diff:?}");
    }
    let health = shop.koan.catalog().health(&Expectations::new()).await.expect("the health was read");
    assert!(health.problems.iter().any(|problem| problem.contains(&ids[2].to_string())), "{health:?}");
    // A restore by id uses exactly this backup, so no message is needed.
    let restored = shop.koan.restore(ids[1]).replace_existing().await.expect("restored");
    assert!(
        !restored.findings.iter().any(|finding| finding.message.contains("there may be a newer backup")),
        "{restored:?}"
    );
    // A manifest that cannot be read and is older than the newest backup does not matter.
    std::fs::write(path(ids[2]), intact).expect("written");
    std::fs::write(path(ids[0]), "{").expect("written");
    for reference in ["nightly", "latest"] {
        let verified = shop.koan.verify(reference).await.expect("verified");
        assert_eq!((verified.id, verified.notes.len()), (ids[2], 0), "{verified:?}");
    }
    // If no readable manifest is left, the error states the reason.
    for id in ids {
        std::fs::write(path(id), "{").expect("written");
    }
    for reference in ["nightly", "latest"] {
        let error = shop.koan.restore(reference).await.expect_err("no manifest can be read");
        assert!(error.to_string().contains("3 manifest(s) cannot be read"), "{reference}: {error:?}");
    }
}

#[tokio::test]
async fn a_backup_dated_in_the_future_does_not_satisfy_checks_of_age() {
    let shop = shop_with(|path| Storage::local(path).expect("a folder")).await;
    let past = shop.make_nightly_backups(1).await;
    let day = Duration::from_secs(86_400);
    let expected =
        Expectations::new().every(day).backup_every("nightly", day).entities_within(day).verified_within(day);
    let now = shop.clock.now();
    shop.clock.pass(24 * 365);
    let future = shop.make_nightly_backups(1).await;
    let _ = shop.koan.maintenance().await.expect("maintenance completed");
    shop.clock.set(now + jiff::Span::new().hours(48));
    let health = shop.koan.catalog().health(&expected).await.expect("the health was read");
    assert_eq!(health.created_in_future, future);
    assert_eq!(health.last_success.map(|(id, _)| id), Some(past[0]));
    assert_eq!(health.last_verification, None, "a verification in the future must not count");
    let is_reported = |text: &str| health.problems.iter().any(|problem| problem.contains(text));
    assert!(
        is_reported("is dated in the future") && is_reported("no backup has been completed since"),
        "{health:?}"
    );
    assert!(
        is_reported("no backup called `nightly` has been completed since")
            && is_reported("`Invoice` was last backed up"),
        "{health:?}"
    );
    assert!(is_reported("no backup was verified within"), "{health:?}");
}
