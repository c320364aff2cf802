//! Retention of stored backups: exactly the backups in the plan are removed.

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
        .provider(database)
        .storage(store.storage())
        .clock(clock.clone())
        .build()
        .await
        .expect("a context");
    Shop { koan, clock, store, folder }
}

impl Shop {
    /// Makes one backup of the invoices per day.
    async fn make_nightly_backups(&self, days: usize) -> Vec<BackupId> {
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

    fn archive_count(&self) -> usize {
        std::fs::read_dir(self.folder.path().join("archives")).expect("a folder").count()
    }

    fn archive_of(&self, manifests: &[Manifest], id: BackupId) -> std::path::PathBuf {
        let manifest = manifests.iter().find(|manifest| manifest.id == id).expect("the backup is listed");
        self.folder.path().join(&manifest.archive.as_ref().expect("an archive").file)
    }

    /// Applies the plan of a retention policy, verifies that nothing is removed, and returns the error.
    async fn error_of_apply(&self, retention: Retention) -> Error {
        let before = self.ids().await;
        let retention = self.koan.retention(retention);
        let plan = retention.plan().await.expect("a plan");
        let error = retention.apply(&plan).await.expect_err("the plan must be refused");
        assert_eq!(self.ids().await, before, "a refused plan must remove nothing: {error:?}");
        error
    }
}

fn size_of(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").metadata().expect("a file").len()).sum()
}

#[tokio::test]
async fn exactly_the_backups_of_the_plan_are_removed_and_the_freed_bytes_are_reported() {
    let shop = shop().await;
    let ids = shop.make_nightly_backups(5).await;
    let used_bytes =
        || size_of(&shop.folder.path().join("archives")) + size_of(&shop.folder.path().join("manifests"));
    let before = used_bytes();
    let retention = shop.koan.retention(Retention::new().keep_last(2));
    let plan = retention.plan().await.expect("a plan");
    assert_eq!(shop.ids().await, ids, "making a plan must remove nothing");
    let report = retention.apply(&plan).await.expect("applied");
    let removed: Vec<_> = report.removed.iter().map(|backup| backup.id).collect();
    assert_eq!(removed, ids[..3], "the oldest backups must be removed first");
    assert_eq!(report.verified, [ids[4]]);
    assert_eq!(shop.ids().await, ids[3..]);
    assert_eq!(shop.archive_count(), 2);
    assert_eq!(before - used_bytes(), report.freed_bytes());
    let second_plan = retention.plan().await.expect("a plan");
    assert_eq!(second_plan.removals().count(), 0, "{second_plan}");
}

#[tokio::test]
async fn the_retention_days_of_an_entity_come_from_its_attribute() {
    let shop = shop().await;
    let visits = |name: &'static str| shop.koan.backup(name).entity::<Visit>();
    let old = visits("visits").await.expect("a backup").id();
    shop.clock.pass(24 * 29);
    let _ = visits("visits").await.expect("a backup");
    let plan = || async { shop.koan.retention(Retention::new().keep_last(1)).plan().await.expect("a plan") };
    assert_eq!(plan().await.removals().count(), 0, "{}", plan().await);
    shop.clock.pass(48);
    let plan = plan().await;
    assert_eq!(plan.removals().map(|decision| decision.id).collect::<Vec<_>>(), [old], "{plan}");
    assert!(plan.to_string().contains("the 30 days of its entities have passed"), "{plan}");
}

#[tokio::test]
async fn a_plan_is_refused_if_backups_or_pins_changed_since_it_was_made() {
    let shop = shop().await;
    let ids = shop.make_nightly_backups(3).await;
    let retention = shop.koan.retention(Retention::new().keep_last(1));
    let plan = retention.plan().await.expect("a plan");
    shop.koan.pin(ids[0], None, "audit").await.expect("pinned");
    let error = retention.apply(&plan).await.expect_err("a backup was pinned after the plan was made");
    assert!(error.to_string().contains("was changed, or pinned"), "{error:?}");
    assert!(shop.koan.unpin(ids[0], None).await.expect("unpinned"));
    let _ = shop.koan.backup("nightly").await.expect("a backup");
    let error = retention.apply(&plan).await.expect_err("a backup was added after the plan was made");
    assert!(error.to_string().contains("was added since the plan was made"), "{error:?}");
    assert_eq!(shop.archive_count(), 4);
}

#[tokio::test]
async fn retention_is_refused_if_the_clock_jumped_or_is_behind() {
    let shop = shop().await;
    shop.make_nightly_backups(3).await;
    let retention = shop.koan.retention(Retention::new().keep_last(1));
    let plan = retention.plan().await.expect("a plan");
    shop.clock.pass(1);
    let error = retention.apply(&plan).await.expect_err("the clock moved forward by an hour");
    assert!(error.to_string().contains("since the plan was made"), "{error:?}");
    shop.clock.pass(-2);
    let error = retention.apply(&plan).await.expect_err("the clock moved back");
    assert!(error.to_string().contains("the clock of this machine is wrong"), "{error:?}");
    shop.clock.pass(-48);
    let error = retention.plan().await.expect_err("the clock is behind the newest backup");
    assert!(error.to_string().contains("seconds in the future"), "{error:?}");
    assert_eq!(shop.archive_count(), 3);
}

#[tokio::test]
async fn a_rule_that_keeps_nothing_is_refused_unless_idle_rules_are_allowed() {
    let shop = shop().await;
    let ids = shop.make_nightly_backups(3).await;
    let misspelt = || Retention::new().keep_last(1).exempt_tag("leagl");
    let error = shop.error_of_apply(misspelt()).await;
    assert!(error.to_string().contains("`exempt_tag(leagl)`"), "{error:?}");
    let allowed = shop.koan.retention(misspelt().allow_idle_rules());
    let plan = allowed.plan().await.expect("a plan");
    let _ = allowed.apply(&plan).await.expect("applied");
    assert_eq!(shop.ids().await, ids[2..]);
    let error =
        shop.koan.retention(Retention::new()).plan().await.expect_err("the retention policy has no rule");
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

#[tokio::test]
async fn the_newest_backup_that_verifies_is_never_removed() {
    let shop = shop().await;
    let ids = shop.make_nightly_backups(4).await;
    let manifests = shop.manifests().await;
    std::fs::remove_file(shop.archive_of(&manifests, ids[3])).expect("removed");
    let error = shop.error_of_apply(Retention::new().keep_last(1)).await;
    let text = error.to_string();
    assert!(text.contains(&ids[2].to_string()) && text.contains(&ids[3].to_string()), "{error:?}");
    // One of the kept backups is valid, so older backups may be removed.
    let retention = shop.koan.retention(Retention::new().keep_last(2));
    let plan = retention.plan().await.expect("a plan");
    let report = retention.apply(&plan).await.expect("applied");
    assert_eq!(report.verified, [ids[2]]);
    assert_eq!(report.damaged.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [ids[3]]);
    assert_eq!(shop.ids().await, ids[2..]);
    std::fs::write(shop.archive_of(&manifests, ids[2]), b"PK").expect("damaged");
    // The plan uses the damage record of the newest backup. The other damaged backup has no damage record
    // yet, and only a verification finds its damage.
    let plan = shop.koan.retention(Retention::new().keep_last(1)).plan().await.expect("a plan");
    assert_eq!(plan.removals().count(), 0, "{plan}");
}

#[tokio::test]
async fn a_partial_backup_is_kept_while_the_completed_backup_is_damaged() {
    let disconnects_at = Some(("Visit".to_owned(), 0));
    let shop = shop_of(Scripted::new(Script { disconnects_at, ..Script::default() })).await;
    let partial = shop.koan.backup("nightly").continue_on_error().await.expect("a partial backup").id();
    shop.clock.pass(24);
    let complete = shop.make_nightly_backups(1).await[0];
    let archive = shop.archive_of(&shop.manifests().await, complete);
    std::fs::write(&archive, b"PK").expect("written");
    let error = shop.error_of_apply(Retention::new().keep_last(1)).await;
    assert!(error.to_string().contains("no backup called `nightly` is valid"), "{error:?}");
    assert!(
        shop.archive_of(&shop.manifests().await, partial).exists(),
        "the partial backup contains the only copy of the invoices"
    );
}

#[tokio::test]
async fn a_failed_backup_does_not_replace_an_older_backup_in_the_retention() {
    let shop = shop().await;
    let ids = shop.make_nightly_backups(2).await;
    shop.store.fail([Fault::always(Operation::Begin, "archives", Failure::Forbidden)]);
    shop.koan.backup("nightly").await.expect_err("the store refuses the upload");
    shop.store.fail([]);
    let plan = shop.koan.retention(Retention::new().keep_last(2)).plan().await.expect("a plan");
    assert_eq!((plan.removals().count(), plan.decisions.len()), (0, 3), "{plan}");
    assert!(plan.decisions.iter().any(|decision| decision.id == ids[0]), "{plan}");
}

#[tokio::test]
async fn a_backup_that_could_not_be_removed_is_not_reported_as_removed() {
    let shop = shop().await;
    let ids = shop.make_nightly_backups(3).await;
    let apply = || async {
        let retention = shop.koan.retention(Retention::new().keep_last(1));
        let plan = retention.plan().await.expect("a plan");
        retention.apply(&plan).await
    };
    // The manifest is not deleted, so the backup is unchanged.
    shop.store.fail([Fault::always(Operation::Delete, "manifests", Failure::Forbidden)]);
    let error = apply().await.expect_err("the store refuses to delete");
    assert!(error.chain().contains(&format!("backup {} was not removed", ids[0])), "{error:?}");
    shop.store.fail([]);
    assert_eq!(shop.ids().await, ids);
    let verified = shop.koan.verify(ids[0]).await.expect("read");
    assert!(verified.is_valid(), "{verified:?}");
    // The second archive is not deleted, although its backup no longer exists. The error says so, and names
    // the backups that were removed before.
    let fault = Fault::always(Operation::Delete, "archives", Failure::Broken);
    shop.store.fail([Fault { after: 1, ..fault }]);
    let error = apply().await.expect_err("the store refuses to delete");
    let chain = error.chain();
    assert!(chain.contains(&format!("pruning stopped after it had removed `{}`", ids[0])), "{error:?}");
    assert!(error.has_remaining_changes(), "{error:?}");
    assert!(chain.contains("its archive") && chain.contains("still exists"), "{error:?}");
    shop.store.fail([]);
    assert_eq!(shop.ids().await, ids[2..]);
    assert_eq!(shop.archive_count(), 2, "the archive that could not be deleted must still exist");
}

#[tokio::test]
async fn a_store_that_reports_a_removal_that_did_not_happen_is_detected() {
    let shop = shop().await;
    let ids = shop.make_nightly_backups(2).await;
    for (path, expected_text) in [("manifests", "it is unchanged"), ("archives", "still exists")] {
        shop.store.fail([Fault::always(Operation::Delete, path, Failure::IgnoredSilently)]);
        let error = shop.koan.delete(ids[0]).await.expect_err("the file still exists");
        let chain = error.chain();
        assert!(
            chain.contains(expected_text) && chain.contains("although the storage reported its removal"),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn the_last_valid_backup_is_deleted_only_with_even_if_last() {
    let shop = shop().await;
    let ids = shop.make_nightly_backups(2).await;
    shop.koan.pin(ids[0], None, " ").await.expect_err("the reason is empty");
    shop.koan.pin(ids[0], None, "audit 2026").await.expect("pinned");
    let error = shop.koan.delete(ids[0]).await.expect_err("the backup is pinned");
    assert!(error.to_string().contains("audit 2026"), "{error:?}");
    shop.koan.unpin(ids[0], None).await.expect("unpinned");
    assert!(
        !shop.koan.unpin(ids[0], None).await.expect("unpinned"),
        "a backup without a pin must be reported as not pinned"
    );
    // While the other backup is damaged, it does not count as a valid copy.
    let other = shop.archive_of(&shop.manifests().await, ids[1]);
    let intact_bytes = std::fs::read(&other).expect("read");
    std::fs::write(&other, b"PK").expect("written");
    let error = shop.koan.delete(ids[0]).await.expect_err("no other backup is valid");
    assert!(error.to_string().contains("even_if_last"), "{error:?}");
    std::fs::write(&other, intact_bytes).expect("written");
    let removed = shop.koan.delete(ids[0]).await.expect("deleted");
    assert!(removed.freed_bytes > 0);
    let error = shop.koan.delete(ids[1]).await.expect_err("no other backup exists");
    assert!(error.to_string().contains("even_if_last"), "{error:?}");
    shop.koan.delete(ids[1]).even_if_last().await.expect("deleted");
    assert_eq!((shop.ids().await.len(), shop.archive_count()), (0, 0));
    let error = shop.koan.delete(ids[1]).even_if_last().await.expect_err("the backup was deleted");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(shop.clock.now().as_second() > 0);
}

#[tokio::test]
async fn a_damaged_pin_protects_its_backup_and_a_damaged_manifest_is_never_treated_as_absent() {
    let shop = shop().await;
    let ids = shop.make_nightly_backups(4).await;
    let pins = shop.folder.path().join("pins");
    std::fs::create_dir(&pins).expect("a folder");
    std::fs::write(pins.join(format!("{}.json", ids[0])), b"{}").expect("written");
    for foreign_name in [".DS_Store", "._x.json", "notes.txt", "conflicted copy.json"] {
        std::fs::write(pins.join(foreign_name), b"\0\x05").expect("written");
    }
    std::fs::write(shop.folder.path().join(format!("manifests/{}.json", ids[1])), b"{}").expect("written");
    let retention = shop.koan.retention(Retention::new().keep_last(1));
    let plan = retention.plan().await.expect("a plan");
    let report = retention.apply(&plan).await.expect("applied");
    assert_eq!(report.removed.iter().map(|backup| backup.id).collect::<Vec<_>>(), [ids[2]]);
    assert_eq!(
        shop.archive_count(),
        3,
        "the archives of the pinned backup, of the damaged manifest and of the newest backup must stay"
    );
    let error =
        shop.koan.delete(ids[0]).even_if_last().await.expect_err("the damaged pin may protect the backup");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(shop.koan.unpin(ids[0], None).await.expect("unpinned"), "a damaged pin must count as a pin");
    shop.koan.delete(ids[0]).await.expect("deleted");
}

/// Waits until a condition is true.
async fn wait_until(condition: impl FnMut() -> bool) {
    koan_backup_tests::wait::until_sync("the expected files or operations exist", condition).await;
}

/// Returns the number of complete files. A file that is still being written has a temporary name and is not
/// counted.
fn complete_file_count(folder: &Path) -> usize {
    let is_complete = |file: &std::fs::DirEntry| file.path().extension().is_some_and(|end| end == "json");
    std::fs::read_dir(folder).map_or(0, |files| files.flatten().filter(is_complete).count())
}

/// Returns a fault with which reads of the archive of this backup never complete.
fn hanging_archive_read(id: BackupId) -> Fault {
    Fault::always(Operation::Get, String::leak(format!("{}.zip", id.short())), Failure::Never)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_being_restored_is_not_removed() {
    let shop = shop().await;
    let ids = shop.make_nightly_backups(2).await;
    let retention = shop.koan.retention(Retention::new().keep_last(1));
    let plan = retention.plan().await.expect("a plan");
    assert_eq!(plan.removals().count(), 1);
    shop.store.fail([hanging_archive_read(ids[0])]);
    let restoring = tokio::spawn(shop.koan.restore(ids[0]).into_future());
    let restore_leases = shop.folder.path().join(format!("leases/restore/{}", ids[0]));
    wait_until(|| complete_file_count(&restore_leases) == 1).await;
    let new_plan = retention.plan().await.expect("a plan");
    assert_eq!(new_plan.removals().count(), 0, "{new_plan}");
    assert!(new_plan.to_string().contains("another process is restoring backup"), "{new_plan}");
    let error = retention.apply(&plan).await.expect_err("a restore began after the plan was made");
    assert_eq!(error.kind(), ErrorKind::Busy, "{error:?}");
    let error = shop.koan.delete(ids[0]).await.expect_err("the backup is being restored");
    assert_eq!(error.kind(), ErrorKind::Busy, "{error:?}");
    restoring.abort();
    wait_until(|| complete_file_count(&restore_leases) == 0).await;
    shop.store.fail([]);
    let _ = retention.apply(&plan).await.expect("applied");
    assert_eq!(shop.ids().await, ids[1..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_is_undone_if_another_process_begins_to_restore_the_backup() {
    let shop = shop().await;
    let ids = shop.make_nightly_backups(2).await;
    shop.store.fail([Fault::always(Operation::Delete, "manifests", Failure::Held)]);
    let deleting = tokio::spawn(shop.koan.delete(ids[0]).into_future());
    wait_until(|| shop.store.call_count(Operation::Delete, "manifests") == 1).await;
    let now = shop.clock.now();
    let lease = serde_json::json!({
        "formatVersion": 1, "subject": { "restore": ids[0] }, "acquiredAt": now, "leaseSeconds": 60, "released": false,
        "expiresAt": now + jiff::Span::new().minutes(1), "backup": ids[0], "archive": null,
        "holder": { "token": ids[0], "application": "shop", "host": "other", "process": 7 },
    });
    let restore_leases = shop.folder.path().join(format!("leases/restore/{}", ids[0]));
    std::fs::create_dir_all(&restore_leases).expect("a folder");
    std::fs::write(restore_leases.join("other.json"), lease.to_string()).expect("written");
    shop.store.fail([]);
    let error =
        deleting.await.expect("the task did not panic").expect_err("another process restores the backup");
    assert_eq!(error.kind(), ErrorKind::Busy, "{error:?}");
    shop.store.fail([]);
    assert_eq!(shop.ids().await, ids, "the manifest must be put back");
    let verified = shop.koan.verify(ids[0]).await.expect("read");
    assert!(verified.is_valid(), "{verified:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_of_two_concurrent_prunes_is_refused_as_busy() {
    let shop = shop().await;
    let ids = shop.make_nightly_backups(3).await;
    let retention = shop.koan.retention(Retention::new().keep_last(1));
    let plan = retention.plan().await.expect("a plan");
    shop.store.fail([hanging_archive_read(ids[2])]);
    let (first, first_plan) = (retention.clone(), plan.clone());
    let pruning = tokio::spawn(async move { first.apply(&first_plan).await });
    wait_until(|| complete_file_count(&shop.folder.path().join("leases/prune")) == 1).await;
    let error = retention.apply(&plan).await.expect_err("another prune runs");
    assert_eq!(error.kind(), ErrorKind::Busy, "{error:?}");
    assert!(error.to_string().contains("removing backups"), "{error:?}");
    pruning.abort();
    assert!(pruning.await.is_err_and(|error| error.is_cancelled()));
    assert_eq!(shop.ids().await, ids, "the aborted prune must remove nothing");
}

#[tokio::test]
async fn a_removal_reads_only_the_pins_and_leases_of_the_removed_backup() {
    let shop = shop().await;
    let ids = shop.make_nightly_backups(6).await;
    for id in &ids[..3] {
        shop.koan.pin(*id, None, "audit").await.expect("pinned");
    }
    let retention = shop.koan.retention(Retention::new().keep_last(1));
    let plan = retention.plan().await.expect("a plan");
    assert_eq!(plan.removals().count(), 2, "{plan}");
    shop.store.fail([]);
    let _ = retention.apply(&plan).await.expect("applied");
    let count = |operation, path| shop.store.call_count(operation, path);
    assert_eq!(count(Operation::List, "pins"), 1, "all pins must be listed once");
    assert_eq!(
        count(Operation::Get, "pins"),
        3 + 2 * 2,
        "all pins must be read once, and those of each removed backup before and after its manifest is deleted"
    );
    let lists = count(Operation::List, "leases/restore") + count(Operation::List, "leases/rekey");
    assert_eq!(lists, 2 * 2 * 2, "the leases must be listed before and after each manifest is deleted");
    assert_eq!(count(Operation::Get, "leases/backup"), 1, "the lease of another operation must be read once");
}

#[tokio::test]
async fn a_backup_that_is_being_rekeyed_is_not_deleted() {
    let shop = shop().await;
    let ids = shop.make_nightly_backups(2).await;
    let now = shop.clock.now();
    let lease = serde_json::json!({
        "formatVersion": 1, "subject": { "rekey": ids[0] }, "acquiredAt": now, "leaseSeconds": 60, "released": false,
        "expiresAt": now + jiff::Span::new().minutes(1), "backup": ids[0], "archive": null,
        "holder": { "token": ids[0], "application": "shop", "host": "other", "process": 7 },
    });
    let folder = shop.folder.path().join(format!("leases/rekey/{}", ids[0]));
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("0000000001.json"), lease.to_string()).expect("written");
    let error = shop.koan.delete(ids[0]).await.expect_err("another process rekeys the backup");
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
async fn the_newest_valid_backup_of_an_entity_is_kept_although_newer_backups_of_the_series_lack_the_entity() {
    let shop = shop().await;
    let intact = shop.backup("nightly", &["Invoice", "Visit"]).await;
    let damaged = shop.backup("nightly", &["Invoice", "Visit"]).await;
    let without_visits = shop.backup("nightly", &["Invoice"]).await;
    damage(&shop, damaged).await;
    shop.clock.pass(24 * 40);
    // The first plan does not know about the damage.
    let error = shop.error_of_apply(Retention::new().keep_last(1)).await;
    assert!(
        error.to_string().contains(&format!("{intact}, the newest valid backup with `Visit`")),
        "{error:?}"
    );
    let retention = shop.koan.retention(Retention::new().keep_last(1));
    let plan = retention.plan().await.expect("a plan");
    let decision = plan
        .decisions
        .iter()
        .find(|decision| decision.id == intact)
        .expect("the plan has a decision for the backup");
    assert!(decision.removed.is_none(), "{plan}");
    assert!(
        plan.to_string()
            .contains("the newest backup with `Visit`, of any name, that is not known to be damaged"),
        "{plan}"
    );
    let _ = retention.apply(&plan).await.expect("applied");
    assert_eq!(shop.ids().await, [intact, damaged, without_visits]);
}

#[tokio::test]
async fn maintenance_keeps_the_valid_backup_of_an_entity_in_the_run_that_finds_damage_in_a_newer_backup() {
    let shop = shop().await;
    let oldest = shop.backup("nightly", &["Invoice", "Visit"]).await;
    let intact = shop.backup("nightly", &["Invoice", "Visit"]).await;
    let damaged = shop.backup("nightly", &["Invoice", "Visit"]).await;
    let without_visits = shop.backup("nightly", &["Invoice"]).await;
    damage(&shop, damaged).await;
    shop.clock.pass(24 * 40);
    let report =
        shop.koan.maintenance().retention(Retention::new().keep_last(1)).without_verification().await;
    let pruned = report.expect("maintenance completed").profiles.remove(0).pruned.expect("pruned");
    assert_eq!(pruned.removed.iter().map(|backup| backup.id).collect::<Vec<_>>(), [oldest]);
    assert_eq!(pruned.verified, [without_visits, intact]);
    assert_eq!(shop.ids().await, [intact, damaged, without_visits]);
}

#[tokio::test]
async fn a_backup_of_the_entity_in_another_series_counts_and_is_verified() {
    let shop = shop().await;
    let old = shop.backup("visits", &["Visit"]).await;
    let other = shop.backup("move", &["Visit"]).await;
    let newest = shop.backup("visits", &["Visit"]).await;
    damage(&shop, newest).await;
    shop.clock.pass(24 * 40);
    // Without this backup, no backup of its series would be valid.
    let error = shop.error_of_apply(Retention::new().keep_last(1)).await;
    assert!(
        error.to_string().contains(&format!("{old}, the newest valid backup called `visits`")),
        "{error:?}"
    );
    shop.koan.delete(old).await.expect("another backup contains the entity");
    let error = shop.koan.delete(other).await.expect_err("no other valid backup contains the entity");
    assert!(
        error.to_string().contains("with `Visit`") && error.to_string().contains("even_if_last"),
        "{error:?}"
    );
    assert_eq!(shop.ids().await, [other, newest]);
}

#[tokio::test]
async fn the_newest_backup_of_each_set_is_kept() {
    let database = Scripted::default();
    let archive = SetName::new("archive").expect("a name");
    database.put(&archive, &Visit { id: 7 });
    let shop = shop_of(database.clone()).await;
    let with_set = shop.backup("nightly", &["Visit"]).await;
    database.remove("Visit", &archive);
    shop.backup("weekly", &["Visit"]).await;
    let manifest = &shop.manifests().await[0];
    assert!(
        manifest.entities.iter().all(|entity| entity.set != archive),
        "the newer backup must not contain the set: {:?}",
        manifest.entities
    );
    let error = shop.koan.delete(with_set).await.expect_err("only this backup contains the set");
    assert!(error.to_string().contains("Visit#archive"), "{error:?}");
}

#[tokio::test]
async fn a_partial_backup_that_alone_contains_records_is_not_deleted() {
    let disconnects_at = Some(("Visit".to_owned(), 0));
    let shop = shop_of(Scripted::new(Script { disconnects_at, ..Script::default() })).await;
    let partial = shop.koan.backup("nightly").continue_on_error().await.expect("a partial backup").id();
    shop.clock.pass(24);
    // This completed backup of the same series contains no invoices.
    let empty = shop.koan.backup("nightly").entity::<Invoice>().set("root").await.expect("a backup").id();
    shop.clock.pass(24);
    let plan = shop.koan.retention(Retention::new().keep_last(1)).plan().await.expect("a plan");
    assert_eq!(plan.removals().map(|decision| decision.id).collect::<Vec<_>>(), [partial], "{plan}");
    shop.koan.delete(empty).even_if_last().await.expect("deleted");
    let error = shop
        .koan
        .delete(partial)
        .await
        .expect_err("the partial backup contains the only copy of the invoices");
    assert!(error.to_string().contains("with `Invoice`"), "{error:?}");
}

#[tokio::test]
async fn backups_of_an_entity_that_is_no_longer_registered_are_removed_after_release_entity() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = HandClock::at("2026-11-01T03:00:00Z");
    let koan = async |with_visits: bool| {
        let database = Scripted::default();
        database.put(&SetName::root(), &Invoice { id: 1 });
        let builder = Koan::builder().only_registered().register::<Invoice>().clock(clock.clone());
        let builder = if with_visits { builder.register::<Visit>() } else { builder };
        let storage = Storage::local(folder.path()).expect("a folder");
        builder.provider(database).storage(storage).build().await.expect("a context")
    };
    let with_visits = koan(true).await;
    let visit_backup = with_visits.backup("nightly").await.expect("a backup").id();
    let release = || Retention::new().keep_last(1).release_entity("Visit");
    let error = with_visits.retention(release()).plan().await.expect_err("the entity is registered");
    assert!(error.kind() == ErrorKind::Configuration && error.to_string().contains("`Visit`"), "{error:?}");
    clock.pass(24 * 40);
    let without_visits = koan(false).await;
    for _ in 0..2 {
        clock.pass(24);
        let _ = without_visits.backup("nightly").await.expect("a backup");
    }
    let removals = async |retention: Retention| {
        let plan = without_visits.retention(retention).plan().await.expect("a plan");
        plan.removals().map(|decision| decision.id).collect::<Vec<_>>()
    };
    assert!(!removals(Retention::new().keep_last(1)).await.contains(&visit_backup));
    assert!(removals(release()).await.contains(&visit_backup));
    let plan = without_visits.retention(release()).plan().await.expect("a plan");
    let _ = without_visits.retention(release()).apply(&plan).await.expect("applied");
    assert_eq!(without_visits.backups().await.expect("listed").len(), 1);
}

#[tokio::test]
async fn names_that_differ_only_in_a_date_form_one_series() {
    let shop = shop().await;
    let mut ids = Vec::new();
    for name in ["nightly-2026-11-01", "nightly_20261102", "nightly", "nightly-2026-11-04T03-00-00Z"] {
        let backup = shop.koan.backup(name).entity::<Invoice>().await.expect("a backup");
        assert_eq!(backup.series().as_str(), "nightly", "{name}");
        ids.push(backup.id());
        shop.clock.pass(24);
    }
    let budget = shop.backup("budget-2026", &["Invoice"]).await;
    let other_series =
        shop.koan.backup("nightly-2026-11-06").series("before-the-move").entity::<Invoice>().await;
    let other_series = other_series.expect("a backup").id();
    let retention = shop.koan.retention(Retention::new().keep_last(2));
    let plan = retention.plan().await.expect("a plan");
    let _ = retention.apply(&plan).await.expect("applied");
    let mut remaining = vec![ids[2], ids[3], budget, other_series];
    remaining.sort();
    assert_eq!(shop.ids().await, remaining, "{plan}");
    let statistics = shop.koan.catalog().statistics().await.expect("counted");
    let series: Vec<_> =
        statistics.by_series.iter().map(|(name, statistics)| (name.as_str(), statistics.backups)).collect();
    assert_eq!(series, [("before-the-move", 1), ("budget-2026", 1), ("nightly", 2)]);
}

#[tokio::test]
async fn the_last_backup_before_a_loss_is_kept_until_the_loss_is_acknowledged() {
    let database = Scripted::default();
    (0..10).for_each(|id| database.put(&SetName::root(), &Invoice { id: id + 100 }));
    let shop = shop_of(database.clone()).await;
    let ids = shop.make_nightly_backups(2).await;
    database.truncate("Invoice", &SetName::root(), 0);
    let first_after_loss = shop.make_nightly_backups(1).await[0];
    // A backup without the entity follows, and then backups with as few invoices as the first backup after
    // the loss.
    shop.backup("nightly-2026-11-04", &["Visit"]).await;
    let later = shop.make_nightly_backups(3).await;
    let catalog = shop.koan.catalog();
    let health = async || catalog.health(&Expectations::new()).await.expect("the health was read");
    let loss = &health().await.size_drops[0];
    assert_eq!(
        (loss.entity.as_str(), loss.before, loss.after, loss.backup),
        ("Invoice", 11, 0, first_after_loss)
    );
    assert_eq!((loss.series.as_str(), loss.previous), ("nightly", ids[1]));
    assert!(health().await.problems.iter().any(|problem| problem.contains("acknowledge")));
    let keep_one = || Retention::new().keep_last(1);
    let prune_to_one = async || {
        let report = shop
            .koan
            .maintenance()
            .retention(keep_one())
            .without_verification()
            .await
            .expect("maintenance completed");
        assert!(report.is_clean(), "{report:?}");
        shop.ids().await
    };
    let plan = shop.koan.retention(keep_one()).plan().await.expect("a plan");
    assert!(plan.to_string().contains("the last backup before `Invoice` lost most of its records"), "{plan}");
    let remaining = prune_to_one().await;
    assert!(
        remaining.contains(&ids[1]) && remaining.contains(&later[2]) && !remaining.contains(&ids[0]),
        "{remaining:?}"
    );
    assert!(
        !remaining.contains(&first_after_loss),
        "the loss must be reported for a later backup after its first backup was removed"
    );
    let loss = health().await.size_drops[0].clone();
    assert_eq!((loss.backup, loss.previous), (later[2], ids[1]));

    let error = shop.koan.delete(ids[1]).await.expect_err("the backup precedes the loss");
    assert!(error.to_string().contains("from before it lost most of its records"), "{error:?}");
    for (id, reason, kind) in [
        (loss.backup, " ", ErrorKind::Configuration),
        (loss.previous, "archived elsewhere", ErrorKind::NotFound),
        (BackupId::from_uuid(uuid::Uuid::nil()), "archived elsewhere", ErrorKind::NotFound),
    ] {
        assert_eq!(
            catalog.acknowledge(id, reason).await.expect_err("the acknowledgement is invalid").kind(),
            kind,
            "{id}"
        );
    }
    let accepted = catalog.acknowledge(loss.backup, "archived elsewhere").await.expect("acknowledged");
    assert_eq!(accepted, [loss]);
    assert!(health().await.is_healthy(), "{:?}", health().await);
    // The newest backup of the entity stays because of another rule.
    let newest = shop.make_nightly_backups(1).await[0];
    assert!(!prune_to_one().await.contains(&ids[1]));
    assert!(health().await.size_drops.is_empty() && shop.ids().await.contains(&newest));
}

#[tokio::test]
async fn an_acknowledgement_outlives_its_backup_and_a_new_loss_is_reported() {
    let database = Scripted::default();
    (0..10).for_each(|id| database.put(&SetName::root(), &Invoice { id: id + 100 }));
    let shop = shop_of(database.clone()).await;
    let before = shop.make_nightly_backups(1).await[0];
    shop.koan.pin(before, None, "audit").await.expect("pinned");
    database.truncate("Invoice", &SetName::root(), 4);
    let first_after_loss = shop.make_nightly_backups(2).await;
    shop.koan
        .catalog()
        .acknowledge(first_after_loss[0], "moved to another system")
        .await
        .expect("acknowledged");
    shop.koan.delete(first_after_loss[0]).await.expect("deleted");
    let report = shop.koan.maintenance().await.expect("maintenance completed");
    assert!(report.is_clean(), "{report:?}");
    let size_drops = async || {
        shop.koan.catalog().health(&Expectations::new()).await.expect("the health was read").size_drops
    };
    assert_eq!(size_drops().await, [], "an acknowledged loss must not be reported for a later backup");
    database.truncate("Invoice", &SetName::root(), 1);
    let second_loss = shop.make_nightly_backups(1).await[0];
    assert_eq!(
        size_drops().await.iter().map(|loss| (loss.backup, loss.before)).collect::<Vec<_>>(),
        [(second_loss, 4)]
    );
}
