//! Maintenance reports unlisted archives and never removes them, and a recovery publishes them again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use koan_backup::prelude::*;
use koan_backup::{
    BackupId, Clock, Retention, SetName,
    catalog::{CatalogHealth, Expectations, RemovalReason, UnlistedState},
    maintenance::{MaintenanceReport, ProfileMaintenance},
    report::RecoveryOutcome,
};
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};
use koan_backup_tests::hand_clock::HandClock;
use koan_backup_tests::scripted::Scripted;
use object_store::local::LocalFileSystem;
use serde::{Deserialize, Serialize};
use serde_json::Value;

koan_backup::entity_backup_scope!(mode = All);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
struct Invoice {
    id: i64,
}

struct Shop {
    koan: Koan,
    clock: HandClock,
    folder: tempfile::TempDir,
    store: FaultyStore,
}

async fn shop() -> Shop {
    let folder = tempfile::tempdir().expect("a folder");
    let store = LocalFileSystem::new_with_prefix(folder.path()).expect("a folder");
    let store = FaultyStore::over(Arc::new(store));
    let clock = HandClock::at(&jiff::Timestamp::now().to_string());
    let koan = context(store.storage(), &clock).await;
    Shop { koan, clock, folder, store }
}

async fn context(storage: Storage, clock: &HandClock) -> Koan {
    let database = Scripted::default();
    for id in 0..50 {
        database.put(&SetName::root(), &Invoice { id });
    }
    let builder = Koan::builder().provider(database).storage(storage).clock(clock.clone());
    builder.build().await.expect("a context")
}

impl Shop {
    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn files(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(folder)).into_iter().flatten();
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

    fn manifest(&self, id: BackupId) -> Value {
        let text = std::fs::read(self.path(&format!("manifests/{id}.json"))).expect("a manifest");
        serde_json::from_slice(&text).expect("JSON")
    }

    fn archive(&self, id: BackupId) -> String {
        self.manifest(id)["archive"]["file"].as_str().expect("an archive").to_owned()
    }

    fn lose_manifests(&self) {
        std::fs::remove_dir_all(self.path("manifests")).expect("removed");
    }

    async fn maintain(&self) -> (MaintenanceReport, ProfileMaintenance) {
        let report = self.koan.maintenance().without_verification().await.expect("maintenance completed");
        let profile = report.profiles[0].clone();
        (report, profile)
    }

    async fn health(&self) -> CatalogHealth {
        self.koan.catalog().health(&Expectations::new()).await.expect("the health was read")
    }

    async fn listed(&self) -> Vec<BackupId> {
        let mut ids: Vec<_> =
            self.koan.backups().await.expect("listed").into_iter().map(|manifest| manifest.id).collect();
        ids.sort();
        ids
    }

    /// Runs a recovery, and returns the outcomes with the paths of the archives, sorted by path.
    async fn recover(&self) -> Vec<(String, RecoveryOutcome)> {
        let report = self.koan.catalog().recover().await.expect("recovery completed");
        let mut found: Vec<_> =
            report.archives.into_iter().map(|archive| (archive.archive, archive.outcome)).collect();
        found.sort_by(|left, right| left.0.cmp(&right.0));
        found
    }

    fn make_archives_old(&self) {
        for name in self.files("archives") {
            make_old(&self.path(&format!("archives/{name}")));
        }
    }
}

fn make_old(file: &Path) {
    let file = std::fs::File::options().write(true).open(file).expect("a file");
    file.set_modified(SystemTime::now() - Duration::from_secs(90 * 86_400)).expect("a time");
}

#[tokio::test]
async fn archives_whose_manifests_are_all_lost_are_kept_and_recovered() {
    let shop = shop().await;
    let ids = shop.make_nightly_backups(3).await;
    let before: Vec<_> = ids.iter().map(|id| shop.manifest(*id)).collect();
    shop.make_archives_old();
    shop.lose_manifests();
    let (report, profile) = shop.maintain().await;
    assert!(!report.is_clean() && profile.removed_files.is_empty(), "{report:?}");
    assert_eq!(profile.unlisted.len(), 3);
    assert!(
        profile.unlisted.iter().all(|archive| archive.state == UnlistedState::Complete
            && archive.id.is_some_and(|id| ids.contains(&id)))
    );
    assert!(
        profile.failures[0].contains("most archives in storage") && profile.failures[0].contains("recover")
    );
    assert_eq!(shop.files("archives").len(), 3);
    let health = shop.health().await;
    assert_eq!(health.unlisted.len(), 3);
    assert!(health.problems.iter().any(|problem| problem.contains("is unlisted")), "{health:?}");

    let recovered = shop.recover().await;
    assert!(
        recovered.len() == 3 && recovered.iter().all(|(_, outcome)| *outcome == RecoveryOutcome::Recovered)
    );
    let after: Vec<_> = ids.iter().map(|id| shop.manifest(*id)).collect();
    assert_eq!(
        after, before,
        "the recovered manifests must equal the lost manifests, including path, size and hash of the archive"
    );
    for id in &ids {
        assert!(shop.koan.verify(*id).await.expect("read").is_valid());
    }
    let _ = shop.koan.restore("nightly").replace_existing().await.expect("restored");
    let (report, _) = shop.maintain().await;
    assert!(report.is_clean(), "{report:?}");
    assert!(shop.health().await.unlisted.is_empty() && shop.recover().await.is_empty());
}

#[tokio::test]
async fn nothing_is_removed_while_most_archives_are_unlisted() {
    let shop = shop().await;
    let ids = shop.make_nightly_backups(5).await;
    let retention = || shop.koan.retention(Retention::new().keep_last(1));
    for id in &ids[..3] {
        std::fs::remove_file(shop.path(&format!("manifests/{id}.json"))).expect("removed");
    }
    let garbage = shop.path("archives/backup-a-20260101-000000-0a1b2c3d.zip");
    std::fs::write(&garbage, b"PK").expect("written");
    shop.make_archives_old();
    let report = shop
        .koan
        .maintenance()
        .retention(Retention::new().keep_last(1))
        .await
        .expect("maintenance completed");
    assert_eq!(report.profiles[0].failures.len(), 2, "{report:?}");
    let plan = retention().plan().await.expect("a plan");
    let error = retention().apply(&plan).await.expect_err("most archives are unlisted");
    assert!(
        error.kind() == ErrorKind::Conflict && error.to_string().contains("most archives in storage"),
        "{error}"
    );
    let error = shop.koan.delete(ids[3]).await.expect_err("most archives are unlisted");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!((shop.files("archives").len(), shop.files("manifests").len()), (6, 2));

    let report = shop.koan.catalog().recover().profiles(["local"]).await.expect("recovery completed");
    assert_eq!(report.recovered().count(), 3);
    assert!(report.require_all().is_ok(), "an incomplete archive must not make the recovery fail");
    let report = shop
        .koan
        .maintenance()
        .retention(Retention::new().keep_last(1))
        .await
        .expect("maintenance completed");
    assert!(report.is_clean() && !garbage.exists(), "{report:?}");
    assert_eq!((shop.files("archives").len(), shop.listed().await), (1, ids[4..].to_vec()));
}

#[tokio::test]
async fn an_archive_that_a_user_copied_into_the_storage_is_recovered_under_any_name() {
    let source = shop().await;
    let ids = source.make_nightly_backups(2).await;
    let target = shop().await;
    std::fs::create_dir_all(target.path("archives")).expect("a folder");
    let archives: Vec<_> = ids.iter().map(|id| source.archive(*id)).collect();
    std::fs::copy(source.path(&archives[0]), target.path(&archives[0])).expect("copied");
    std::fs::copy(source.path(&archives[1]), target.path("archives/the good one.zip")).expect("copied");
    for name in ["notes.txt", "._the good one.zip", "holiday.zip", "readme.zip.part"] {
        std::fs::write(target.path("archives").join(name), b"mine").expect("written");
    }
    let recovered = target.recover().await;
    let [first, holiday, second] = recovered.as_slice() else { panic!("{recovered:?}") };
    assert_eq!((&first.1, &second.1), (&RecoveryOutcome::Recovered, &RecoveryOutcome::Recovered));
    assert_eq!((holiday.0.as_str(), &holiday.1), ("archives/holiday.zip", &RecoveryOutcome::Incomplete));
    target.make_archives_old();
    target.clock.pass(72);
    assert!(
        target.maintain().await.0.is_clean() && target.path("archives/holiday.zip").exists(),
        "a file with a name that Koan does not write must stay"
    );
    assert_eq!(target.archive(ids[1]), "archives/the good one.zip");
    assert_eq!(target.listed().await, ids);
    let _ = target.koan.restore("nightly").replace_existing().await.expect("restored");
}

#[tokio::test]
async fn only_archives_that_are_proven_to_be_truncated_are_removed() {
    let shop = shop().await;
    let ids = shop.make_nightly_backups(1).await;
    let intact_bytes = std::fs::read(shop.path(&shop.archive(ids[0]))).expect("read");
    let end = intact_bytes.len();
    let with_flipped_bit = |position: usize| {
        let mut bytes = intact_bytes.clone();
        bytes[position] ^= 1;
        bytes
    };
    let manifest = intact_bytes
        .windows(13)
        .rposition(|name| name == b"manifest.json")
        .expect("the directory of the ZIP file");
    let truncated_lengths = [0, 1, end / 3, end / 2, end - 30, end - 22, end - 1];
    let mut damaged = Vec::new();
    let name = |number: usize| format!("archives/backup-x-20260101-000000-{number:08x}.zip");
    let mut number = 0;
    let mut write = |bytes: &[u8]| {
        number += 1;
        std::fs::write(shop.path(&name(number)), bytes).expect("written");
        name(number)
    };
    let truncated: Vec<_> = truncated_lengths.map(|length| write(&intact_bytes[..length])).to_vec();
    // These archives are damaged, but not truncated: the bytes differ in the end record, in the directory,
    // and in the number of its entries.
    for position in [end - 22, manifest - 46, end - 12] {
        damaged.push(write(&with_flipped_bit(position)));
    }
    shop.make_archives_old();
    // With these backups, most archives are listed, so maintenance removes incomplete archives.
    shop.make_nightly_backups(4).await;
    let (_, profile) = shop.maintain().await;
    let mut removed = profile.removed_files.clone();
    removed.sort();
    assert_eq!(removed, truncated, "{profile:?}");
    let mut unlisted: Vec<_> = profile.unlisted.iter().map(|archive| archive.archive.clone()).collect();
    unlisted.sort();
    assert_eq!(unlisted, damaged);
    assert!(profile.unlisted.iter().all(|archive| matches!(archive.state, UnlistedState::Damaged { .. })));
    let recovered = shop.recover().await;
    assert!(recovered.iter().all(|(_, outcome)| matches!(outcome, RecoveryOutcome::Damaged { .. })));
    let error = shop
        .koan
        .catalog()
        .recover()
        .await
        .expect("recovery completed")
        .require_all()
        .expect_err("an archive is damaged");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn an_archive_whose_records_are_damaged_is_not_recovered() {
    let shop = shop().await;
    let ids = shop.make_nightly_backups(1).await;
    let archive = shop.path(&shop.archive(ids[0]));
    let mut bytes = std::fs::read(&archive).expect("read");
    let entry = bytes.windows(22).position(|name| name == b"entities/Invoice.jsonl").expect("an entry");
    bytes[entry + 30] ^= 1;
    std::fs::write(&archive, bytes).expect("written");
    shop.lose_manifests();
    let recovered = shop.recover().await;
    assert!(matches!(recovered.as_slice(), [(_, RecoveryOutcome::Damaged { .. })]), "{recovered:?}");
    assert!(shop.listed().await.is_empty() && archive.exists());
}

#[tokio::test]
async fn an_archive_that_cannot_be_read_is_not_removed() {
    let shop = shop().await;
    shop.make_nightly_backups(2).await;
    let archive = shop.path("archives/backup-a-20260101-000000-0a1b2c3d.zip");
    std::fs::write(&archive, vec![0; 1000]).expect("written");
    make_old(&archive);
    for (operation, failure) in [
        (Operation::Get, Failure::Forbidden),
        (Operation::Get, Failure::Broken),
        (Operation::Get, Failure::Short(10)),
        (Operation::Head, Failure::Broken),
    ] {
        shop.store.fail([Fault::always(operation, "0a1b2c3d", failure)]);
        let (report, profile) = shop.maintain().await;
        assert!(profile.removed_files.is_empty() && !report.is_clean(), "{failure:?}: {report:?}");
        assert!(archive.exists(), "{failure:?}");
        let outcome = &shop.recover().await[0].1;
        assert!(
            matches!(outcome, RecoveryOutcome::Failed { .. } | RecoveryOutcome::Damaged { .. }),
            "{outcome:?}"
        );
    }
    shop.store.fail([]);
    let (_, profile) = shop.maintain().await;
    assert_eq!(profile.removed_files.len(), 1, "{profile:?}");
}

#[tokio::test]
async fn an_interrupted_removal_is_completed_and_its_archive_is_not_recovered() {
    let shop = shop().await;
    let ids = shop.make_nightly_backups(6).await;
    let archives: Vec<_> = ids.iter().map(|id| shop.archive(*id)).collect();
    shop.store.fail([Fault::always(Operation::Delete, "archives/", Failure::Forbidden)]);
    shop.koan.delete(ids[0]).await.expect_err("the store refuses to delete the archive");
    let retention = shop.koan.retention(Retention::new().keep_last(4));
    let plan = retention.plan().await.expect("a plan");
    retention.apply(&plan).await.expect_err("the store refuses to delete the archive");
    assert_eq!((shop.listed().await, shop.files("archives").len()), (ids[2..].to_vec(), 6));
    let to_be_removed = |reason| RecoveryOutcome::ToBeRemoved { reason };
    assert_eq!(
        shop.recover().await,
        [
            (archives[0].clone(), to_be_removed(RemovalReason::Deleted)),
            (archives[1].clone(), to_be_removed(RemovalReason::Retention)),
        ]
    );
    assert!(
        shop.health().await.unlisted.is_empty(),
        "archives with a removal record must not be reported as unlisted"
    );
    // A recovery does not publish these archives either if the manifests of the other backups are lost.
    let moved_manifests = shop.path("moved");
    std::fs::rename(shop.path("manifests"), &moved_manifests).expect("renamed");
    assert_eq!(shop.koan.catalog().recover().await.expect("recovery completed").recovered().count(), 4);
    assert_eq!(shop.listed().await, ids[2..]);
    shop.store.fail([]);
    let (report, profile) = shop.maintain().await;
    assert_eq!(profile.removed_files, archives[..2], "{report:?}");
    assert!(report.is_clean());
    let _ = shop.maintain().await;
    assert_eq!(shop.files("removals"), [""; 0], "the records of completed removals must be removed");
}

#[tokio::test]
async fn a_failed_removal_leaves_no_removal_record() {
    let shop = shop().await;
    let ids = shop.make_nightly_backups(3).await;
    shop.store.fail([Fault::always(Operation::Delete, "manifests/", Failure::Forbidden)]);
    shop.koan.delete(ids[0]).await.expect_err("the store refuses to delete the manifest");
    assert_eq!(shop.files("removals"), [""; 0]);
    // A backup is not removed if its removal cannot be recorded.
    shop.store.fail([Fault::always(Operation::Put, "removals/", Failure::Forbidden)]);
    shop.koan.delete(ids[0]).await.expect_err("the removal cannot be recorded");
    shop.store.fail([]);
    assert_eq!(shop.listed().await, ids);
    assert_deletion_is_recorded_first(&shop, ids[0]).await;
}

/// Checks that a deletion writes its removal record before it hides the manifest, and withdraws the record if
/// it is refused.
async fn assert_deletion_is_recorded_first(shop: &Shop, id: BackupId) {
    // The pin is set while the deletion removes the manifest. The deletion puts the manifest back and
    // withdraws the removal record.
    shop.store.fail([Fault::always(Operation::Delete, "manifests", Failure::Held)]);
    let deleting = tokio::spawn(std::future::IntoFuture::into_future(shop.koan.delete(id)));
    shop.store.until_called(Operation::Delete, "manifests", 1).await;
    assert_eq!(
        shop.files("removals").len(),
        1,
        "the removal must be recorded before the manifest is deleted"
    );
    shop.koan.pin(id, None, "an audit").await.expect("pinned");
    shop.store.resume();
    let error = deleting
        .await
        .expect("the task did not panic")
        .expect_err("the backup was pinned during the deletion");
    assert!(error.to_string().contains("an audit"), "{error}");
    assert_eq!(shop.files("removals"), [""; 0], "the removal record must be withdrawn");
    assert!(shop.koan.verify(id).await.expect("read").is_valid());
}

/// Writes a removal record as a crashed process leaves it.
fn write_removal_record(shop: &Shop, id: BackupId, archive: &str, reason: &str, replacement: Option<&str>) {
    let record = serde_json::json!({
        "archive": archive, "id": id, "reason": reason, "replacement": replacement, "decidedAt": shop.clock.now(),
    });
    std::fs::create_dir_all(shop.path("removals")).expect("a folder");
    let name = archive.strip_prefix("archives/").expect("an archive");
    std::fs::write(shop.path(&format!("removals/{name}.json")), record.to_string()).expect("written");
}

#[tokio::test]
async fn a_removal_record_has_no_effect_while_a_manifest_names_the_archive() {
    let shop = shop().await;
    let ids = shop.make_nightly_backups(3).await;
    write_removal_record(&shop, ids[0], &shop.archive(ids[0]), "deleted", None);
    write_removal_record(
        &shop,
        ids[1],
        &shop.archive(ids[1]),
        "rekeyed",
        Some("archives/backup-none-20260101-000000-0a1b2c3d.zip"),
    );
    shop.make_archives_old();
    let (report, profile) = shop.maintain().await;
    assert!(report.is_clean() && profile.removed_files.is_empty(), "{report:?}");
    assert_eq!(shop.files("archives").len(), 3);
    assert_eq!(shop.files("removals"), [""; 0], "removal records of listed archives must be withdrawn");
}

#[tokio::test]
async fn a_removal_record_of_a_rekey_takes_effect_only_if_the_replacement_verifies() {
    let shop = shop().await;
    let ids = shop.make_nightly_backups(5).await;
    let old = shop.archive(ids[0]);
    let new = old.replace(".zip", "-0a1b2c3d.zip");
    std::fs::copy(shop.path(&old), shop.path(&new)).expect("copied");
    let intact_bytes = std::fs::read(shop.path(&new)).expect("read");
    std::fs::remove_file(shop.path(&format!("manifests/{}.json", ids[0]))).expect("removed");
    for replacement in [Some("PK"), None] {
        write_removal_record(&shop, ids[0], &old, "rekeyed", Some(&new));
        match replacement {
            Some(text) => std::fs::write(shop.path(&new), text).expect("written"),
            None => std::fs::remove_file(shop.path(&new)).expect("removed"),
        }
        shop.make_archives_old();
        let (_, profile) = shop.maintain().await;
        assert!(!profile.removed_files.contains(&old), "{profile:?}");
        assert_eq!(profile.unlisted.len(), 1);
        std::fs::write(shop.path(&new), &intact_bytes).expect("written");
    }
    // Another backup at the path of the replacement does not count as the replacement.
    std::fs::copy(shop.path(&shop.archive(ids[1])), shop.path(&new)).expect("copied");
    assert!(!shop.maintain().await.1.removed_files.contains(&old));
    std::fs::write(shop.path(&new), &intact_bytes).expect("written");
    let recovered = shop.recover().await;
    assert_eq!(
        recovered,
        [
            (new.clone(), RecoveryOutcome::Recovered),
            (old.clone(), RecoveryOutcome::ToBeRemoved { reason: RemovalReason::Rekeyed }),
        ]
    );
    assert_eq!(shop.archive(ids[0]), new);
    let (_, profile) = shop.maintain().await;
    assert_eq!(profile.removed_files, [old]);
}

#[tokio::test]
async fn an_unlisted_archive_of_a_listed_backup_is_removed_only_if_the_listed_archive_verifies() {
    let shop = shop().await;
    let ids = shop.make_nightly_backups(3).await;
    let listed = shop.archive(ids[0]);
    let copy = listed.replace(".zip", "-0a1b2c3d.zip");
    std::fs::copy(shop.path(&listed), shop.path(&copy)).expect("copied");
    shop.make_archives_old();
    let intact_bytes = std::fs::read(shop.path(&listed)).expect("read");
    std::fs::write(shop.path(&listed), b"PK").expect("written");
    let (_, profile) = shop.maintain().await;
    assert!(profile.removed_files.is_empty() && profile.unlisted.len() == 1, "{profile:?}");
    let recovered = shop.recover().await;
    assert!(
        matches!(&recovered[0].1, RecoveryOutcome::Failed { problem } if problem.contains("already listed"))
    );
    std::fs::write(shop.path(&listed), intact_bytes).expect("written");
    assert_eq!(shop.recover().await, [(copy.clone(), RecoveryOutcome::Superseded { by: listed.clone() })]);
    let (_, profile) = shop.maintain().await;
    assert_eq!(profile.removed_files, [copy]);
    assert!(shop.path(&listed).exists());
}

#[tokio::test]
async fn a_damaged_manifest_is_kept_under_another_name_and_replaced_from_its_archive() {
    let shop = shop().await;
    let ids = shop.make_nightly_backups(3).await;
    let before = shop.manifest(ids[1]);
    std::fs::write(shop.path(&format!("manifests/{}.json", ids[1])), b"{\"id\":").expect("written");
    shop.make_archives_old();
    let (_, profile) = shop.maintain().await;
    assert!(profile.removed_files.is_empty() && profile.unreadable.len() == 1, "{profile:?}");
    let recovered = shop.recover().await;
    assert!(matches!(recovered.as_slice(), [(_, RecoveryOutcome::Recovered)]), "{recovered:?}");
    assert_eq!(shop.manifest(ids[1]), before);
    assert!(shop.files("manifests").iter().any(|name| name.contains(".damaged-")));
    assert_eq!(shop.listed().await, ids);
    // A manifest that the store refuses to return is not replaced.
    shop.store.fail([Fault::always(Operation::Get, "manifests/", Failure::Forbidden).after(0)]);
    shop.koan.catalog().recover().await.expect_err("the store refuses to return the manifest");
}

#[tokio::test]
async fn a_removal_record_has_no_effect_on_a_pinned_backup() {
    let shop = shop().await;
    let ids = shop.make_nightly_backups(3).await;
    let archive = shop.archive(ids[0]);
    write_removal_record(&shop, ids[0], &archive, "deleted", None);
    shop.koan.pin(ids[0], None, "an audit").await.expect("pinned");
    std::fs::remove_file(shop.path(&format!("manifests/{}.json", ids[0]))).expect("removed");
    shop.make_archives_old();
    let (_, profile) = shop.maintain().await;
    assert!(profile.removed_files.is_empty() && shop.path(&archive).exists(), "{profile:?}");
    let recovered = shop.recover().await;
    assert!(matches!(recovered.as_slice(), [(_, RecoveryOutcome::Recovered)]), "{recovered:?}");
    assert_eq!(shop.files("removals"), [""; 0], "the removal record must be withdrawn");
}

#[tokio::test]
async fn a_file_that_is_replaced_after_it_was_assessed_as_incomplete_is_not_removed() {
    let shop = shop().await;
    let ids = shop.make_nightly_backups(2).await;
    let archive = "archives/backup-late-20260101-000000-0a1b2c3d.zip";
    std::fs::write(shop.path(archive), b"12345").expect("written");
    make_old(&shop.path(archive));
    let intact_bytes = std::fs::read(shop.path(&shop.archive(ids[0]))).expect("an archive");
    // Maintenance first assesses the content of the file, and then reads leases and manifests once more.
    let profile = maintain_with(&shop, Operation::Get, "0a1b2c3d", || {
        std::fs::write(shop.path(archive), &intact_bytes).expect("written");
    });
    let profile = profile.await;
    assert!(profile.removed_files.is_empty() && shop.path(archive).exists(), "{profile:?}");
}

/// Writes a lease of another process that works on an archive.
fn write_lease(shop: &Shop, archive: &str, minutes: i64) {
    let now = shop.clock.now();
    let lease = serde_json::json!({
        "formatVersion": 1, "subject": { "backup": "slow" }, "acquiredAt": now, "leaseSeconds": 60, "released": false,
        "expiresAt": now + jiff::Span::new().minutes(minutes), "backup": null, "archive": archive,
        "holder": { "token": uuid::Uuid::nil(), "application": "shop", "host": "other", "process": 7 },
    });
    std::fs::create_dir_all(shop.path("leases/backup/slow")).expect("a folder");
    std::fs::write(shop.path("leases/backup/slow/0000000001.json"), lease.to_string()).expect("written");
}

/// Runs maintenance, and calls `action` while an operation of the store is held.
async fn maintain_with(
    shop: &Shop,
    operation: Operation,
    path: &'static str,
    action: impl FnOnce(),
) -> ProfileMaintenance {
    shop.store.fail([Fault::always(operation, path, Failure::Held)]);
    let running =
        tokio::spawn(std::future::IntoFuture::into_future(shop.koan.maintenance().without_verification()));
    shop.store.until_called(operation, path, 1).await;
    action();
    shop.store.resume();
    running.await.expect("the task did not panic").expect("maintenance completed").profiles[0].clone()
}

#[tokio::test]
async fn an_archive_that_becomes_a_backup_while_maintenance_runs_is_not_removed() {
    let archive = "archives/backup-slow-20260101-000000-0a1b2c3d.zip";
    let shop_with_incomplete_archive = async || {
        let shop = shop().await;
        let ids = shop.make_nightly_backups(2).await;
        std::fs::write(shop.path(archive), b"12345").expect("written");
        make_old(&shop.path(archive));
        (shop, ids)
    };
    // Maintenance assesses the lease for the time at which it read the lease, not for the time after the
    // survey. Other processes may acquire this lease after half a minute; the lease of maintenance lasts
    // longer.
    let (shop, _) = shop_with_incomplete_archive().await;
    write_lease(&shop, archive, 0);
    let (clock, later) = (shop.clock.clone(), shop.clock.now() + jiff::Span::new().seconds(35));
    let profile = maintain_with(&shop, Operation::List, "manifests", || clock.set(later)).await;
    assert!(profile.removed_files.is_empty() && shop.path(archive).exists(), "{profile:?}");
    assert!(profile.failures.is_empty(), "maintenance must still hold its own lease: {profile:?}");
    // A manifest that appears after the survey names the archive.
    let (shop, ids) = shop_with_incomplete_archive().await;
    let profile = maintain_with(&shop, Operation::Get, "0a1b2c3d", || {
        let mut manifest = shop.manifest(ids[0]);
        let id = "01920000-0000-7000-8000-00000a1b2c3d";
        manifest["id"] = id.into();
        manifest["archive"]["file"] = archive.into();
        std::fs::write(shop.path(&format!("manifests/{id}.json")), manifest.to_string()).expect("written");
    });
    let profile = profile.await;
    assert!(profile.removed_files.is_empty() && shop.path(archive).exists(), "{profile:?}");
    // A lease that appears after the survey names the archive as well.
    let (shop, _) = shop_with_incomplete_archive().await;
    let profile = maintain_with(&shop, Operation::Get, "0a1b2c3d", || write_lease(&shop, archive, 1)).await;
    assert!(profile.removed_files.is_empty() && shop.path(archive).exists(), "{profile:?}");
    // The archive is removed when no manifest and no lease names it.
    std::fs::remove_dir_all(shop.path("leases/backup/slow")).expect("removed");
    assert_eq!(shop.maintain().await.1.removed_files, [archive]);
}

#[tokio::test]
async fn a_recovery_skips_archives_in_use_and_is_refused_while_another_process_removes_backups() {
    let shop = shop().await;
    let ids = shop.make_nightly_backups(2).await;
    let archive = shop.archive(ids[0]);
    shop.lose_manifests();
    write_lease(&shop, &archive, 1);
    let recovered = shop.recover().await;
    assert!(recovered.contains(&(archive, RecoveryOutcome::InUse)), "{recovered:?}");
    assert_eq!(shop.listed().await, ids[1..]);
    let now = shop.clock.now();
    let prune = serde_json::json!({
        "formatVersion": 1, "subject": "prune", "acquiredAt": now, "leaseSeconds": 60, "released": false,
        "expiresAt": now + jiff::Span::new().minutes(1), "backup": null, "archive": null,
        "holder": { "token": uuid::Uuid::nil(), "application": "shop", "host": "other", "process": 7 },
    });
    std::fs::write(shop.path("leases/prune/0000000099.json"), prune.to_string()).expect("written");
    let error = shop.koan.catalog().recover().await.expect_err("another process removes backups");
    assert_eq!(error.kind(), ErrorKind::Busy);
    let error = shop.koan.catalog().recover().profiles(["far"]).await.expect_err("no such profile");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
