//! A restore session, the writers of its targets, and the report of its commit.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::batch::{RecordBatch, RecordEncoder};
use super::event_store::EventWriter;
use super::restore::{RestoreTarget, WriteCounts};
use crate::foundation::error::{Error, ErrorKind, Result};

/// One restore into one provider.
///
/// Targets are written one after another: [`begin`](Self::begin) returns the writer of a target, which
/// borrows the session until the target is [finished](TargetWriter::finish). Then the session is
/// [committed](Self::commit) or [rolled back](Self::rollback). A session that is dropped is rolled back.
/// Foreign keys between targets are enforced at the commit, not before.
///
/// # What implementers must guarantee
/// A session in which `begin` failed, or a writer failed or was dropped before it finished, must refuse every
/// further `begin` and the commit; it can only be rolled back. The same applies if one of these futures was
/// dropped. Some databases do this themselves: their transaction is aborted by the error. For errors and
/// cancellation that the database does not notice, use [`TargetTracker`].
#[async_trait]
pub trait RestoreSession: fmt::Debug + Send {
    /// Begins a target and returns its writer. With `replace_existing`, the existing records of the target
    /// are deleted.
    ///
    /// # Errors
    /// The target does not exist or does not fit the entity; the error contains the remedy. Or an earlier
    /// target was not finished.
    async fn begin<'s>(&'s mut self, target: RestoreTarget) -> Result<Box<dyn TargetWriter + 's>>;

    /// Returns the writer of the event store, which writes in the transaction of this session. Returns `None` if the
    /// provider has no [event store](super::Provider::event_store).
    fn events(&mut self) -> Option<&mut dyn EventWriter> {
        None
    }

    /// Ends a dry run: returns an error if the commit of a restore would fail, for example because of
    /// dangling references between targets. This method is called once, after the last target and before
    /// [`rollback`](Self::rollback), and never when a restore writes. The default implementation does
    /// nothing.
    ///
    /// # Errors
    /// A constraint between targets would be violated; the error contains its name and the keys.
    async fn check_constraints(&mut self) -> Result<()> {
        Ok(())
    }

    /// Puts back the objects that were disabled or dropped for the restore, advances sequences, checks
    /// constraints, and commits. Returns the objects that were put back.
    ///
    /// # Errors
    /// A constraint is violated: the error contains its name and the keys. Or a target was not finished.
    /// After an error, all changes are rolled back.
    async fn commit(self: Box<Self>) -> Result<CommitReport>;

    /// Rolls back all changes of the session.
    ///
    /// # Errors
    /// The database could not confirm the rollback.
    async fn rollback(self: Box<Self>) -> Result<()>;
}

/// Writes the records of one target.
///
/// After an error, drop the writer and roll the session back. [`RestoreSession`] documents what implementers
/// must guarantee.
#[async_trait]
pub trait TargetWriter: fmt::Debug + Send {
    /// Returns the encoder of this target, for a writer that sends encoded records to its database. The
    /// caller can then encode batches on all cores before it passes them to [`write`](Self::write).
    ///
    /// A writer with an encoder gets the records of each batch with [`RecordBatch::into_encoded`], because
    /// callers with few records need not encode them. A writer without an encoder gets the records with
    /// [`RecordBatch::into_records`].
    fn encoder(&self) -> Option<Arc<dyn RecordEncoder>> {
        None
    }

    /// Writes records, in the order of the archive.
    ///
    /// # Errors
    /// A record cannot be stored, exists already ([`ConflictMode::Fail`](super::ConflictMode::Fail)), or
    /// violates a constraint. The error contains the name of the entity and the key.
    async fn write(&mut self, batch: RecordBatch) -> Result<()>;

    /// Finishes the target and returns the counts of its records, as the database reported them. The counts
    /// must account for every record that was written ([`WriteCounts`]).
    ///
    /// # Errors
    /// The database fails, or reports a number of records that differs from the number of written records.
    async fn finish(self: Box<Self>) -> Result<WriteCounts>;
}

/// Counts the targets of a session that were begun and finished, and refuses the next target and the commit
/// if a target was not finished.
///
/// A session calls [`begin`](Self::begin) before its first change for a target, [`finish`](Self::finish)
/// after the last change, and [`require_finished`](Self::require_finished) before it commits. An error or a
/// dropped future in between leaves the target unfinished.
#[derive(Debug, Default)]
pub struct TargetTracker {
    begun_targets: usize,
    finished_targets: usize,
}

impl TargetTracker {
    /// Begins the next target and returns its number, counted from 1.
    ///
    /// # Errors
    /// An earlier target was not finished.
    pub fn begin(&mut self) -> Result<usize> {
        self.require_finished()?;
        self.begun_targets += 1;
        Ok(self.begun_targets)
    }

    /// Marks the target that was begun as finished.
    pub fn finish(&mut self) {
        self.finished_targets = self.begun_targets;
    }

    /// Refuses a session in which a target was not finished.
    ///
    /// # Errors
    /// A target was not finished.
    pub fn require_finished(&self) -> Result<()> {
        if self.begun_targets == self.finished_targets { Ok(()) } else { Err(Self::unfinished()) }
    }

    /// Returns the error of a session or writer that is used after a failure.
    pub fn unfinished() -> Error {
        Error::new(
            ErrorKind::Provider,
            "an earlier step of this restore failed or was cancelled, so the restore can only be rolled \
             back; the first error contains the reason",
        )
    }
}

/// The report of the commit of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommitReport {
    /// The objects that were suspended during the restore, in the order in which they were put back. Empty if
    /// the provider suspends nothing.
    pub suspended: Vec<SuspendedObject>,
}

impl CommitReport {
    /// Returns the report of a commit after these objects were put back.
    pub fn new(suspended: Vec<SuspendedObject>) -> Self {
        Self { suspended }
    }
}

/// The kind of a suspended object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum SuspendedKind {
    /// An index that was dropped and rebuilt.
    Index,
    /// A primary key, unique constraint or foreign key that was dropped and added again, or altered.
    Constraint,
    /// A trigger that did not fire during the restore.
    Trigger,
    /// A rewrite rule that was not applied during the restore.
    Rule,
    /// An identity column whose numbers could be overwritten.
    IdentityColumn,
}

/// An object of the database that a restore disabled, dropped or altered, and put back as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SuspendedObject {
    /// The name of the provider. It is set in the report of a restore, and empty in the report of a session.
    pub provider: String,
    /// The kind of the object.
    pub kind: SuspendedKind,
    /// The name of the object in the database.
    pub name: String,
    /// The table to which the object belongs.
    pub table: String,
    /// When the object was put back, in the transaction of the restore.
    pub put_back_at: Timestamp,
    /// The duration of putting it back, in milliseconds: rebuilding the index, or checking the constraint.
    pub duration_ms: u64,
}

impl SuspendedObject {
    /// Returns the record of an object that was put back now. Putting it back began at `started`.
    pub fn put_back(
        kind: SuspendedKind,
        name: impl Into<String>,
        table: impl Into<String>,
        started: Instant,
    ) -> Self {
        Self {
            provider: String::new(),
            kind,
            name: name.into(),
            table: table.into(),
            put_back_at: Timestamp::now(),
            duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unfinished_target_prevents_the_next_target_and_the_commit() {
        let mut targets = TargetTracker::default();
        targets.require_finished().expect("no target was begun");
        assert_eq!(targets.begin().expect("the first target begins"), 1);
        targets.require_finished().expect_err("the target is not finished");
        targets.begin().expect_err("the target is not finished");
        targets.finish();
        targets.require_finished().expect("the target is finished");
        assert_eq!(targets.begin().expect("the second target begins"), 2);
        targets.require_finished().expect_err("the target is not finished");
    }
}
