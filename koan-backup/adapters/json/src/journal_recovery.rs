//! A directory in which no restore is half done.

use koan_backup_core::Result;

use super::directory::Directory;
use super::journal::Journal;
use super::lock::{COMMIT, Hold, Lock, Patience};

/// Finishes a restore that was committed and cut short, and gives the lock that keeps others from taking effect; no lock
/// where nothing was ever restored, and then nothing is made.
pub(super) fn settled(directory: &Directory, patience: &Patience) -> Result<Option<Lock>> {
    let path = directory.hidden().join(COMMIT);
    loop {
        let Some(lock) = Lock::existing(&path, Hold::Shared, patience)? else { return Ok(None) };
        if !Journal::is_pending(directory) {
            return Ok(Some(lock));
        }
        drop(lock);
        // Whoever wrote it held the lock until it was finished, so it is dead.
        let Some(_alone) = Lock::existing(&path, Hold::Alone, patience)? else { return Ok(None) };
        if let Some(journal) = Journal::pending(directory)? {
            journal.finish(directory)?;
        }
    }
}

/// Whether somebody has made the lock since there was none.
pub(super) fn is_locked_meanwhile(directory: &Directory) -> bool {
    directory.hidden().join(COMMIT).exists()
}
