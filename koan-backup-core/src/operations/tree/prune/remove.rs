//! Removes backups from a tree: first from the registry, then the links, then the files. The functions block.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::archive::tree::TreeBackup;
use crate::foundation::clock::Clock;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::foundation::json::document;
use crate::foundation::names::names;
use crate::operations::prune::RemovedBackup;
use crate::operations::tree::files::{replace, sync_directory};
use crate::operations::tree::links;
use crate::operations::tree::removal::{REMOVALS_FILE, RemovalList, RemovalOutcome};
use crate::operations::tree::root::LockedRoot;
use crate::operations::tree::staging::Staging;

/// The backups that were removed.
pub(super) struct Removed {
    /// The backups, oldest first.
    pub(super) backups: Vec<RemovedBackup>,
    /// Files that koan-backup did not write, which are kept.
    pub(super) foreign_files: Vec<String>,
}

/// Removes backups. A killed process leaves only files of backups that the registry does not list, and a staging
/// directory that lists them, so that the next operation on the tree removes them.
///
/// # Errors
/// The registry could not be written, and nothing was removed; or files of backups that it does not list any more could
/// not be removed.
pub(super) fn remove(
    root: &LockedRoot,
    removals: &BTreeSet<BackupId>,
    clock: &Arc<dyn Clock>,
) -> Result<Removed> {
    let mut registry = root.registry()?;
    let (mut removed, kept): (Vec<TreeBackup>, Vec<TreeBackup>) =
        registry.backups.into_iter().partition(|backup| removals.contains(&backup.id));
    registry.backups = kept;
    let list = RemovalList::new(removed.iter());
    let staging = Staging::within(root.path(), clock)?;
    let path = staging.path()?;
    replace(&path.join(REMOVALS_FILE), &path.join("removals.json.new"), &document(&list))?;
    sync_directory(root.path())?;
    if let Err(error) = root.replace_registry(&registry) {
        // The registry may have been replaced although its directory could not be synced.
        let is_listed = |id: &BackupId| {
            root.registry().is_ok_and(|found| found.backups.iter().any(|backup| backup.id == *id))
        };
        if removals.iter().any(is_listed) {
            return Err(error);
        }
        staging.leave();
        let ids = names(removals.iter().map(ToString::to_string));
        let text = format!("it is not known whether the removal of {ids} from the directory tree is durable");
        return Err(error.context(text));
    }
    for warning in links::correct(root.path(), &registry, list.unlisted(&registry)) {
        tracing::warn!(target: "koan::backup", %warning, "a link in a directory tree was not corrected");
    }
    let RemovalOutcome { freed_bytes, foreign_files, failures } = list.remove_files(root.path(), &registry);
    if let Some((id, failure)) = failures.first() {
        staging.leave();
        let removed = names(removed.iter().map(|backup| backup.id.to_string()));
        let text = format!(
            "the registry of the directory tree `{}` does not list {removed} any more, but files of backup {id} could \
             not be removed: {failure}",
            root.path().display()
        );
        return Err(Error::new(ErrorKind::Storage, text)
            .with_help("correct the cause; the next backup or maintenance of the tree removes the files"));
    }
    removed.sort_by_key(|backup| (backup.created_at, backup.id));
    let backups = removed.into_iter().map(|backup| {
        tracing::info!(
            target: "koan::backup", backup = %backup.id, name = %backup.name,
            "backup was removed from a directory tree"
        );
        let freed_bytes = freed_bytes.get(&backup.id).copied().unwrap_or_default();
        RemovedBackup { id: backup.id, name: backup.name, freed_bytes }
    });
    Ok(Removed { backups: backups.collect(), foreign_files })
}
