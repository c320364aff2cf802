//! The private directory in which an operation on a tree stages an archive, and the environment that uses it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::files::write_error;
use crate::catalog::ManifestCache;
use crate::encryption::EphemeralKey;
use crate::environment::event::OperationLog;
use crate::environment::{CurrentInventory, Environment};
use crate::foundation::blocking::blocking;
use crate::foundation::clock::{Clock, new_backup_id};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::private_files::{
    ExistingFile, create_private_directory, create_private_file, open_private_file,
};
use crate::operations::maintenance::verifications;
use crate::storage::Storage;

/// The beginning of the name of a staging directory in a tree.
pub(super) const STAGING_PREFIX: &str = ".staging-";
/// The file that shows that a staging directory belongs to koan-backup.
pub(super) const STAGING_MARK: &str = "koan-backup-staging";
/// The beginning of the name of a staging directory in the directory for temporary files.
const TEMPORARY_PREFIX: &str = "koan-backup-staging-";
const LOCK_SUFFIX: &str = ".lock";
/// How often the removal of a staging directory is attempted, because a file may be created in it meanwhile.
const MAX_REMOVAL_ATTEMPTS: usize = 5;

/// A private directory that is removed when the operation ends. It is removed as well when this value is dropped.
#[derive(Debug)]
pub(super) struct Staging {
    directory: Option<PathBuf>,
    /// The lock file of a directory outside of a tree, which shows other processes that the directory is in use.
    lock: Option<(File, PathBuf)>,
}

impl Staging {
    /// Creates a staging directory in the root of a tree, whose lock the caller holds.
    pub(super) fn within(root: &Path, clock: &Arc<dyn Clock>) -> Result<Self> {
        let path = root.join(format!("{STAGING_PREFIX}{}", new_backup_id(clock).short()));
        let staging = Self { directory: Some(path.clone()), lock: None };
        create_marked(&path).map_err(|source| write_error(&path, source))?;
        Ok(staging)
    }

    /// Creates a staging directory in the directory for temporary files, after the removal of the staging directories
    /// that killed processes have left there.
    pub(super) fn temporary(clock: &Arc<dyn Clock>) -> Result<Self> {
        let parent = std::env::temp_dir();
        remove_abandoned(&parent);
        let id = new_backup_id(clock);
        let path = parent.join(format!("{TEMPORARY_PREFIX}{id}"));
        let lock_path = parent.join(format!("{TEMPORARY_PREFIX}{id}{LOCK_SUFFIX}"));
        let failed = |source: io::Error| {
            write_error(&path, source).with_help("set another directory for temporary files with `TMPDIR`")
        };
        let lock = lock_new_file(&lock_path).map_err(failed)?;
        let staging = Self { directory: Some(path.clone()), lock: Some((lock, lock_path)) };
        create_marked(&path).map_err(failed)?;
        Ok(staging)
    }

    /// Returns the path of the directory.
    pub(super) fn path(&self) -> Result<&Path> {
        self.directory.as_deref().ok_or_else(|| {
            Error::new(ErrorKind::Internal, "the staging directory was removed before it was used")
        })
    }

    /// Keeps the directory, so that the next operation on the tree completes what it describes.
    pub(super) fn leave(mut self) {
        self.directory = None;
    }

    /// Removes the directory on a blocking thread. An error is only logged; the next operation removes it.
    pub(super) async fn remove(self) {
        if blocking("removes the staging directory", move || drop(self)).await.is_err() {
            tracing::warn!(target: "koan::backup", "a staging directory may not have been removed");
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Some(path) = self.directory.take() {
            remove_directory(&path);
        }
        if let Some((lock, path)) = self.lock.take() {
            let _ = fs::remove_file(path);
            drop(lock);
        }
    }
}

/// Creates and locks a lock file. Another process may remove the file before it is locked, because it appears to be
/// abandoned; it is created again then.
fn lock_new_file(path: &Path) -> io::Result<File> {
    loop {
        let file = open_private_file(path, ExistingFile::Kept)?;
        file.lock()?;
        if path.exists() {
            return Ok(file);
        }
    }
}

fn create_marked(path: &Path) -> io::Result<()> {
    create_private_directory(path)?;
    create_private_file(&path.join(STAGING_MARK)).map(drop)
}

/// Removes a staging directory with its content. Symbolic links are not followed. An error is logged.
pub(super) fn remove_directory(path: &Path) {
    for attempt in 1..=MAX_REMOVAL_ATTEMPTS {
        match fs::remove_dir_all(path) {
            Ok(()) => return,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) if attempt == MAX_REMOVAL_ATTEMPTS => tracing::warn!(
                target: "koan::backup", path = %path.display(), %error,
                "a staging directory was not removed; the next operation removes it"
            ),
            Err(_) => {}
        }
    }
}

/// Removes the staging directories in the directory for temporary files whose processes have ended.
fn remove_abandoned(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        let Some(directory) =
            name.strip_suffix(LOCK_SUFFIX).filter(|name| name.starts_with(TEMPORARY_PREFIX))
        else {
            continue;
        };
        if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let Ok(lock) = open_private_file(&entry.path(), ExistingFile::Kept) else { continue };
        if lock.try_lock().is_err() {
            continue;
        }
        let directory = parent.join(directory);
        if is_marked(&directory) {
            remove_directory(&directory);
        }
        let _ = fs::remove_file(entry.path());
    }
}

/// Returns whether a path is a staging directory of koan-backup, and not a symbolic link.
pub(super) fn is_marked(path: &Path) -> bool {
    let is = |path: &Path, kind: fn(&fs::Metadata) -> bool| {
        fs::symlink_metadata(path).is_ok_and(|found| kind(&found))
    };
    is(path, fs::Metadata::is_dir) && is(&path.join(STAGING_MARK), fs::Metadata::is_file)
}

/// Returns an environment like `environment` whose only storage profile is `storage`, and whose encrypted entities
/// are encrypted for `key`.
pub(super) fn staging_environment(
    environment: &Environment,
    storage: Storage,
    key: EphemeralKey,
    clock: Arc<dyn Clock>,
    operation_log: OperationLog,
) -> Environment {
    Environment {
        inventory: CurrentInventory::fixed(environment.inventory.get()),
        entities: environment.entities.clone(),
        providers: environment.providers.clone(),
        storages: vec![("staging".to_owned(), storage)],
        shared_storage: environment.shared_storage.clone(),
        manifests: ManifestCache::default(),
        verifications: verifications::cache(),
        recipients: Some(key.recipients().clone()),
        keys: vec![Arc::new(key)],
        clock,
        lease_time: environment.lease_time,
        producer: environment.producer.clone(),
        identity: environment.identity.clone(),
        state: environment.state.clone(),
        listener: environment.listener.clone(),
        observers: environment.observers.clone(),
        operation_log,
    }
}

/// A clock that never returns a time before the newest backup of a tree, so that the times of its backups define
/// their order.
#[derive(Debug)]
pub(super) struct TreeClock {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) earliest: Timestamp,
}

impl Clock for TreeClock {
    fn now(&self) -> Timestamp {
        self.clock.now().max(self.earliest)
    }

    fn follows_system(&self) -> bool {
        self.clock.follows_system()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_marked_staging_directories_of_ended_processes_are_removed() {
        let folder = tempfile::tempdir().expect("a folder is created");
        let path = |name: &str| folder.path().join(format!("{TEMPORARY_PREFIX}{name}"));
        for name in ["ended", "running", "unmarked"] {
            fs::write(path(&format!("{name}{LOCK_SUFFIX}")), "").expect("the file is written");
            fs::create_dir(path(name)).expect("the directory is created");
            fs::write(path(name).join("archive"), "").expect("the file is written");
        }
        for name in ["ended", "running"] {
            fs::write(path(name).join(STAGING_MARK), "").expect("the file is written");
        }
        let lock = lock_new_file(&path(&format!("running{LOCK_SUFFIX}"))).expect("the file is locked");
        remove_abandoned(folder.path());
        let left = ["ended", "running", "unmarked"].map(|name| path(name).exists());
        assert_eq!(left, [false, true, true]);
        drop(lock);
        remove_abandoned(folder.path());
        assert!(!path("running").exists() && path("unmarked").exists());
    }
}
