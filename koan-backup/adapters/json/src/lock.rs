//! Locks between processes, and between providers of one process. The system lets go of them when a process dies.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use koan_backup_core::{Error, ErrorKind, Result};

use super::failure::failed;
use koan_backup_core::private_files::{ExistingFile, private_file};

/// Held by the one session that writes.
pub(super) const WRITER: &str = "writer.lock";
/// Held, shared, while files are opened for a snapshot, and alone while a restore takes effect.
pub(super) const COMMIT: &str = "commit.lock";

const PAUSE: Duration = Duration::from_millis(10);

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Who else may hold a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    Shared,
    Alone,
}

/// How long to wait, and whether anybody still does.
#[derive(Clone, Debug)]
pub(super) struct Patience {
    pub(super) longest: Duration,
    gone: Arc<AtomicBool>,
}

/// Ends the waiting when it is dropped.
#[derive(Debug)]
pub(super) struct Waiting(Arc<AtomicBool>);

impl Patience {
    /// Waits that long at most, and no longer than the other half lives.
    pub(super) fn new(longest: Duration) -> (Self, Waiting) {
        let gone = Arc::new(AtomicBool::new(false));
        (Self { longest, gone: Arc::clone(&gone) }, Waiting(gone))
    }

    /// Waits that long at most, whoever goes away.
    pub(super) fn of(longest: Duration) -> Self {
        Self { longest, gone: Arc::new(AtomicBool::new(false)) }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Lock {
    /// Makes the lock file if there is none, and waits for the lock.
    pub(super) fn make(path: &Path, hold: Hold, patience: &Patience) -> Result<Self> {
        let file = private_file(path, ExistingFile::Kept);
        let file = file.map_err(|error| failed("opening", path, error))?;
        Self::wait(file, path, hold, patience)
    }

    /// Waits for the lock; `None` if there is no lock file.
    pub(super) fn existing(path: &Path, hold: Hold, patience: &Patience) -> Result<Option<Self>> {
        match File::open(path) {
            Ok(file) => Self::wait(file, path, hold, patience).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("opening", path, error)),
        }
    }

    fn wait(file: File, path: &Path, hold: Hold, patience: &Patience) -> Result<Self> {
        let until = Instant::now() + patience.longest;
        loop {
            let tried = match hold {
                Hold::Shared => file.try_lock_shared(),
                Hold::Alone => file.try_lock(),
            };
            match tried {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::Error(error)) => return Err(failed("locking", path, error)),
                Err(TryLockError::WouldBlock) => {}
            }
            if patience.gone.load(Ordering::Relaxed) {
                return Err(Error::cancelled());
            }
            if Instant::now() >= until {
                return Err(Error::new(
                    ErrorKind::Provider,
                    format!(
                        "`{}` was held by another backup or restore for {:?}; try again when that has ended, or give \
                         `lock_timeout` more time",
                        path.display(),
                        patience.longest
                    ),
                ));
            }
            std::thread::sleep(PAUSE);
        }
    }
}
