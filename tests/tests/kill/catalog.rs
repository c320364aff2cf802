//! Checks the invariants of a directory of backups after a process that uses the directory was killed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use koan_backup::{
    BackupId, Koan,
    archive::{BackupStatus, Manifest},
};
use koan_backup_tests::archive_surgery::sha256;
use serde_json::Value;

use super::harness::JobEffect;
use super::shop::{NAME, files_below};

/// The content of a directory of backups.
pub(super) struct Catalog {
    pub(super) backups: BTreeMap<BackupId, Manifest>,
    /// The number of archives that belong to no backup.
    pub(super) without_manifest: usize,
    /// The number of other files in the folders of archives and manifests, which are temporary files.
    pub(super) unfinished: usize,
}

impl Catalog {
    /// Returns whether the killed process has published its backup. Asserts that `found` contains the backups
    /// of this catalog and at most one new backup, and that all backups contain the same records.
    pub(super) fn effect(&self, found: &Self) -> JobEffect {
        for (id, manifest) in &self.backups {
            assert_eq!(found.backups.get(id), Some(manifest), "an earlier backup was removed or changed");
        }
        let new = found.backups.len() - self.backups.len();
        assert!(new <= 1, "one backup published {new} manifests");
        // Every published backup contains all records.
        let mut contents = found.backups.values().map(contents);
        let first = contents.next().expect("the backup from before the first kill");
        assert!(
            contents.all(|other| other == first),
            "a backup contains other records than the first backup"
        );
        if new == 0 { JobEffect::NotApplied } else { JobEffect::Applied }
    }
}

/// Returns the name, the number of records and the content hash of each entity.
fn contents(manifest: &Manifest) -> Vec<(&str, u64, Option<&str>)> {
    let entities = manifest.entities.iter();
    entities
        .map(|entity| (entity.entity.as_str(), entity.item_count, entity.content_hash.as_deref()))
        .collect()
}

/// Asserts that a killed restore did not change the directory with its only backup.
pub(super) async fn assert_backup_unchanged(koan: &Koan, storage: &Path) {
    let catalog = check_every_backup(koan, storage).await;
    assert_eq!(
        (catalog.backups.len(), catalog.unfinished),
        (1, 0),
        "the restore changed the backup directory"
    );
}

/// Checks every file without the library, and then lists, looks up and verifies every backup with the
/// library. Returns the content of the directory.
pub(super) async fn check_every_backup(koan: &Koan, storage: &Path) -> Catalog {
    let (mut archives, manifests) = (files(storage, "archives"), files(storage, "manifests"));
    let mut stored = BTreeSet::new();
    let mut unfinished = 0;
    for (file, content) in &manifests {
        let Some(id) = file.strip_prefix("manifests/").and_then(|name| name.strip_suffix(".json")) else {
            unfinished += 1;
            continue;
        };
        let manifest: Value =
            serde_json::from_slice(content).unwrap_or_else(|error| panic!("{file}: {error}"));
        let archive =
            manifest["archive"]["file"].as_str().unwrap_or_else(|| panic!("{file} refers to no archive"));
        let bytes = archives.remove(archive).unwrap_or_else(|| panic!("{file}: {archive} does not exist"));
        assert_eq!(manifest["archive"]["sha256"], sha256(&bytes).as_str(), "{archive} is damaged");
        stored.insert(id.parse::<BackupId>().expect("an id"));
    }
    let listed = koan.backups().await.expect("listed");
    assert_eq!(listed.iter().map(|manifest| manifest.id).collect::<BTreeSet<_>>(), stored);
    for manifest in &listed {
        let report = koan.verify(manifest.id).await.expect("a report");
        assert!(report.is_valid(), "{}: {:?}", manifest.id, report.issues());
        assert_eq!(manifest.status, BackupStatus::Completed, "{:?}", manifest.warnings);
    }
    let found = koan.restore(NAME).viability().await.expect("found by name");
    assert_eq!(
        Some(found.id),
        listed.first().map(|manifest| manifest.id),
        "a lookup by name finds the newest backup"
    );
    let without_manifest =
        archives.keys().filter(|file| file.ends_with(".zip") || file.ends_with(".zip.age")).count();
    unfinished += archives.len() - without_manifest;
    let backups = listed.into_iter().map(|manifest| (manifest.id, manifest)).collect();
    Catalog { backups, without_manifest, unfinished }
}

/// Asserts that the directory contains only complete backups, the records of their verifications, and released leases.
pub(super) fn assert_no_other_files(storage: &Path, catalog: &Catalog) {
    assert_eq!(
        (catalog.without_manifest, catalog.unfinished),
        (0, 0),
        "maintenance left archives without a manifest or unfinished files"
    );
    let others = files_below(storage).into_iter().filter(|path| {
        let file = path.strip_prefix(storage).expect("the file is below the storage directory");
        let is_complete = !file.to_string_lossy().contains('#');
        let expected = ["archives", "manifests", "leases", "verifications", "koan-profile.json"];
        !(is_complete && expected.iter().any(|known| file.starts_with(known)))
    });
    assert_eq!(others.collect::<Vec<_>>(), Vec::<PathBuf>::new(), "maintenance left other files");
}

/// Returns the contents of the files in a folder of the storage, by their paths.
fn files(storage: &Path, folder: &str) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(storage.join(folder)).expect("readable");
    let paths = entries.map(|entry| entry.expect("readable").path());
    let named = paths.map(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        (format!("{folder}/{name}"), std::fs::read(&path).expect("readable"))
    });
    named.collect()
}
