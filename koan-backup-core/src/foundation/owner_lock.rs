//! Locks of files that show whether the process which created them still runs. The operating system releases the lock
//! when the process ends. The functions block.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use super::private_files::{ExistingFile, open_private_file};

/// The state of a lock file.
#[derive(Debug)]
pub enum OwnerLock {
    /// The file does not exist, or was removed meanwhile.
    Missing,
    /// The process that created the file still runs.
    Held,
    /// The process that created the file has ended. The lock is held from now on.
    Abandoned(File),
}

/// Determines whether the process that created a lock file still runs. If it has ended, the file is locked.
///
/// # Errors
/// The file system returns an error, or the path is not a regular file.
pub fn lock_existing(path: &Path) -> io::Result<OwnerLock> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => {}
        Ok(_) => return Err(io::Error::new(io::ErrorKind::InvalidInput, "a lock file is a regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(OwnerLock::Missing),
        Err(error) => return Err(error),
    }
    let file = match File::options().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(OwnerLock::Missing),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        // The owner removes the file before it releases the lock.
        Ok(()) if is_at(&file, path)? => Ok(OwnerLock::Abandoned(file)),
        Ok(()) => Ok(OwnerLock::Missing),
        Err(TryLockError::WouldBlock) => Ok(OwnerLock::Held),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Creates a lock file that only its owner can read, and locks it. Returns `None` if another process has locked the new
/// file first. The owner must remove the file before it releases the lock.
///
/// # Errors
/// The file exists, or the file system returns another error.
pub fn create_locked(path: &Path) -> io::Result<Option<File>> {
    lock_created(open_private_file(path, ExistingFile::Refused)?, path)
}

/// Locks a file that was just created at `path`. Returns `None` if another process has locked it first.
fn lock_created(file: File, path: &Path) -> io::Result<Option<File>> {
    match file.try_lock() {
        Ok(()) => Ok(is_at(&file, path)?.then_some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Returns whether a path still refers to an open file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let identity = |found: &fs::Metadata| (found.dev(), found.ino());
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(identity(&found) == identity(&file.metadata()?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> io::Result<bool> {
    path.try_exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_file_is_abandoned_only_after_its_owner_has_ended() {
        let folder = tempfile::tempdir().expect("a folder is created");
        let path = folder.path().join("lock");
        assert!(matches!(lock_existing(&path), Ok(OwnerLock::Missing)));
        let owner = create_locked(&path).expect("the file is created").expect("nobody else has locked it");
        assert!(matches!(lock_existing(&path), Ok(OwnerLock::Held)));
        create_locked(&path).expect_err("the file exists");
        drop(owner);
        let found = lock_existing(&path).expect("the file is opened");
        assert!(matches!(found, OwnerLock::Abandoned(_)), "{found:?}");
    }

    #[test]
    fn a_file_that_was_removed_is_not_locked() {
        let folder = tempfile::tempdir().expect("a folder is created");
        let path = folder.path().join("lock");
        let file = open_private_file(&path, ExistingFile::Refused).expect("the file is created");
        fs::remove_file(&path).expect("the file is removed");
        let locked = lock_created(file, &path).expect("the file is locked");
        assert!(locked.is_none(), "another process has removed the file");
    }
}
