//! The invariants of a directory of backups after a process that uses it was killed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use koan_backup::{
    BackupId, Koan,
    archive::{BackupStatus, Manifest},
};
use koan_backup_tests::archive_surgery::sha256;
use serde_json::Value;

use super::harness::Side;
use super::shop::{NAME, below};

/// The content of a directory of backups.
pub(super) struct Catalog {
    pub(super) backups: BTreeMap<BackupId, Manifest>,
    /// The number of archives that belong to no backup.
    pub(super) without_manifest: usize,
    /// The number of other files in the folders of archives and manifests: temporary files, before they are
    /// renamed.
    pub(super) unfinished: usize,
}

impl Catalog {
    /// Returns whether the killed process has published its backup. The directory may contain one more backup
    /// than before, or none, and the database does not change.
    pub(super) fn side(&self, found: &Self) -> Side {
        for (id, manifest) in &self.backups {
            assert_eq!(found.backups.get(id), Some(manifest), "an earlier backup is gone or has changed");
        }
        let new = found.backups.len() - self.backups.len();
        assert!(new <= 1, "one job made {new} backups");
        // Every published backup contains all records.
        let mut contents = found.backups.values().map(contents);
        let first = contents.next().expect("the backup that was there before any kill");
        assert!(contents.all(|other| other == first), "a backup holds other records than the first");
        if new == 0 { Side::Before } else { Side::After }
    }
}

fn contents(manifest: &Manifest) -> Vec<(&str, u64, Option<&str>)> {
    let entities = manifest.entities.iter();
    entities
        .map(|entity| (entity.entity.as_str(), entity.item_count, entity.content_hash.as_deref()))
        .collect()
}

/// Asserts that a killed restore did not touch the only backup.
pub(super) async fn the_one_backup_is_left_alone(koan: &Koan, storage: &Path) {
    let catalog = every_backup_is_whole(koan, storage).await;
    assert_eq!((catalog.backups.len(), catalog.unfinished), (1, 0), "a restore leaves its backup alone");
}

/// Checks every file without the library, and then lists, looks up and verifies every backup with the
/// library.
pub(super) async fn every_backup_is_whole(koan: &Koan, storage: &Path) -> Catalog {
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
        let archive = manifest["archive"]["file"].as_str().unwrap_or_else(|| panic!("{file} has no archive"));
        let bytes = archives.remove(archive).unwrap_or_else(|| panic!("{file}: there is no {archive}"));
        assert_eq!(manifest["archive"]["sha256"], sha256(&bytes).as_str(), "{archive} is not whole");
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
    assert_eq!(Some(found.id), listed.first().map(|manifest| manifest.id), "the newest is found by its name");
    let without_manifest =
        archives.keys().filter(|file| file.ends_with(".zip") || file.ends_with(".zip.age")).count();
    unfinished += archives.len() - without_manifest;
    let backups = listed.into_iter().map(|manifest| (manifest.id, manifest)).collect();
    Catalog { backups, without_manifest, unfinished }
}

/// Asserts that the directory contains only complete backups and released leases.
pub(super) fn nothing_else_is_there(storage: &Path, catalog: &Catalog) {
    assert_eq!((catalog.without_manifest, catalog.unfinished), (0, 0), "maintenance left something");
    let others = below(storage).into_iter().filter(|path| {
        let file = path.strip_prefix(storage).expect("below it");
        let is_whole = !file.to_string_lossy().contains('#');
        let kept = ["archives", "manifests", "leases", "koan-profile.json"];
        !(is_whole && kept.iter().any(|known| file.starts_with(known)))
    });
    assert_eq!(others.collect::<Vec<_>>(), Vec::<PathBuf>::new(), "maintenance left something");
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
