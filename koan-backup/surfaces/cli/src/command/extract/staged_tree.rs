//! The directory beside a tar archive that receives the tree first.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use koan_backup_core::owner_lock::{OwnerLock, create_locked, lock_existing};
use koan_backup_core::private_files::create_private_directory;

/// The beginning of the name of the directory. The name of the tar archive follows.
const PREFIX: &str = ".koan-extract-";
/// The file that shows that the directory belongs to koan-backup, and whether its process still runs.
const MARK: &str = "koan-backup-extract";
/// How often the creation is attempted while other processes create and remove the directory.
const MAX_ATTEMPTS: usize = 100;

/// A directory that belongs to one running extraction. It is removed when it is dropped.
#[derive(Debug)]
pub(super) struct StagedTree {
    path: PathBuf,
    /// The operating system releases the lock when the process ends.
    _lock: File,
}

/// Why the directory was not created.
#[derive(Debug)]
pub(super) enum StagingFault {
    /// Another extraction to the same tar archive is running.
    Busy,
    /// Something that koan-backup did not write has the name of the directory.
    Foreign(PathBuf),
    Failed(io::Error),
}

impl From<io::Error> for StagingFault {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl StagedTree {
    /// Creates the directory for a tar archive, after the removal of what a killed extraction to the same tar archive
    /// has left. The function blocks.
    ///
    /// # Errors
    /// Another extraction to the same tar archive is running, or the directory cannot be created.
    pub(super) fn beside(target: &Path) -> Result<Self, StagingFault> {
        let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty());
        let mut name = std::ffi::OsString::from(PREFIX);
        name.push(target.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?);
        let path = parent.unwrap_or(Path::new(".")).join(name);
        for _ in 0..MAX_ATTEMPTS {
            match create_private_directory(&path) {
                Ok(()) => match create_locked(&path.join(MARK)) {
                    Ok(Some(lock)) => return Ok(Self { path, _lock: lock }),
                    // Another process has found the directory before it was marked or locked, and removes it.
                    Ok(None) => {}
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    Err(error) => return Err(error.into()),
                },
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => remove_abandoned(&path)?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(StagingFault::Busy)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for StagedTree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes the directory of a process that has ended.
fn remove_abandoned(path: &Path) -> Result<(), StagingFault> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err(StagingFault::Foreign(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    let removed = match lock_existing(&path.join(MARK)) {
        Ok(OwnerLock::Held) => return Err(StagingFault::Busy),
        // The lock is held until the directory is removed.
        Ok(OwnerLock::Abandoned(_lock)) => fs::remove_dir_all(path),
        // A process was killed before it had marked the directory, which is empty then.
        Ok(OwnerLock::Missing) => match fs::remove_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                return match path.join(MARK).exists() {
                    true => Ok(()),
                    false => Err(StagingFault::Foreign(path.to_owned())),
                };
            }
            removed => removed,
        },
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            return Err(StagingFault::Foreign(path.to_owned()));
        }
        Err(error) => return Err(error.into()),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_directory_of_a_process_that_has_ended_is_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("tree.tar.gz");
        let running = StagedTree::beside(&target).expect("created");
        let left = running.path().to_owned();
        fs::write(left.join("record"), "").expect("written");
        let fault = StagedTree::beside(&target).expect_err("an extraction is running");
        assert!(matches!(fault, StagingFault::Busy), "{fault:?}");
        assert!(left.join("record").exists(), "a running extraction is not disturbed");
        drop(running);
        assert!(!left.exists(), "a directory is removed at the end");

        // A killed process releases its lock, and leaves its files.
        fs::create_dir(&left).expect("created");
        fs::write(left.join(MARK), "").expect("written");
        fs::write(left.join("record"), "").expect("written");
        let next = StagedTree::beside(&target).expect("created again");
        assert!(!next.path().join("record").exists(), "what a killed process has left is removed");
        drop(next);

        fs::create_dir(&left).expect("created");
        drop(StagedTree::beside(&target).expect("an empty directory is accepted"));
        fs::create_dir(&left).expect("created");
        fs::write(left.join("notes"), "of a person").expect("written");
        let fault = StagedTree::beside(&target).expect_err("it contains a file of a person");
        assert!(matches!(fault, StagingFault::Foreign(_)), "{fault:?}");
        assert!(left.join("notes").exists(), "files of a person are kept");
    }
}
