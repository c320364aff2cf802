//! Finishes interrupted restores before a directory is used.

use koan_backup_core::Result;

use super::directory::Directory;
use super::journal::Journal;
use super::lock::{COMMIT_LOCK, Lock, LockMode, LockTimeout};

/// Finishes a committed restore that was interrupted. Returns the shared commit lock, which prevents other
/// restores from taking effect, or `None` if the directory has no lock file, because no restore into it was
/// ever begun.
pub(super) fn recover_journal(directory: &Directory, timeout: &LockTimeout) -> Result<Option<Lock>> {
    let path = directory.hidden().join(COMMIT_LOCK);
    loop {
        let Some(lock) = Lock::acquire_existing(&path, LockMode::Shared, timeout)? else { return Ok(None) };
        if !Journal::is_pending(directory) {
            return Ok(Some(lock));
        }
        drop(lock);
        // The process that wrote the journal held the lock until the journal was finished, so it has ended.
        let Some(_exclusive) = Lock::acquire_existing(&path, LockMode::Exclusive, timeout)? else {
            return Ok(None);
        };
        if let Some(journal) = Journal::pending(directory)? {
            journal.finish(directory)?;
        }
    }
}

/// Returns whether the directory has a lock file.
pub(super) fn is_lock_file_present(directory: &Directory) -> bool {
    directory.hidden().join(COMMIT_LOCK).exists()
}
