//! What a session does, on threads that may block.

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
use super::kept::Kept;
use super::target::Target;

/// One restore. What it had written goes when it is dropped, and only then another can begin.
#[derive(Debug)]
pub(super) struct Work {
    directory: Directory,
    options: SessionOptions,
    patience: LockTimeout,
    current: Option<Target>,
    /// Where records were written already.
    written: BTreeSet<PathBuf>,
    /// What must be as it was when the restore takes effect.
    kept: Vec<Kept>,
    changes: Option<Changes>,
}

/// What a session that writes has besides. Fields are dropped in this order: the lock goes last.
#[derive(Debug)]
struct Changes {
    journal: Journal,
    staging: Staging,
    _writer: Lock,
}

impl Work {
    pub(super) fn begin(
        directory: Directory,
        options: SessionOptions,
        patience: &LockTimeout,
    ) -> Result<Self> {
        directory.require_root()?;
        let changes = match options.intent {
            SessionIntent::Apply => {
                create_hidden_directory(&directory)?;
                let writer =
                    Lock::acquire(&directory.hidden().join(WRITER_LOCK), LockMode::Exclusive, patience)?;
                drop(Lock::acquire(&directory.hidden().join(COMMIT_LOCK), LockMode::Shared, patience)?);
                drop(recover_journal(&directory, patience)?);
                let staging = Staging::create(&directory)?;
                Some(Changes { journal: Journal::new(staging.name.clone()), staging, _writer: writer })
            }
            SessionIntent::Compare => {
                drop(recover_journal(&directory, patience)?);
                None
            }
        };
        let patience = LockTimeout::of(patience.duration);
        let (written, kept) = (BTreeSet::new(), Vec::new());
        Ok(Self { directory, options, patience, current: None, written, kept, changes })
    }

    pub(super) fn turn_to(&mut self, target: RestoreTarget) -> Result<()> {
        let target = Target::open(&self.directory, target, &self.options)?;
        if !self.written.insert(target.path().to_owned()) {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "`{}` is the place of two targets of this restore; give one of the entities another table",
                    target.path().display()
                ),
            ));
        }
        self.current = Some(target);
        Ok(())
    }

    pub(super) fn write(&mut self, records: &[Record]) -> Result<()> {
        let target = self.current.as_mut().ok_or_else(out_of_turn)?;
        let mut staging = self.changes.as_mut().map(|changes| &mut changes.staging);
        records.iter().try_for_each(|record| target.write(record, staging.as_deref_mut()))
    }

    pub(super) fn end(&mut self) -> Result<WriteCounts> {
        let target = self.current.take().ok_or_else(out_of_turn)?;
        let changes = self.changes.as_mut().map(|changes| (&mut changes.staging, &mut changes.journal));
        let (counts, kept) = target.end(&self.directory, changes)?;
        self.kept.extend(kept);
        Ok(counts)
    }

    pub(super) fn commit(mut self) -> Result<()> {
        if self.current.is_some() {
            return Err(Error::new(ErrorKind::Internal, "a restore was committed within a target"));
        }
        let Some(mut changes) = self.changes.take() else { return Ok(()) };
        if changes.journal.is_empty() {
            return Ok(());
        }
        changes.staging.sync()?;
        let lock = self.directory.hidden().join(COMMIT_LOCK);
        let _alone = Lock::acquire(&lock, LockMode::Exclusive, &self.patience)?;
        self.kept.iter().try_for_each(Kept::check)?;
        let published = changes.journal.publish(&self.directory);
        let is_pending = Journal::is_pending(&self.directory);
        if published.is_ok() || is_pending {
            changes.staging.keep();
        }
        published.map_err(|error| match is_pending {
            true => error.context(
                "whether the restore is committed is not known: its journal could neither be made durable nor removed, and whoever \
                 opens the directory next finishes it",
            ),
            false => error,
        })?;
        changes.journal.finish(&self.directory)
    }

    pub(super) fn rollback(mut self) -> Result<()> {
        let Some(mut changes) = self.changes.take() else { return Ok(()) };
        changes.staging.keep();
        let path = &changes.staging.path;
        fs::remove_dir_all(path).map_err(|error| failed("removing", path, error))
    }
}

fn out_of_turn() -> Error {
    Error::new(ErrorKind::Internal, "records were written before a target was begun")
}
