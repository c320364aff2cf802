//! The port that a restore writes through: targets, options, counts, findings and the session.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::encoder::{EncodedRecords, RecordEncoder};
use crate::entity::EntityCodec;
use crate::entity::codec::Record;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::SetName;

/// What happens to a record whose key already exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ConflictMode {
    /// The record of the archive replaces the existing one.
    #[default]
    Overwrite,
    /// The existing record is kept.
    Keep,
    /// The restore fails and is rolled back.
    Fail,
}

/// How far a provider may go to be fast. Everything that it disables or drops is put back before the commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum RestoreLevel {
    /// Indexes are dropped and rebuilt, in some databases also those of keys; constraints are checked at the
    /// end.
    #[default]
    Fast,
    /// Indexes are kept; constraints are checked at the end.
    Balanced,
    /// No index and no constraint is disabled.
    Safe,
}

/// Whether a session writes to the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SessionIntent {
    /// The session writes: a restore.
    #[default]
    Apply,
    /// The session compares every record with the database and writes nothing: a dry run.
    Compare,
}

/// The options of a restore session.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SessionOptions {
    /// What happens to a record whose key already exists.
    pub conflict: ConflictMode,
    /// Whether records that are not in the archive are deleted, so that the set holds exactly the records of
    /// the archive.
    pub replace_existing: bool,
    /// How far the provider may go to be fast.
    pub level: RestoreLevel,
    /// Whether the session writes.
    pub intent: SessionIntent,
    /// Whether missing tables are created from the entity's schema.
    pub create_missing: bool,
}

/// The target that a session writes records to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RestoreTarget {
    /// The entity.
    pub entity: EntityCodec,
    /// The set.
    pub set: SetName,
    /// The physical form of the columns as [`ReadSummary`](super::ReadSummary) recorded it, if the archive
    /// was read from a provider of the same kind.
    pub physical: Option<serde_json::Value>,
}

impl RestoreTarget {
    /// Returns the target for records of `entity` in `set`, stored in the provider's default physical form.
    pub fn new(entity: EntityCodec, set: SetName) -> Self {
        Self { entity, set, physical: None }
    }
}

/// Counts what happened to the records of one target.
///
/// Every record that was written is in exactly one of `inserted`, `updated`, `unchanged` and `kept`. A
/// provider derives the counts from what the database reported (command tags, row counts), not from what it
/// sent: a restore whose counts do not add up to the records of the archive is refused and rolled back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct WriteCounts {
    /// Records whose key did not exist.
    pub inserted: u64,
    /// Records whose key existed with other values, and which were overwritten.
    pub updated: u64,
    /// Records that existed with equal values. They need not be written.
    pub unchanged: u64,
    /// Records whose key existed and which were left as they were, by [`ConflictMode::Keep`].
    pub kept: u64,
    /// Existing records that are not in the archive and were deleted, by `replace_existing`.
    pub deleted: u64,
}

impl WriteCounts {
    /// Returns how many records of the archive the counts account for.
    pub fn records(&self) -> u64 {
        let counts = [self.inserted, self.updated, self.unchanged, self.kept];
        counts.into_iter().fold(0, u64::saturating_add)
    }

    /// Adds the counts of `other` to these.
    pub fn add(&mut self, other: &Self) {
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.kept += other.kept;
        self.deleted += other.deleted;
    }
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// Information only.
    Note,
    /// The restore works, but something will differ from before.
    Warning,
    /// The restore would fail.
    Error,
}

/// One result of a viability check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Finding {
    /// How much the finding matters.
    pub severity: Severity,
    /// The entity that the finding is about, if it is about one.
    pub entity: Option<String>,
    /// What was found, and the remedy.
    pub message: String,
}

impl Finding {
    /// Returns a finding about one entity.
    pub fn new(severity: Severity, entity: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity, entity: Some(entity.into()), message: message.into() }
    }

    /// Returns a finding about several entities or about the whole database.
    pub fn general(severity: Severity, message: impl Into<String>) -> Self {
        Self { severity, entity: None, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.entity {
            Some(entity) => write!(f, "{entity}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// One restore into one provider.
///
/// The calls are: for each target `begin`, any number of `write` (or `write_encoded`), `end`; then `commit`
/// or `rollback`. A session that is dropped is rolled back. Foreign keys between targets are enforced at the
/// commit, not before.
#[async_trait]
pub trait RestoreSession: fmt::Debug + Send {
    /// Begins a target. With `replace_existing`, the existing records of the target are deleted.
    ///
    /// # Errors
    /// The target does not exist or does not fit the entity; the error names the remedy.
    async fn begin(&mut self, target: RestoreTarget) -> Result<()>;

    /// Writes records, in the order of the archive.
    ///
    /// # Errors
    /// A record cannot be stored, exists already ([`ConflictMode::Fail`]), or breaks a constraint. The error
    /// names entity and key, and the session can only be rolled back.
    async fn write(&mut self, records: Vec<Record>) -> Result<()>;

    /// Returns the encoder for the current target, for a session that has records encoded on all cores. Its
    /// records are then passed to [`write_encoded`](Self::write_encoded). With `None` they are passed to
    /// [`write`](Self::write).
    fn encoder(&self) -> Option<Arc<dyn RecordEncoder>> {
        None
    }

    /// Writes records that the session's [`encoder`](Self::encoder) encoded, in the order of the archive.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    async fn write_encoded(&mut self, records: EncodedRecords) -> Result<()> {
        let _ = records;
        Err(Error::new(ErrorKind::Internal, "a session without an encoder received encoded records"))
    }

    /// Ends the target and returns what happened to its records, as the database reported it. The counts must
    /// account for every record that was written ([`WriteCounts`]).
    ///
    /// # Errors
    /// The database fails, or reports another number of records than was sent.
    async fn end(&mut self) -> Result<WriteCounts>;

    /// Ends a dry run: reports what the commit of a restore would refuse, such as dangling references between
    /// targets. It is called once, after the last target and before [`rollback`](Self::rollback), and never
    /// when a restore writes. The default implementation does nothing.
    ///
    /// # Errors
    /// A constraint between targets would be violated; the error names it and the keys.
    async fn check_constraints(&mut self) -> Result<()> {
        Ok(())
    }

    /// Puts back what was disabled or dropped for speed, advances sequences, checks constraints, and commits.
    ///
    /// # Errors
    /// A constraint is violated. The error names it and the keys, and everything is rolled back.
    async fn commit(self: Box<Self>) -> Result<()>;

    /// Rolls back everything.
    ///
    /// # Errors
    /// The database could not confirm the rollback.
    async fn rollback(self: Box<Self>) -> Result<()>;
}
