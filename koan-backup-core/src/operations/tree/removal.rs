//! The files of backups that were removed from the registry of a tree. The functions block.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files::{read_error, read_small, sync_directory, write_error};
use crate::archive::tree::{
    EncryptedFile, METADATA_FILE, SEALED_METADATA_FILE, TreeBackup, TreePath, TreeRegistry, data_file,
};
use crate::foundation::error::Result;
use crate::foundation::id::BackupId;

/// The file in a staging directory that lists the backups whose files are removed.
pub(super) const REMOVALS_FILE: &str = "removals.json";
/// The maximum size of that file.
const MAX_REMOVALS_BYTES: u64 = 64 << 20;

/// The backups that are removed from a tree, with their files. It is written before the registry is replaced, so that
/// the next operation completes the removal if the process is killed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RemovalList {
    backups: Vec<RemovedFiles>,
}

/// The files of one backup.
#[derive(Debug, Serialize, Deserialize)]
struct RemovedFiles {
    id: BackupId,
    directories: Vec<RemovedDirectory>,
}

/// One directory of a backup, and the names of the files that koan-backup wrote into it.
#[derive(Debug, Serialize, Deserialize)]
struct RemovedDirectory {
    path: TreePath,
    files: Vec<String>,
}

/// The result of the removal of files.
#[derive(Debug, Default)]
pub(super) struct RemovalOutcome {
    /// The size of the removed files of each backup.
    pub(super) freed_bytes: BTreeMap<BackupId, u64>,
    /// Files that koan-backup did not write, which are kept, by their paths in the tree.
    pub(super) foreign_files: Vec<String>,
    /// The backups of which a file could not be removed, with the errors.
    pub(super) failures: Vec<(BackupId, String)>,
}

impl RemovalList {
    /// Lists the files of backups of a tree. Their names follow from the sets in the registry.
    pub(super) fn new<'b>(backups: impl Iterator<Item = &'b TreeBackup>) -> Self {
        let backups = backups.map(|backup| {
            let directories = backup.entities.iter().map(|entity| {
                let data = entity.sets.iter().flat_map(|set| {
                    [EncryptedFile::No, EncryptedFile::Yes].map(|encrypted| data_file(set, encrypted))
                });
                let files = data.chain([METADATA_FILE, SEALED_METADATA_FILE].map(str::to_owned)).collect();
                RemovedDirectory { path: entity.directory.clone(), files }
            });
            RemovedFiles { id: backup.id, directories: directories.collect() }
        });
        Self { backups: backups.collect() }
    }

    /// Reads the list in a staging directory. Returns `None` if there is none.
    pub(super) fn read(staging: &Path) -> Option<Self> {
        let content = read_small(&staging.join(REMOVALS_FILE), MAX_REMOVALS_BYTES).ok()??;
        serde_json::from_slice(&content).ok()
    }

    /// Returns the directories of the backups that the registry does not list, because only they are removed.
    pub(super) fn unlisted<'l>(&'l self, registry: &'l TreeRegistry) -> impl Iterator<Item = &'l TreePath> {
        self.removable(registry).map(|(_, directory)| &directory.path)
    }

    /// Removes the files of the backups that the registry does not list, and then their directories if they are empty.
    /// Files that are not in the list, and symbolic links, are kept.
    pub(super) fn remove_files(&self, root: &Path, registry: &TreeRegistry) -> RemovalOutcome {
        let mut outcome = RemovalOutcome::default();
        for (id, directory) in self.removable(registry) {
            let freed_bytes = outcome.freed_bytes.entry(id).or_default();
            let removed = remove_directory(root, directory, freed_bytes, &mut outcome.foreign_files);
            if let Err(error) = removed {
                outcome.failures.push((id, error.chain()));
            }
        }
        outcome
    }

    fn removable<'l>(
        &'l self,
        registry: &'l TreeRegistry,
    ) -> impl Iterator<Item = (BackupId, &'l RemovedDirectory)> {
        let is_used = |path: &TreePath| {
            registry
                .backups
                .iter()
                .flat_map(|backup| &backup.entities)
                .any(|entity| entity.directory == *path)
        };
        self.backups
            .iter()
            .filter(|removed| registry.backups.iter().all(|backup| backup.id != removed.id))
            .flat_map(|removed| removed.directories.iter().map(|directory| (removed.id, directory)))
            .filter(move |(_, directory)| !is_used(&directory.path))
    }
}

/// Removes the listed files of a directory, and the directory if no other file is in it.
fn remove_directory(
    root: &Path,
    removed: &RemovedDirectory,
    freed_bytes: &mut u64,
    foreign_files: &mut Vec<String>,
) -> Result<()> {
    let (entity, directory) = (root.join(removed.path.entity()), removed.path.within(root));
    for path in [&entity, &directory] {
        match fs::symlink_metadata(path) {
            Ok(found) if found.is_dir() => {}
            // A symbolic link is not followed, because it could refer to files outside of the tree.
            Ok(_) => {
                foreign_files.push(removed.path.to_string());
                return Ok(());
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(read_error(path, source)),
        }
    }
    let mut has_foreign_files = false;
    for entry in fs::read_dir(&directory).map_err(|source| read_error(&directory, source))? {
        let entry = entry.map_err(|source| read_error(&directory, source))?;
        let (path, name) = (entry.path(), entry.file_name());
        let found = fs::symlink_metadata(&path).map_err(|source| read_error(&path, source))?;
        let is_listed = name.to_str().is_some_and(|name| removed.files.iter().any(|file| file == name));
        if is_listed && found.is_file() {
            fs::remove_file(&path).map_err(|source| write_error(&path, source))?;
            *freed_bytes = freed_bytes.saturating_add(found.len());
        } else {
            has_foreign_files = true;
            foreign_files.push(format!("{}/{}", removed.path, name.to_string_lossy()));
        }
    }
    if !has_foreign_files {
        fs::remove_dir(&directory).map_err(|source| write_error(&directory, source))?;
    }
    sync_directory(&entity)?;
    // The directory of the entity remains if it has other backups.
    let _ = fs::remove_dir(&entity);
    Ok(())
}
