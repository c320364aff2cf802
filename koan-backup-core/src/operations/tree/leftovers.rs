//! The removal of what killed processes have left in a tree. Only directories with a mark of koan-backup are removed.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files::{read_error, read_small, write_error};
use super::links;
use super::removal::{RemovalList, RemovalOutcome};
use super::staging::{STAGING_PREFIX, is_marked, remove_directory};
use crate::archive::tree::{METADATA_FILE, SEALED_METADATA_FILE, TreePath, TreeRegistry};
use crate::foundation::error::Result;
use crate::foundation::id::BackupId;

/// The lock file of a tree.
pub(super) const LOCK_FILE: &str = ".lock";
/// The temporary name of a new registry.
pub(super) const NEW_REGISTRY_FILE: &str = ".manifest.json.new";
/// The file in a staging directory that lists the directories of the backup that is being written.
pub(super) const PLAN_FILE: &str = "directories.json";
/// The file that marks a directory of a backup that is being written. It contains the id of the backup.
pub(super) const INCOMPLETE_MARK: &str = ".incomplete";
/// The maximum size of a file that lists directories.
const MAX_PLAN_BYTES: u64 = 16 << 20;
/// The maximum size of a mark.
const MAX_MARK_BYTES: u64 = 64;

/// The directories that a backup creates in a tree.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DirectoryPlan {
    pub(super) id: BackupId,
    pub(super) directories: Vec<TreePath>,
}

/// Returns whether an entry of a directory without a registry belongs to a first backup that was interrupted.
pub(super) fn is_ours(root: &Path, name: &str) -> bool {
    if [LOCK_FILE, NEW_REGISTRY_FILE].contains(&name) || is_staging(root, name) {
        return true;
    }
    // The directory of an entity that contains nothing but directories that a staging directory lists.
    let Ok(entries) = fs::read_dir(root) else { return false };
    let staged = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let plans =
        staged.filter(|staged| is_staging(root, staged)).filter_map(|staged| read_plan(&root.join(staged)));
    plans.flat_map(|plan| plan.directories).any(|path| path.entity() == name)
}

/// Removes the staging directories in a tree, and the directories of backups that were not completed. The caller
/// holds the lock of the tree.
pub(super) fn remove(root: &Path, registry: &TreeRegistry) -> Result<()> {
    for entry in fs::read_dir(root).map_err(|source| read_error(root, source))? {
        let name = entry.map_err(|source| read_error(root, source))?.file_name();
        let Some(name) = name.to_str().filter(|name| is_staging(root, name)) else { continue };
        let staging = root.join(name);
        if let Some(list) = RemovalList::read(&staging)
            && !complete_removal(root, registry, &list)
        {
            continue;
        }
        if let Some(plan) = read_plan(&staging) {
            let is_registered = registry.backups.iter().any(|backup| backup.id == plan.id);
            for path in &plan.directories {
                let directory = path.within(root);
                // A process may have been killed between the creation of a directory and of its mark.
                let is_ours = has_mark(root, path, plan.id) || is_empty_directory(&directory);
                match is_registered {
                    true if is_ours => remove_mark(&directory)?,
                    false if is_ours => remove_incomplete(root, path)?,
                    _ => {}
                }
                // The directory of the entity remains if it has other backups.
                let _ = fs::remove_dir(root.join(path.entity()));
            }
        }
        tracing::info!(
            target: "koan::backup", path = %staging.display(),
            "what an interrupted operation has left in a directory tree is removed"
        );
        remove_directory(&staging);
    }
    Ok(())
}

/// Completes the removal of backups that the registry does not list. Returns whether nothing is left to do.
fn complete_removal(root: &Path, registry: &TreeRegistry, list: &RemovalList) -> bool {
    let warnings = links::correct(root, registry, list.unlisted(registry));
    let RemovalOutcome { foreign_files, failures, .. } = list.remove_files(root, registry);
    let failed = failures.iter().map(|(_, failure)| failure);
    for problem in warnings.iter().chain(failed) {
        tracing::warn!(
            target: "koan::backup", root = %root.display(), %problem,
            "the removal of a backup from a directory tree was not completed; the next operation continues it"
        );
    }
    for file in foreign_files {
        tracing::warn!(
            target: "koan::backup", root = %root.display(), %file,
            "a file that koan-backup did not write is in the directory of a removed backup, and is kept"
        );
    }
    failures.is_empty()
}

fn is_staging(root: &Path, name: &str) -> bool {
    let path = root.join(name);
    // A process may have been killed between the creation of the directory and of its mark.
    name.starts_with(STAGING_PREFIX) && (is_marked(&path) || is_empty_directory(&path))
}

fn is_empty_directory(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
        && fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

/// Returns the directories that an interrupted backup has planned, or `None` if it has created none.
fn read_plan(staging: &Path) -> Option<DirectoryPlan> {
    let content = read_small(&staging.join(PLAN_FILE), MAX_PLAN_BYTES).ok()??;
    serde_json::from_slice(&content).ok()
}

fn has_mark(root: &Path, path: &TreePath, id: BackupId) -> bool {
    let is_directory = |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    let directory = path.within(root);
    is_directory(&root.join(path.entity()))
        && is_directory(&directory)
        && read_small(&directory.join(INCOMPLETE_MARK), MAX_MARK_BYTES)
            .is_ok_and(|mark| mark.is_some_and(|mark| mark == id.to_string().as_bytes()))
}

/// Removes the mark of a directory whose backup is registered.
pub(super) fn remove_mark(directory: &Path) -> Result<()> {
    let mark = directory.join(INCOMPLETE_MARK);
    match fs::remove_file(&mark) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(write_error(&mark, error)),
        _ => Ok(()),
    }
}

/// Removes the files of koan-backup in the directory of a backup that was not completed, and then the directory if
/// it is empty. The mark is removed last.
fn remove_incomplete(root: &Path, path: &TreePath) -> Result<()> {
    let directory = path.within(root);
    let mut other_files = false;
    for entry in fs::read_dir(&directory).map_err(|source| read_error(&directory, source))? {
        let entry = entry.map_err(|source| read_error(&directory, source))?;
        let name = entry.file_name();
        match name.to_str() {
            Some(INCOMPLETE_MARK) => {}
            Some(name) if is_tree_file(name) => {
                fs::remove_file(entry.path()).map_err(|source| write_error(&entry.path(), source))?;
            }
            _ => other_files = true,
        }
    }
    if other_files {
        tracing::warn!(
            target: "koan::backup", path = %directory.display(),
            "the directory of an interrupted backup contains files of somebody else and was not removed"
        );
        return Ok(());
    }
    remove_mark(&directory)?;
    fs::remove_dir(&directory).map_err(|source| write_error(&directory, source))
}

/// Returns whether a name is that of a file that koan-backup writes into the directory of a backup.
fn is_tree_file(name: &str) -> bool {
    let data = name.strip_prefix("data").is_some_and(|rest| rest.starts_with(['.', '#']));
    let is_json = name.ends_with(".json") || name.ends_with(".json.age");
    name == METADATA_FILE || name == SEALED_METADATA_FILE || (data && is_json)
}
