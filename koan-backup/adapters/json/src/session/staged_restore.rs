//! The files of a restore before its commit. The functions of this module block.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use koan_backup_core::{
    Error, ErrorKind, Result,
    entity::Record,
    provider::{RestoreTarget, SessionIntent, SessionOptions, WriteCounts},
};

use super::super::directory::Directory;
use super::super::failure::failed;
use super::super::journal::Journal;
use super::super::journal_recovery::recover_journal;
use super::super::lock::{COMMIT_LOCK, Lock, LockMode, LockTimeout, WRITER_LOCK};
use super::super::staging::{Staging, create_hidden_directory};
use super::target::Target;
use super::unchanged::UnchangedCheck;

/// A restore whose files are staged. Dropping it removes the files and then releases the writer lock, so that
/// another restore can begin.
#[derive(Debug)]
pub(super) struct StagedRestore {
    directory: Directory,
    options: SessionOptions,
    lock_timeout: LockTimeout,
    /// The paths of the targets.
    target_paths: BTreeSet<PathBuf>,
    /// The checks before the commit that no other program has changed the files.
    unchanged_checks: Vec<UnchangedCheck>,
    changes: Option<Changes>,
}

/// The changes of a restore that writes. The fields are dropped in this order, so that the lock is released
/// last.
#[derive(Debug)]
struct Changes {
    journal: Journal,
    staging: Staging,
    _writer: Lock,
}

impl StagedRestore {
    /// Acquires the writer lock, finishes an interrupted restore, and creates the staging directory. A dry
    /// run only finishes an interrupted restore.
    pub(super) fn begin(
        directory: Directory,
        options: SessionOptions,
        lock_timeout: &LockTimeout,
    ) -> Result<Self> {
        directory.require_root()?;
        let changes = match options.intent {
            SessionIntent::Apply => {
                create_hidden_directory(&directory)?;
                let writer =
                    Lock::acquire(&directory.hidden().join(WRITER_LOCK), LockMode::Exclusive, lock_timeout)?;
                // This creates the lock file, so that readers can lock it.
                drop(Lock::acquire(&directory.hidden().join(COMMIT_LOCK), LockMode::Shared, lock_timeout)?);
                drop(recover_journal(&directory, lock_timeout)?);
                let staging = Staging::create(&directory)?;
                Some(Changes { journal: Journal::new(staging.name.clone()), staging, _writer: writer })
            }
            SessionIntent::Compare => {
                drop(recover_journal(&directory, lock_timeout)?);
                None
            }
        };
        let lock_timeout = LockTimeout::uncancellable(lock_timeout.duration);
        let (target_paths, unchanged_checks) = (BTreeSet::new(), Vec::new());
        Ok(Self { directory, options, lock_timeout, target_paths, unchanged_checks, changes })
    }

    /// Opens a target.
    pub(super) fn open(&mut self, target: RestoreTarget) -> Result<Target> {
        let target = Target::open(&self.directory, target, &self.options)?;
        if !self.target_paths.insert(target.path().to_owned()) {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "two targets of this restore are stored in `{}`; give one of the entities another `table`",
                    target.path().display()
                ),
            ));
        }
        Ok(target)
    }

    pub(super) fn write(&mut self, target: &mut Target, records: &[Record]) -> Result<()> {
        let mut staging = self.changes.as_mut().map(|changes| &mut changes.staging);
        records.iter().try_for_each(|record| target.write(record, staging.as_deref_mut()))
    }

    pub(super) fn finish(&mut self, target: Target) -> Result<WriteCounts> {
        let changes = self.changes.as_mut().map(|changes| (&mut changes.staging, &mut changes.journal));
        let (counts, unchanged) = target.finish(&self.directory, changes)?;
        self.unchanged_checks.extend(unchanged);
        Ok(counts)
    }

    /// Commits the restore: makes the new files durable, checks that no other program has changed the
    /// existing files, publishes the journal and performs its steps.
    pub(super) fn commit(mut self) -> Result<()> {
        let Some(mut changes) = self.changes.take() else { return Ok(()) };
        if changes.journal.is_empty() {
            return Ok(());
        }
        changes.staging.sync()?;
        let lock = self.directory.hidden().join(COMMIT_LOCK);
        let _exclusive = Lock::acquire(&lock, LockMode::Exclusive, &self.lock_timeout)?;
        self.unchanged_checks.iter().try_for_each(UnchangedCheck::check)?;
        let published = changes.journal.publish(&self.directory);
        let is_pending = Journal::is_pending(&self.directory);
        if published.is_ok() || is_pending {
            changes.staging.keep();
        }
        published.map_err(|error| match is_pending {
            true => error.context(
                "it is unknown whether the restore is committed, because its journal could neither be made \
                 durable nor removed; if the journal still exists when the directory is next opened, the restore \
                 is finished",
            ),
            false => error,
        })?;
        changes.journal.finish(&self.directory)
    }

    /// Removes the staged files.
    pub(super) fn rollback(mut self) -> Result<()> {
        let Some(mut changes) = self.changes.take() else { return Ok(()) };
        changes.staging.keep();
        let path = &changes.staging.path;
        fs::remove_dir_all(path).map_err(|error| failed("removing", path, error))
    }
}
