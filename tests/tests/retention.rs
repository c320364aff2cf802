//! Applies retention to real backups, and verifies that exactly the backups in the plan are removed.

use std::future::IntoFuture as _;
use std::path::Path;

use koan_backup::prelude::*;
use koan_backup::{BackupId, Clock as _, Retention, SetName, archive::Manifest, catalog::Expectations};
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};
use koan_backup_tests::hand_clock::HandClock;
use koan_backup_tests::scripted::{Script, Scripted};
use object_store::local::LocalFileSystem;
use serde::{Deserialize, Serialize};

koan_backup::entity_backup_scope!(mode = All);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
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
    /// Makes one backup of the invoices a day.
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

    /// Returns the error of applying the plan of this retention, and verifies that nothing is removed.
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
    // A backup that stays is valid, so older backups may be removed.
    let retention = shop.koan.retention(Retention::new().keep_last(2));
    let plan = retention.plan().await.expect("a plan");
    let report = retention.apply(&plan).await.expect("applied");
    assert_eq!(report.verified, [ids[2]]);
    assert_eq!(report.damaged.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [ids[3]]);
    assert_eq!(shop.ids().await, ids[2..]);
    std::fs::write(shop.archive_of(&manifests, ids[2]), b"PK").expect("damaged");
    // The plan knows that the newest backup is damaged. The damage of this one is found only when it is
    // verified.
    let plan = shop.koan.retention(Retention::new().keep_last(1)).plan().await.expect("a plan");
    assert_eq!(plan.removals().count(), 0, "{plan}");
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
    // The manifest is not deleted, so the backup is unchanged.
    shop.store.fail([Fault::always(Operation::Delete, "manifests", Failure::Forbidden)]);
    let error = apply().await.expect_err("refused");
    assert!(error.chain().contains(&format!("backup {} was not removed", ids[0])), "{error:?}");
    shop.store.fail([]);
    assert_eq!(shop.ids().await, ids);
    let verified = shop.koan.verify(ids[0]).await.expect("read");
    assert!(verified.is_valid(), "{verified:?}");
    // The second archive is not deleted, although its backup no longer exists. The error says so, and names
    // the backups that were removed before.
    let fault = Fault::always(Operation::Delete, "archives", Failure::Broken);
    shop.store.fail([Fault { after: 1, ..fault }]);
    let error = apply().await.expect_err("refused");
    let chain = error.chain();
    assert!(chain.contains(&format!("pruning stopped after it had removed `{}`", ids[0])), "{error:?}");
    assert!(chain.contains("its archive") && chain.contains("still exists"), "{error:?}");
    shop.store.fail([]);
    assert_eq!(shop.ids().await, ids[2..]);
    assert_eq!(shop.archives(), 2, "one belongs to no backup");
}

#[tokio::test]
async fn a_store_that_says_it_removed_something_and_did_not_is_found_out() {
    let shop = shop().await;
    let ids = shop.nightly(2).await;
    for (what, told) in [("manifests", "it is unchanged"), ("archives", "still exists")] {
        shop.store.fail([Fault::always(Operation::Delete, what, Failure::Pretended)]);
        let error = shop.koan.delete(ids[0]).await.expect_err("it is still there");
        let chain = error.chain();
        assert!(
            chain.contains(told) && chain.contains("although the storage reported its removal"),
            "{error:?}"
        );
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
    // While the other backup is damaged, it does not count as a valid copy.
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

/// Waits until a condition is true.
async fn patiently(is_there: impl FnMut() -> bool) {
    koan_backup_tests::wait::until_so("what the test waits for is there", is_there).await;
}

/// Returns the number of complete files. A file that is still being written has a temporary name and is not
/// counted.
fn files(folder: &Path) -> usize {
    let is_whole = |file: &std::fs::DirEntry| file.path().extension().is_some_and(|end| end == "json");
    std::fs::read_dir(folder).map_or(0, |files| files.flatten().filter(is_whole).count())
}

/// Returns a fault that makes reading the archive of this backup never end.
fn slow_archive(id: BackupId) -> Fault {
    Fault::always(Operation::Get, String::leak(format!("{}.zip", id.short())), Failure::Never)
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
    assert!(now.to_string().contains("another process is restoring backup"), "{now}");
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
    shop.store.fail([Fault::always(Operation::Delete, "manifests", Failure::Held)]);
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
    shop.store.fail([]);
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

/// Damages the archive of a backup.
async fn damage(shop: &Shop, id: BackupId) {
    std::fs::write(shop.archive_of(&shop.manifests().await, id), b"PK").expect("written");
}

impl Shop {
    /// Makes a backup and moves the clock by a day.
    async fn backup(&self, name: &str, entities: &[&str]) -> BackupId {
        let id = self.koan.backup(name).entities(entities.iter().copied()).await.expect("a backup").id();
        self.clock.pass(24);
        id
    }
}

#[tokio::test]
async fn the_newest_holder_of_an_entity_that_verifies_stays_though_newer_backups_of_its_name_do_not_hold_it()
{
    let shop = shop().await;
    let intact = shop.backup("nightly", &["Invoice", "Visit"]).await;
    let damaged = shop.backup("nightly", &["Invoice", "Visit"]).await;
    let narrow = shop.backup("nightly", &["Invoice"]).await;
    damage(&shop, damaged).await;
    shop.clock.pass(24 * 40);
    // The first plan does not know about the damage.
    let error = shop.refused(Retention::new().keep_last(1)).await;
    assert!(
        error.to_string().contains(&format!("{intact}, the newest one with `Visit` that verifies")),
        "{error:?}"
    );
    let retention = shop.koan.retention(Retention::new().keep_last(1));
    let plan = retention.plan().await.expect("a plan");
    let decision = plan.decisions.iter().find(|decision| decision.id == intact).expect("considered");
    assert!(decision.removed.is_none(), "{plan}");
    assert!(
        plan.to_string().contains("the newest with `Visit`, of any name, that is not known to be damaged"),
        "{plan}"
    );
    retention.apply(&plan).await.expect("applied");
    assert_eq!(shop.ids().await, [intact, damaged, narrow]);
}

#[tokio::test]
async fn maintenance_keeps_the_holder_that_verifies_in_the_run_that_finds_the_damage() {
    let shop = shop().await;
    let oldest = shop.backup("nightly", &["Invoice", "Visit"]).await;
    let intact = shop.backup("nightly", &["Invoice", "Visit"]).await;
    let damaged = shop.backup("nightly", &["Invoice", "Visit"]).await;
    let narrow = shop.backup("nightly", &["Invoice"]).await;
    damage(&shop, damaged).await;
    shop.clock.pass(24 * 40);
    let ran = shop.koan.maintenance().retention(Retention::new().keep_last(1)).without_verification().await;
    let pruned = ran.expect("ran").profiles.remove(0).pruned.expect("pruned");
    assert_eq!(pruned.removed.iter().map(|backup| backup.id).collect::<Vec<_>>(), [oldest]);
    assert_eq!(pruned.verified, [narrow, intact]);
    assert_eq!(shop.ids().await, [intact, damaged, narrow]);
}

#[tokio::test]
async fn a_holder_of_another_name_counts_and_is_verified() {
    let shop = shop().await;
    let old = shop.backup("visits", &["Visit"]).await;
    let other = shop.backup("move", &["Visit"]).await;
    let newest = shop.backup("visits", &["Visit"]).await;
    damage(&shop, newest).await;
    shop.clock.pass(24 * 40);
    // Without this backup, no backup of its series would be valid.
    let error = shop.refused(Retention::new().keep_last(1)).await;
    assert!(error.to_string().contains(&format!("{old}, the newest one called `visits`")), "{error:?}");
    shop.koan.delete(old).await.expect("another name holds it");
    let error = shop.koan.delete(other).await.expect_err("the last that verifies");
    assert!(
        error.to_string().contains("with `Visit`") && error.to_string().contains("even_if_last"),
        "{error:?}"
    );
    assert_eq!(shop.ids().await, [other, newest]);
}

#[tokio::test]
async fn a_set_has_a_newest_holder_of_its_own() {
    let database = Scripted::default();
    let archive = SetName::new("archive").expect("a name");
    database.put(&archive, &Visit { id: 7 });
    let shop = shop_of(database.clone()).await;
    let with_set = shop.backup("nightly", &["Visit"]).await;
    database.truncate("Visit", &archive, 0);
    let ids = [shop.backup("weekly", &["Visit"]).await, with_set];
    let manifest = &shop.manifests().await[0];
    let holds_set = manifest.entities.iter().any(|entity| entity.set == archive && entity.item_count > 0);
    assert!(!holds_set, "{:?}", manifest.entities);
    let error = shop.koan.delete(with_set).await.err();
    let still_in_other = manifest.entities.iter().any(|entity| entity.set == archive);
    assert_eq!(error.is_some(), !still_in_other, "{error:?}");
    assert!(ids.contains(&with_set));
}

#[tokio::test]
async fn what_a_failed_backup_alone_holds_stays() {
    let dies_at = Some(("Visit".to_owned(), 0));
    let shop = shop_of(Scripted::new(Script { dies_at, ..Script::default() })).await;
    let failed = shop.koan.backup("nightly").continue_on_error().await.expect("in part").id();
    shop.clock.pass(24);
    // This completed backup of the same series contains no invoices.
    let empty = shop.koan.backup("nightly").entity::<Invoice>().set("root").await.expect("a backup").id();
    shop.clock.pass(24);
    let plan = shop.koan.retention(Retention::new().keep_last(1)).plan().await.expect("a plan");
    assert_eq!(plan.removals().map(|decision| decision.id).collect::<Vec<_>>(), [failed], "{plan}");
    shop.koan.delete(empty).even_if_last().await.expect("deleted");
    let error = shop.koan.delete(failed).await.expect_err("its invoices are all there is");
    assert!(error.to_string().contains("with `Invoice`"), "{error:?}");
}

#[tokio::test]
async fn an_entity_that_is_gone_from_the_code_is_given_up_when_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = HandClock::at("2026-11-01T03:00:00Z");
    let koan = async |with_visits: bool| {
        let database = Scripted::default();
        database.put(&SetName::root(), &Invoice { id: 1 });
        let builder = Koan::builder().only_registered().register::<Invoice>().clock(clock.clone());
        let builder = if with_visits { builder.register::<Visit>() } else { builder };
        let storage = Storage::local(folder.path()).expect("a folder");
        builder.provider("main", database).storage("local", storage).build().await.expect("a context")
    };
    let old = koan(true).await;
    let holder = old.backup("nightly").await.expect("a backup").id();
    let release = || Retention::new().keep_last(1).release_entity("Visit");
    let error = old.retention(release()).plan().await.expect_err("it is backed up");
    assert!(error.kind() == ErrorKind::Configuration && error.to_string().contains("`Visit`"), "{error:?}");
    clock.pass(24 * 40);
    let now = koan(false).await;
    for _ in 0..2 {
        clock.pass(24);
        now.backup("nightly").await.expect("a backup");
    }
    let removals = async |retention: Retention| {
        let plan = now.retention(retention).plan().await.expect("a plan");
        plan.removals().map(|decision| decision.id).collect::<Vec<_>>()
    };
    assert!(!removals(Retention::new().keep_last(1)).await.contains(&holder));
    assert!(removals(release()).await.contains(&holder));
    let plan = now.retention(release()).plan().await.expect("a plan");
    now.retention(release()).apply(&plan).await.expect("applied");
    assert_eq!(now.backups().await.expect("listed").len(), 1);
}

#[tokio::test]
async fn names_that_differ_in_a_date_are_one_series() {
    let shop = shop().await;
    let mut ids = Vec::new();
    for name in ["nightly-2026-11-01", "nightly_20261102", "nightly", "nightly-2026-11-04T03-00-00Z"] {
        let backup = shop.koan.backup(name).entity::<Invoice>().await.expect("a backup");
        assert_eq!(backup.series().as_str(), "nightly", "{name}");
        ids.push(backup.id());
        shop.clock.pass(24);
    }
    let budget = shop.backup("budget-2026", &["Invoice"]).await;
    let named = shop.koan.backup("nightly-2026-11-06").series("before-the-move").entity::<Invoice>().await;
    let named = named.expect("a backup").id();
    let retention = shop.koan.retention(Retention::new().keep_last(2));
    let plan = retention.plan().await.expect("a plan");
    retention.apply(&plan).await.expect("applied");
    let mut left = vec![ids[2], ids[3], budget, named];
    left.sort();
    assert_eq!(shop.ids().await, left, "{plan}");
    let statistics = shop.koan.catalog().statistics().await.expect("counted");
    let series: Vec<_> = statistics.by_series.iter().map(|(name, of)| (name.as_str(), of.backups)).collect();
    assert_eq!(series, [("before-the-move", 1), ("budget-2026", 1), ("nightly", 2)]);
}

#[tokio::test]
async fn the_last_backup_from_before_a_loss_stays_until_the_loss_is_acknowledged() {
    let database = Scripted::default();
    (0..10).for_each(|id| database.put(&SetName::root(), &Invoice { id: id + 100 }));
    let shop = shop_of(database.clone()).await;
    let ids = shop.nightly(2).await;
    database.truncate("Invoice", &SetName::root(), 0);
    let lost = shop.nightly(1).await[0];
    // A backup without the entity follows, and then backups that are as empty as the first one after the
    // loss.
    shop.backup("nightly-2026-11-04", &["Visit"]).await;
    let later = shop.nightly(3).await;
    let catalog = shop.koan.catalog();
    let health = async || catalog.health(&Expectations::new()).await.expect("looked at");
    let loss = &health().await.size_drops[0];
    assert_eq!((loss.entity.as_str(), loss.before, loss.after, loss.backup), ("Invoice", 11, 0, lost));
    assert_eq!((loss.series.as_str(), loss.previous), ("nightly", ids[1]));
    assert!(health().await.problems.iter().any(|problem| problem.contains("acknowledge")));
    let keep_one = || Retention::new().keep_last(1);
    let prune = async || {
        let ran = shop.koan.maintenance().retention(keep_one()).without_verification().await.expect("ran");
        assert!(ran.is_clean(), "{ran:?}");
        shop.ids().await
    };
    let plan = shop.koan.retention(keep_one()).plan().await.expect("a plan");
    assert!(plan.to_string().contains("the last before `Invoice` lost most of its records"), "{plan}");
    let left = prune().await;
    assert!(left.contains(&ids[1]) && left.contains(&later[2]) && !left.contains(&ids[0]), "{left:?}");
    assert!(!left.contains(&lost), "the loss shows at a later backup now");
    let loss = health().await.size_drops[0].clone();
    assert_eq!((loss.backup, loss.previous), (later[2], ids[1]));

    let error = shop.koan.delete(ids[1]).await.expect_err("from before the loss");
    assert!(error.to_string().contains("from before it lost most of its records"), "{error:?}");
    for (id, reason, kind) in [
        (loss.backup, " ", ErrorKind::Configuration),
        (loss.previous, "archived elsewhere", ErrorKind::NotFound),
        (BackupId::from_uuid(uuid::Uuid::nil()), "archived elsewhere", ErrorKind::NotFound),
    ] {
        assert_eq!(catalog.acknowledge(id, reason).await.expect_err("refused").kind(), kind, "{id}");
    }
    let accepted = catalog.acknowledge(loss.backup, "archived elsewhere").await.expect("acknowledged");
    assert_eq!(accepted, [loss]);
    assert!(health().await.is_healthy(), "{:?}", health().await);
    // The newest backup of the entity stays because of another rule.
    let newest = shop.nightly(1).await[0];
    assert!(!prune().await.contains(&ids[1]));
    assert!(health().await.size_drops.is_empty() && shop.ids().await.contains(&newest));
}

#[tokio::test]
async fn an_acknowledged_loss_stays_so_when_its_backup_is_gone_and_a_new_one_is_told() {
    let database = Scripted::default();
    (0..10).for_each(|id| database.put(&SetName::root(), &Invoice { id: id + 100 }));
    let shop = shop_of(database.clone()).await;
    let before = shop.nightly(1).await[0];
    shop.koan.pin(before, None, "audit").await.expect("pinned");
    database.truncate("Invoice", &SetName::root(), 4);
    let lost = shop.nightly(2).await;
    shop.koan.catalog().acknowledge(lost[0], "moved to another system").await.expect("acknowledged");
    shop.koan.delete(lost[0]).await.expect("deleted");
    let ran = shop.koan.maintenance().await.expect("ran");
    assert!(ran.is_clean(), "{ran:?}");
    let shrunk =
        async || shop.koan.catalog().health(&Expectations::new()).await.expect("looked at").size_drops;
    assert_eq!(shrunk().await, [], "it is the same loss");
    database.truncate("Invoice", &SetName::root(), 1);
    let again = shop.nightly(1).await[0];
    assert_eq!(
        shrunk().await.iter().map(|loss| (loss.backup, loss.before)).collect::<Vec<_>>(),
        [(again, 4)]
    );
}
