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

async fn shop_over(storage: impl FnOnce(&std::path::Path) -> Storage) -> Shop {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = HandClock::at(&jiff::Timestamp::now().to_string());
    let database = Scripted::default();
    database.put(&SetName::root(), &Invoice { id: 1 });
    let builder = Koan::builder().provider("main", database).storage("local", storage(folder.path()));
    let koan = builder.clock(clock.clone()).build().await.expect("a context");
    Shop { koan, clock, folder }
}

impl Shop {
    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    async fn nightly(&self, days: usize) -> Vec<BackupId> {
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
async fn files_that_are_not_ours_stop_nothing() {
    let shop = shop_over(|path| Storage::local(path).expect("a folder")).await;
    let ids = shop.nightly(3).await;
    let id = ids[0];
    let named =
        std::fs::read_dir(shop.path("leases/backup")).expect("leases").next().expect("one").expect("read");
    let of_name = format!("leases/backup/{}", named.file_name().to_str().expect("a name"));
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
        of_name.as_str(),
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
        for below in ["@eaDir", ".snapshot", "lost+found"] {
            std::fs::create_dir(shop.path(folder).join(below)).expect("a folder");
            std::fs::write(shop.path(folder).join(below).join(format!("{id}.json")), b"x").expect("written");
        }
    }
    // A foreign file in the lease folder of one of the used subjects could be a lease, so the test removes
    // it.
    for folder in ["leases/prune", of_name.as_str()] {
        std::fs::remove_file(shop.path(folder).join("notes.json")).expect("removed");
    }
    assert_eq!(shop.listed().await, ids);
    assert_eq!(shop.koan.catalog().all().await.expect("listed").len(), 3);
    shop.koan.restore("nightly").replace_existing().await.expect("restored");
    shop.koan.pin(ids[1], None, "an audit").await.expect("pinned");
    let more = shop.nightly(1).await;
    let ran = shop.koan.maintenance().retention(Retention::new().keep_last(1)).await.expect("ran");
    assert!(ran.is_clean(), "{ran:?}");
    assert_eq!(shop.listed().await, [ids[1], more[0]]);
    let health = shop.koan.catalog().health(&Expectations::new()).await.expect("looked at");
    assert!(health.is_healthy(), "{health:?}");
    assert!(shop.koan.catalog().recover().await.expect("ran").archives.is_empty());
}

#[tokio::test]
async fn a_manifest_that_cannot_be_read_is_reported_and_hides_no_other() {
    let store = |path: &std::path::Path| {
        FaultyStore::over(Arc::new(LocalFileSystem::new_with_prefix(path).expect("a folder")))
    };
    let folder = tempfile::tempdir().expect("a folder");
    let store = store(folder.path());
    let shop = shop_over(|_| store.storage()).await;
    let ids = shop.nightly(4).await;
    let path = format!("manifests/{}.json", ids[1]);
    let file = folder.path().join(&path);
    let whole = std::fs::read_to_string(&file).expect("a manifest");
    let newer = whole.replacen("\"formatVersion\": 1", "\"formatVersion\": 99", 1);
    // The content has 64 MiB and one byte, which is too large to be read.
    let large = format!("{whole}{}", " ".repeat((64 << 20) + 1 - whole.len()));
    let contents = ["", "{", "{}", "\0\0\0", newer.as_str(), large.as_str(), whole.as_str()];
    for content in contents {
        std::fs::write(&file, content).expect("written");
        // The last content is complete, but the store does not return it: cold storage answers with status
        // 403.
        let cold = content == whole;
        let leaked: &'static str = Box::leak(ids[1].to_string().into_boxed_str());
        store.fail(cold.then(|| Fault::always(Operation::Get, leaked, Failure::Forbidden)));
        let shown: String = content.chars().take(30).collect();
        assert_eq!(shop.listed().await, [ids[0], ids[2], ids[3]], "{shown}");
        let all = shop.koan.catalog().all().await.expect("listed");
        let unreadable = shop.koan.catalog().unreadable().await.expect("listed");
        if !cold {
            assert_eq!(all.len(), 3, "{shown}");
            assert!(unreadable.len() == 1 && unreadable[0].1.id == ids[1], "{shown}: {unreadable:?}");
            assert!(
                !unreadable[0].1.problem.contains("move it away, and with it its archive"),
                "{unreadable:?}"
            );
        }
        let health = shop.koan.catalog().health(&Expectations::new()).await.expect("looked at");
        assert!(
            !health.is_healthy() && health.unreadable.len() == 1 && health.unlisted.is_empty(),
            "{shown}: {health:?}"
        );
        shop.koan.restore("nightly").replace_existing().await.expect("restored");
        shop.koan.verify(ids[1]).await.expect_err("it cannot be read");
        let error = shop.koan.restore("weekly").await.expect_err("there is none");
        assert!(error.to_string().contains("1 manifest(s) cannot be read"), "{error}");
        let ran = shop.koan.maintenance().retention(Retention::new().keep_last(3)).await.expect("ran");
        assert!(!ran.is_clean() && ran.profiles[0].failures.is_empty(), "{shown}: {ran:?}");
        assert_eq!(ran.profiles[0].unreadable.len(), 1);
        assert_eq!(ran.profiles[0].pruned.as_ref().map(|pruned| pruned.removed.len()), Some(0), "{shown}");
        assert!(
            ran.profiles[0].removed_files.is_empty() && ran.profiles[0].unlisted.len() <= 1,
            "{shown}: {ran:?}"
        );
    }
    store.fail([]);
    std::fs::write(&file, &whole).expect("written");
    assert_eq!(shop.listed().await, ids);
}

#[tokio::test]
async fn an_older_backup_that_is_used_because_the_newest_cannot_be_read_is_reported_where_the_user_looks() {
    let shop = shop_over(|path| Storage::local(path).expect("a folder")).await;
    let ids = shop.nightly(3).await;
    let path = |id: BackupId| shop.path(&format!("manifests/{id}.json"));
    let says = |text: &str, unread: BackupId, used: BackupId| {
        text.contains(&path(unread).file_name().expect("a name").to_string_lossy().into_owned())
            && text.contains(&used.to_string())
            && text.contains("there may be a newer backup")
            && text.contains("recover()")
    };
    let whole = std::fs::read(path(ids[2])).expect("a manifest");
    std::fs::write(path(ids[2]), "{").expect("written");
    for wanted in ["nightly", "latest"] {
        let told = |messages: &[String]| messages.iter().any(|message| says(message, ids[2], ids[1]));
        let messages = |findings: &[koan_backup::provider::Finding]| -> Vec<String> {
            findings.iter().map(|finding| finding.message.clone()).collect()
        };
        let viability = shop.koan.restore(wanted).viability().await.expect("assessed");
        assert!(told(&messages(&viability.findings)), "{wanted}: {viability:?}");
        let restored = shop.koan.restore(wanted).replace_existing().await.expect("restored");
        assert_eq!(restored.id, ids[1]);
        assert!(told(&messages(&restored.findings)), "{wanted}: {restored:?}");
        let verified = shop.koan.verify(wanted).await.expect("verified");
        assert!(told(&verified.notes), "{wanted}: {verified:?}");
        let differs = shop.koan.diff(ids[0], wanted).await.expect("compared");
        assert!(told(&differs.notes), "{wanted}: {differs:?}");
    }
    let health = shop.koan.catalog().health(&Expectations::new()).await.expect("looked at");
    assert!(health.problems.iter().any(|problem| problem.contains(&ids[2].to_string())), "{health:?}");
    // A restore by id uses exactly this backup, so no message is needed.
    let restored = shop.koan.restore(ids[1]).replace_existing().await.expect("restored");
    assert!(
        !restored.findings.iter().any(|finding| finding.message.contains("there may be a newer backup")),
        "{restored:?}"
    );
    // A manifest that cannot be read and is older than the newest backup does not matter.
    std::fs::write(path(ids[2]), whole).expect("written");
    std::fs::write(path(ids[0]), "{").expect("written");
    for wanted in ["nightly", "latest"] {
        let verified = shop.koan.verify(wanted).await.expect("verified");
        assert_eq!((verified.id, verified.notes.len()), (ids[2], 0), "{verified:?}");
    }
    // If no readable manifest is left, the error states the reason.
    for id in ids {
        std::fs::write(path(id), "{").expect("written");
    }
    for wanted in ["nightly", "latest"] {
        let error = shop.koan.restore(wanted).await.expect_err("none can be read");
        assert!(error.to_string().contains("3 manifest(s) cannot be read"), "{wanted}: {error:?}");
    }
}

#[tokio::test]
async fn a_backup_dated_in_the_future_does_not_silence_checks_of_age() {
    let shop = shop_over(|path| Storage::local(path).expect("a folder")).await;
    let past = shop.nightly(1).await;
    let day = Duration::from_secs(86_400);
    let expected =
        Expectations::new().every(day).backup_every("nightly", day).entities_within(day).verified_within(day);
    let now = shop.clock.now();
    shop.clock.pass(24 * 365);
    let future = shop.nightly(1).await;
    let _ = shop.koan.maintenance().await.expect("ran");
    shop.clock.set(now + jiff::Span::new().hours(48));
    let health = shop.koan.catalog().health(&expected).await.expect("looked at");
    assert_eq!(health.future, future);
    assert_eq!(health.last_success.map(|(id, _)| id), Some(past[0]));
    assert_eq!(health.last_verification, None, "that was in the future, too");
    let told = |text: &str| health.problems.iter().any(|problem| problem.contains(text));
    assert!(told("is dated in the future") && told("no backup was completed since"), "{health:?}");
    assert!(
        told("no backup called `nightly` was completed since") && told("`Invoice` was last backed up"),
        "{health:?}"
    );
    assert!(told("no backup was verified within"), "{health:?}");
}
