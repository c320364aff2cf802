//! Retention is applied to real backups: exactly what the plan says goes, and it is gone.

use std::future::IntoFuture as _;
use std::path::Path;

use koan_backup::prelude::*;
use koan_backup::{BackupId, Clock as _, Manifest, Retention, SetName};
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};
use koan_backup_tests::hand_clock::HandClock;
use koan_backup_tests::scripted::{Script, Scripted};
use object_store::local::LocalFileSystem;
use serde::{Deserialize, Serialize};

koan_backup::entity_backup_scope!(mode = All);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
struct Invoice {
    id: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup(retention_days = 30)]
struct Visit {
    id: i64,
}

struct Shop {
    koan: Koan,
    clock: HandClock,
    store: FaultyStore,
    folder: tempfile::TempDir,
}

async fn shop() -> Shop {
    shop_of(Scripted::default()).await
}

async fn shop_of(database: Scripted) -> Shop {
    let folder = tempfile::tempdir().expect("a folder");
    let store = FaultyStore::over(std::sync::Arc::new(
        LocalFileSystem::new_with_prefix(folder.path()).expect("a folder"),
    ));
    let clock = HandClock::at("2026-11-01T03:00:00Z");
    database.put(&SetName::root(), &Invoice { id: 1 });
    database.put(&SetName::root(), &Visit { id: 1 });
    let koan = Koan::builder()
        .provider("main", database)
        .storage("local", store.storage())
        .clock(clock.clone())
        .build()
        .await
        .expect("a context");
    Shop { koan, clock, store, folder }
}

impl Shop {
    /// One backup of invoices a day.
    async fn nightly(&self, days: usize) -> Vec<BackupId> {
        let mut ids = Vec::new();
        for _ in 0..days {
            ids.push(self.koan.backup("nightly").entity::<Invoice>().await.expect("a backup").id());
            self.clock.pass(24);
        }
        ids
    }

    async fn ids(&self) -> Vec<BackupId> {
        let mut ids: Vec<_> = self.manifests().await.iter().map(|manifest| manifest.id).collect();
        ids.sort();
        ids
    }

    async fn manifests(&self) -> Vec<Manifest> {
        self.koan.backups().await.expect("listed")
    }

    fn archives(&self) -> usize {
        std::fs::read_dir(self.folder.path().join("archives")).expect("a folder").count()
    }

    fn archive_of(&self, manifests: &[Manifest], id: BackupId) -> std::path::PathBuf {
        let manifest = manifests.iter().find(|manifest| manifest.id == id).expect("there");
        self.folder.path().join(&manifest.archive.as_ref().expect("an archive").file)
    }

    /// Why a plan of this retention is not applied; nothing is removed.
    async fn refused(&self, retention: Retention) -> Error {
        let before = self.ids().await;
        let retention = self.koan.retention(retention);
        let plan = retention.plan().await.expect("a plan");
        let error = retention.apply(&plan).await.expect_err("refused");
        assert_eq!(self.ids().await, before, "nothing is removed: {error:?}");
        error
    }
}

fn size_of(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").metadata().expect("a file").len()).sum()
}

#[tokio::test]
async fn exactly_what_the_plan_says_is_gone_and_what_was_freed_is_told() {
    let shop = shop().await;
    let ids = shop.nightly(5).await;
    let used =
        || size_of(&shop.folder.path().join("archives")) + size_of(&shop.folder.path().join("manifests"));
    let before = used();
    let retention = shop.koan.retention(Retention::new().keep_last(2));
    let plan = retention.plan().await.expect("a plan");
    assert_eq!(shop.ids().await, ids, "a plan removes nothing");
    let report = retention.apply(&plan).await.expect("applied");
    let removed: Vec<_> = report.removed.iter().map(|backup| backup.id).collect();
    assert_eq!(removed, ids[..3], "oldest first");
    assert_eq!(report.verified, [ids[4]]);
    assert_eq!(shop.ids().await, ids[3..]);
    assert_eq!(shop.archives(), 2);
    assert_eq!(before - used(), report.freed_bytes());
    let again = retention.plan().await.expect("a plan");
    assert_eq!(again.removals().count(), 0, "{again}");
}

#[tokio::test]
async fn days_of_an_entity_are_those_of_its_attribute() {
    let shop = shop().await;
    let visits = |name: &'static str| shop.koan.backup(name).entity::<Visit>();
    let old = visits("visits").await.expect("a backup").id();
    shop.clock.pass(24 * 29);
    visits("visits").await.expect("a backup");
    let plan = || async { shop.koan.retention(Retention::new().keep_last(1)).plan().await.expect("a plan") };
    assert_eq!(plan().await.removals().count(), 0, "{}", plan().await);
    shop.clock.pass(48);
    let plan = plan().await;
    assert_eq!(plan.removals().map(|decision| decision.id).collect::<Vec<_>>(), [old], "{plan}");
    assert!(plan.to_string().contains("the 30 days of its entities have passed"), "{plan}");
}

#[tokio::test]
async fn what_changed_since_the_plan_refuses_it() {
    let shop = shop().await;
    let ids = shop.nightly(3).await;
    let retention = shop.koan.retention(Retention::new().keep_last(1));
    let plan = retention.plan().await.expect("a plan");
    shop.koan.pin(ids[0], None, "audit").await.expect("pinned");
    let error = retention.apply(&plan).await.expect_err("pinned meanwhile");
    assert!(error.to_string().contains("was changed, or pinned"), "{error:?}");
    assert!(shop.koan.unpin(ids[0], None).await.expect("unpinned"));
    shop.koan.backup("nightly").await.expect("a backup");
    let error = retention.apply(&plan).await.expect_err("one more");
    assert!(error.to_string().contains("was added since the plan was made"), "{error:?}");
    assert_eq!(shop.archives(), 4);
}

#[tokio::test]
async fn a_clock_that_looks_wrong_refuses() {
    let shop = shop().await;
    shop.nightly(3).await;
    let retention = shop.koan.retention(Retention::new().keep_last(1));
    let plan = retention.plan().await.expect("a plan");
    shop.clock.pass(1);
    let error = retention.apply(&plan).await.expect_err("an hour on within a moment");
    assert!(error.to_string().contains("was set since the plan was made"), "{error:?}");
    shop.clock.pass(-2);
    let error = retention.apply(&plan).await.expect_err("back");
    assert!(error.to_string().contains("looks wrong"), "{error:?}");
    shop.clock.pass(-48);
    let error = retention.plan().await.expect_err("behind the newest backup");
    assert!(error.to_string().contains("seconds after now"), "{error:?}");
    assert_eq!(shop.archives(), 3);
}

#[tokio::test]
async fn a_rule_that_keeps_nothing_refuses_unless_it_is_allowed() {
    let shop = shop().await;
    let ids = shop.nightly(3).await;
    let misspelt = || Retention::new().keep_last(1).exempt_tag("leagl");
    let error = shop.refused(misspelt()).await;
    assert!(error.to_string().contains("`exempt_tag(leagl)`"), "{error:?}");
    let allowed = shop.koan.retention(misspelt().allow_idle_rules());
    let plan = allowed.plan().await.expect("a plan");
    allowed.apply(&plan).await.expect("applied");
    assert_eq!(shop.ids().await, ids[2..]);
    let error = shop.koan.retention(Retention::new()).plan().await.expect_err("no rule");
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

#[tokio::test]
async fn the_newest_backup_that_verifies_is_never_removed() {
    let shop = shop().await;
    let ids = shop.nightly(4).await;
    let manifests = shop.manifests().await;
    std::fs::remove_file(shop.archive_of(&manifests, ids[3])).expect("removed");
    let error = shop.refused(Retention::new().keep_last(1)).await;
    let text = error.to_string();
    assert!(text.contains(&ids[2].to_string()) && text.contains(&ids[3].to_string()), "{error:?}");
    // One that stays verifies: what is older may go.
    let retention = shop.koan.retention(Retention::new().keep_last(2));
    let plan = retention.plan().await.expect("a plan");
    let report = retention.apply(&plan).await.expect("applied");
    assert_eq!(report.verified, [ids[2]]);
    assert_eq!(report.damaged.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [ids[3]]);
    assert_eq!(shop.ids().await, ids[2..]);
    std::fs::write(shop.archive_of(&manifests, ids[2]), b"PK").expect("damaged");
    let error = shop.refused(Retention::new().keep_last(1)).await;
    assert!(error.to_string().contains("no backup called `nightly` verifies"), "{error:?}");
}

#[tokio::test]
async fn what_is_left_of_a_failed_backup_stays_while_the_completed_one_is_damaged() {
    let dies_at = Some(("Visit".to_owned(), 0));
    let shop = shop_of(Scripted::new(Script { dies_at, ..Script::default() })).await;
    let failed = shop.koan.backup("nightly").continue_on_error().await.expect("in part").id();
    shop.clock.pass(24);
    let complete = shop.nightly(1).await[0];
    let archive = shop.archive_of(&shop.manifests().await, complete);
    std::fs::write(&archive, b"PK").expect("written");
    let error = shop.refused(Retention::new().keep_last(1)).await;
    assert!(error.to_string().contains("no backup called `nightly` verifies"), "{error:?}");
    assert!(shop.archive_of(&shop.manifests().await, failed).exists(), "its invoices are all there is");
}

#[tokio::test]
async fn a_failed_backup_removes_nothing_on_its_account() {
    let shop = shop().await;
    let ids = shop.nightly(2).await;
    shop.store.fail([Fault::always(Operation::Begin, "archives", Failure::Forbidden)]);
    shop.koan.backup("nightly").await.expect_err("the store refuses");
    shop.store.fail([]);
    let plan = shop.koan.retention(Retention::new().keep_last(2)).plan().await.expect("a plan");
    assert_eq!((plan.removals().count(), plan.decisions.len()), (0, 3), "{plan}");
    assert!(plan.decisions.iter().any(|decision| decision.id == ids[0]), "{plan}");
}

#[tokio::test]
async fn what_is_not_gone_is_not_called_removed() {
    let shop = shop().await;
    let ids = shop.nightly(3).await;
    let apply = || async {
        let retention = shop.koan.retention(Retention::new().keep_last(1));
        let plan = retention.plan().await.expect("a plan");
        retention.apply(&plan).await
    };
    // The manifest stays: the backup is as before.
    shop.store.fail([Fault::always(Operation::Delete, "manifests", Failure::Forbidden)]);
    let error = apply().await.expect_err("refused");
    assert!(error.chain().contains(&format!("backup {} was not removed", ids[0])), "{error:?}");
    shop.store.fail([]);
    assert_eq!(shop.ids().await, ids);
    let verified = shop.koan.verify(ids[0]).await.expect("read");
    assert!(verified.is_valid(), "{verified:?}");
    // The second archive stays: its backup does not exist any more, and that is said, with what went before.
    let fault = Fault::always(Operation::Delete, "archives", Failure::Broken);
    shop.store.fail([Fault { after: 1, ..fault }]);
    let error = apply().await.expect_err("refused");
    let chain = error.chain();
    assert!(chain.contains(&format!("pruning stopped after it had removed `{}`", ids[0])), "{error:?}");
    assert!(chain.contains("its archive") && chain.contains("is still there"), "{error:?}");
    shop.store.fail([]);
    assert_eq!(shop.ids().await, ids[2..]);
    assert_eq!(shop.archives(), 2, "one belongs to no backup");
}

#[tokio::test]
async fn a_store_that_says_it_removed_something_and_did_not_is_found_out() {
    let shop = shop().await;
    let ids = shop.nightly(2).await;
    for (what, told) in [("manifests", "it is as before"), ("archives", "is still there")] {
        shop.store.fail([Fault::always(Operation::Delete, what, Failure::Pretended)]);
        let error = shop.koan.delete(ids[0]).await.expect_err("it is still there");
        let chain = error.chain();
        assert!(chain.contains(told) && chain.contains("which said that it was removed"), "{error:?}");
    }
}

#[tokio::test]
async fn one_backup_is_deleted_and_the_last_good_one_only_when_told() {
    let shop = shop().await;
    let ids = shop.nightly(2).await;
    shop.koan.pin(ids[0], None, " ").await.expect_err("no reason");
    shop.koan.pin(ids[0], None, "audit 2026").await.expect("pinned");
    let error = shop.koan.delete(ids[0]).await.expect_err("pinned");
    assert!(error.to_string().contains("audit 2026"), "{error:?}");
    shop.koan.unpin(ids[0], None).await.expect("unpinned");
    assert!(!shop.koan.unpin(ids[0], None).await.expect("unpinned"), "it was not pinned any more");
    // The other one is no good copy while it is damaged.
    let other = shop.archive_of(&shop.manifests().await, ids[1]);
    let whole = std::fs::read(&other).expect("read");
    std::fs::write(&other, b"PK").expect("written");
    let error = shop.koan.delete(ids[0]).await.expect_err("the last one that verifies");
    assert!(error.to_string().contains("even_if_last"), "{error:?}");
    std::fs::write(&other, whole).expect("written");
    let removed = shop.koan.delete(ids[0]).await.expect("deleted");
    assert!(removed.freed_bytes > 0);
    let error = shop.koan.delete(ids[1]).await.expect_err("the last one");
    assert!(error.to_string().contains("even_if_last"), "{error:?}");
    shop.koan.delete(ids[1]).even_if_last().await.expect("deleted");
    assert_eq!((shop.ids().await.len(), shop.archives()), (0, 0));
    let error = shop.koan.delete(ids[1]).even_if_last().await.expect_err("gone");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(shop.clock.now().as_second() > 0);
}

#[tokio::test]
async fn a_damaged_pin_pins_and_a_damaged_manifest_is_never_treated_as_absent() {
    let shop = shop().await;
    let ids = shop.nightly(4).await;
    let pins = shop.folder.path().join("pins");
    std::fs::create_dir(&pins).expect("a folder");
    std::fs::write(pins.join(format!("{}.json", ids[0])), b"{}").expect("written");
    for stray in [".DS_Store", "._x.json", "notes.txt", "conflicted copy.json"] {
        std::fs::write(pins.join(stray), b"\0\x05").expect("written");
    }
    std::fs::write(shop.folder.path().join(format!("manifests/{}.json", ids[1])), b"{}").expect("written");
    let retention = shop.koan.retention(Retention::new().keep_last(1));
    let plan = retention.plan().await.expect("a plan");
    let report = retention.apply(&plan).await.expect("applied");
    assert_eq!(report.removed.iter().map(|backup| backup.id).collect::<Vec<_>>(), [ids[2]]);
    assert_eq!(shop.archives(), 3, "that of the pinned one, of the damaged manifest, and the newest");
    let error = shop.koan.delete(ids[0]).even_if_last().await.expect_err("it may be pinned");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(shop.koan.unpin(ids[0], None).await.expect("unpinned"), "it was pinned");
    shop.koan.delete(ids[0]).await.expect("deleted");
}

/// Waits until something is there, though not for ever.
async fn patiently(mut is_there: impl FnMut() -> bool) {
    for _ in 0..5000 {
        if is_there() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    panic!("it did not come");
}

/// How many files there are. One that is still being written lies beside its name, and does not count.
fn files(folder: &Path) -> usize {
    let is_whole = |file: &std::fs::DirEntry| file.path().extension().is_some_and(|end| end == "json");
    std::fs::read_dir(folder).map_or(0, |files| files.flatten().filter(is_whole).count())
}

/// Reading the archive of this backup takes for ever.
fn slow_archive(id: BackupId) -> Fault {
    Fault::always(Operation::Get, String::leak(format!("{}.zip", id.short())), Failure::Slow(600_000))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_restored_stays() {
    let shop = shop().await;
    let ids = shop.nightly(2).await;
    let retention = shop.koan.retention(Retention::new().keep_last(1));
    let before = retention.plan().await.expect("a plan");
    assert_eq!(before.removals().count(), 1);
    shop.store.fail([slow_archive(ids[0])]);
    let restoring = tokio::spawn(shop.koan.restore(ids[0]).into_future());
    let pins = shop.folder.path().join(format!("leases/restore/{}", ids[0]));
    patiently(|| files(&pins) == 1).await;
    let now = retention.plan().await.expect("a plan");
    assert_eq!(now.removals().count(), 0, "{now}");
    assert!(now.to_string().contains("somebody is restoring backup"), "{now}");
    let error = retention.apply(&before).await.expect_err("it began since the plan was made");
    assert_eq!(error.kind(), ErrorKind::Busy, "{error:?}");
    let error = shop.koan.delete(ids[0]).await.expect_err("being restored");
    assert_eq!(error.kind(), ErrorKind::Busy, "{error:?}");
    restoring.abort();
    patiently(|| files(&pins) == 0).await;
    shop.store.fail([]);
    retention.apply(&before).await.expect("applied");
    assert_eq!(shop.ids().await, ids[1..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_somebody_begins_to_restore_while_it_goes_is_put_back() {
    let shop = shop().await;
    let ids = shop.nightly(2).await;
    shop.store.fail([Fault::always(Operation::Delete, "manifests", Failure::Slow(1500))]);
    let deleting = tokio::spawn(shop.koan.delete(ids[0]).into_future());
    patiently(|| shop.store.asked(Operation::Delete, "manifests") == 1).await;
    let now = shop.clock.now();
    let lease = serde_json::json!({
        "formatVersion": 1, "subject": { "restore": ids[0] }, "acquiredAt": now, "leaseSeconds": 60, "released": false,
        "expiresAt": now + jiff::Span::new().minutes(1), "backup": ids[0], "archive": null,
        "holder": { "token": ids[0], "application": "shop", "host": "other", "process": 7 },
    });
    let pins = shop.folder.path().join(format!("leases/restore/{}", ids[0]));
    std::fs::create_dir_all(&pins).expect("a folder");
    std::fs::write(pins.join("other.json"), lease.to_string()).expect("written");
    let error = deleting.await.expect("no panic").expect_err("somebody needs it");
    assert_eq!(error.kind(), ErrorKind::Busy, "{error:?}");
    shop.store.fail([]);
    assert_eq!(shop.ids().await, ids, "its manifest is back");
    let verified = shop.koan.verify(ids[0]).await.expect("read");
    assert!(verified.is_valid(), "{verified:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_prune_at_once_one_is_told_of_the_other() {
    let shop = shop().await;
    let ids = shop.nightly(3).await;
    let retention = shop.koan.retention(Retention::new().keep_last(1));
    let plan = retention.plan().await.expect("a plan");
    shop.store.fail([slow_archive(ids[2])]);
    let (first, its_plan) = (retention.clone(), plan.clone());
    let pruning = tokio::spawn(async move { first.apply(&its_plan).await });
    patiently(|| files(&shop.folder.path().join("leases/prune")) == 1).await;
    let error = retention.apply(&plan).await.expect_err("somebody prunes");
    assert_eq!(error.kind(), ErrorKind::Busy, "{error:?}");
    assert!(error.to_string().contains("removing backups"), "{error:?}");
    pruning.abort();
    assert!(pruning.await.is_err_and(|error| error.is_cancelled()));
    assert_eq!(shop.ids().await, ids, "nothing is removed");
}

#[tokio::test]
async fn a_removal_reads_pins_and_leases_of_its_own_backup_alone() {
    let shop = shop().await;
    let ids = shop.nightly(6).await;
    for id in &ids[..3] {
        shop.koan.pin(*id, None, "audit").await.expect("pinned");
    }
    let retention = shop.koan.retention(Retention::new().keep_last(1));
    let plan = retention.plan().await.expect("a plan");
    assert_eq!(plan.removals().count(), 2, "{plan}");
    shop.store.fail([]);
    retention.apply(&plan).await.expect("applied");
    let asked = |operation, path| shop.store.asked(operation, path);
    assert_eq!(asked(Operation::List, "pins"), 1, "all of them once");
    assert_eq!(asked(Operation::Get, "pins"), 3 + 2 * 2, "then before and after each manifest goes");
    let lists = asked(Operation::List, "leases/restore") + asked(Operation::List, "leases/rekey");
    assert_eq!(lists, 2 * 2 * 2, "before and after each manifest goes");
    assert_eq!(asked(Operation::Get, "leases/backup"), 1, "of somebody else, once");
}

#[tokio::test]
async fn what_is_being_sealed_for_others_is_not_deleted() {
    let shop = shop().await;
    let ids = shop.nightly(2).await;
    let now = shop.clock.now();
    let lease = serde_json::json!({
        "formatVersion": 1, "subject": { "rekey": ids[0] }, "acquiredAt": now, "leaseSeconds": 60, "released": false,
        "expiresAt": now + jiff::Span::new().minutes(1), "backup": ids[0], "archive": null,
        "holder": { "token": ids[0], "application": "shop", "host": "other", "process": 7 },
    });
    let folder = shop.folder.path().join(format!("leases/rekey/{}", ids[0]));
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("0000000001.json"), lease.to_string()).expect("written");
    let error = shop.koan.delete(ids[0]).await.expect_err("somebody seals it");
    assert_eq!(error.kind(), ErrorKind::Busy, "{error:?}");
    assert_eq!(shop.ids().await, ids);
}
