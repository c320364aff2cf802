//! Locks between processes, and between providers of one process. The operating system releases the locks of
//! a process that ends.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use koan_backup_core::{Error, ErrorKind, Result};

use super::failure::failed;
use koan_backup_core::private_files::{ExistingFile, open_private_file};

/// The lock file of the session that writes.
pub(super) const WRITER_LOCK: &str = "writer.lock";
/// The lock file that is locked in shared mode while files are opened for a snapshot, and exclusively while a
/// restore takes effect.
pub(super) const COMMIT_LOCK: &str = "commit.lock";

const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A lock that is released when it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Whether several locks on the same file may be held at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LockMode {
    Shared,
    Exclusive,
}

/// The time limit for waiting for a lock, and a flag that cancels the waiting.
#[derive(Clone, Debug)]
pub(super) struct LockTimeout {
    pub(super) duration: Duration,
    cancelled: Arc<AtomicBool>,
}

/// A guard that cancels the waiting when it is dropped.
#[derive(Debug)]
pub(super) struct CancelOnDrop(Arc<AtomicBool>);

impl LockTimeout {
    /// Creates a timeout. Dropping the returned guard cancels the waiting.
    pub(super) fn new(duration: Duration) -> (Self, CancelOnDrop) {
        let cancelled = Arc::new(AtomicBool::new(false));
        (Self { duration, cancelled: Arc::clone(&cancelled) }, CancelOnDrop(cancelled))
    }

    /// Creates a timeout that cannot be cancelled.
    pub(super) fn uncancellable(duration: Duration) -> Self {
        Self { duration, cancelled: Arc::new(AtomicBool::new(false)) }
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Lock {
    /// Waits for the lock and acquires it. Creates the lock file if it does not exist.
    pub(super) fn acquire(path: &Path, mode: LockMode, timeout: &LockTimeout) -> Result<Self> {
        let file = open_private_file(path, ExistingFile::Kept);
        let file = file.map_err(|error| failed("opening", path, error))?;
        Self::wait(file, path, mode, timeout)
    }

    /// Waits for the lock and acquires it. Returns `None` if the lock file does not exist.
    pub(super) fn acquire_existing(
        path: &Path,
        mode: LockMode,
        timeout: &LockTimeout,
    ) -> Result<Option<Self>> {
        match File::open(path) {
            Ok(file) => Self::wait(file, path, mode, timeout).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("opening", path, error)),
        }
    }

    fn wait(file: File, path: &Path, mode: LockMode, timeout: &LockTimeout) -> Result<Self> {
        // A time limit beyond the range of times never ends.
        let deadline = Instant::now().checked_add(timeout.duration);
        loop {
            let locked = match mode {
                LockMode::Shared => file.try_lock_shared(),
                LockMode::Exclusive => file.try_lock(),
            };
            match locked {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::Error(error)) => return Err(failed("locking", path, error)),
                Err(TryLockError::WouldBlock) => {}
            }
            if timeout.cancelled.load(Ordering::Relaxed) {
                return Err(Error::cancelled());
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(Error::new(
                    ErrorKind::Provider,
                    format!(
                        "another backup or restore held the lock `{}` for {:?}; try again when it has ended, \
                         or increase `lock_timeout`",
                        path.display(),
                        timeout.duration
                    ),
                ));
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_with_the_longest_time_limit_is_acquired() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join(WRITER_LOCK);
        let timeout = LockTimeout::uncancellable(Duration::MAX);
        drop(Lock::acquire(&path, LockMode::Exclusive, &timeout).expect("the lock is free"));
    }
}
