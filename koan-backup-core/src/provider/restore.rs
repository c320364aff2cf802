//! Writing records back.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::encoder::{EncodedRecords, RecordEncoder};
use crate::codec::Record;
use crate::entity::EntityCodec;
use crate::error::{Error, ErrorKind, Result};
use crate::id::SetName;

/// What happens to a record whose key exists already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ConflictMode {
    /// The archive wins.
    #[default]
    Overwrite,
    /// The existing record stays.
    Keep,
    /// The restore fails and is undone.
    Fail,
}

/// How far a provider may go to be fast. Whatever it does is put back before the commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum RestoreLevel {
    /// Indexes are dropped and rebuilt, in some databases those of keys as well; constraints are checked at the end.
    #[default]
    Fast,
    /// Indexes stay; constraints are checked at the end.
    Balanced,
    /// Nothing is touched.
    Safe,
}

/// Whether a session writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SessionIntent {
    /// It does.
    #[default]
    Apply,
    /// It compares every record with what is there and writes nothing: the dry run.
    Compare,
}

/// How a restore is done.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SessionOptions {
    /// What happens to a record whose key exists already.
    pub conflict: ConflictMode,
    /// Whether records that are not in the archive go: the set is left with exactly the archive's.
    pub replace_existing: bool,
    /// How far to go for speed.
    pub level: RestoreLevel,
    /// Whether it writes.
    pub intent: SessionIntent,
    /// Whether missing tables are made from the entity's schema.
    pub create_missing: bool,
}

/// Where records go.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RestoreTarget {
    /// The entity.
    pub entity: EntityCodec,
    /// The set.
    pub set: SetName,
    /// The physical form of the columns as [`ReadSummary`](super::ReadSummary) recorded it, when the archive was read
    /// from a provider of the same kind.
    pub physical: Option<serde_json::Value>,
}

impl RestoreTarget {
    /// Records of `entity` go to `set`, in the provider's own form.
    pub fn new(entity: EntityCodec, set: SetName) -> Self {
        Self { entity, set, physical: None }
    }
}

/// What became of the records of one target.
///
/// Every record that was written is in exactly one of `inserted`, `updated`, `unchanged` and `kept`. A provider derives the
/// counts from what the database reported (command tags, row counts), not from what it sent: a restore whose counts do not
/// add up to the records of the archive is refused and rolled back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct WriteCounts {
    /// Records that were not there.
    pub inserted: u64,
    /// Records that were there and differed.
    pub updated: u64,
    /// Records that were there and are equal. They need not be written.
    pub unchanged: u64,
    /// Records that were there and stay, by [`ConflictMode::Keep`].
    pub kept: u64,
    /// Records that were there and are not in the archive, by `replace_existing`.
    pub deleted: u64,
}

impl WriteCounts {
    /// Returns how many records of the archive the counts account for.
    pub fn records(&self) -> u64 {
        let counts = [self.inserted, self.updated, self.unchanged, self.kept];
        counts.into_iter().fold(0, u64::saturating_add)
    }

    /// The sum of two counts.
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
    /// Worth knowing.
    Note,
    /// The restore works and something will not be as before.
    Warning,
    /// The restore would fail.
    Error,
}

/// One thing a viability check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// The entity it is about, if it is about one.
    pub entity: Option<String>,
    /// What was found and what to do about it.
    pub message: String,
}

impl Finding {
    /// A finding about an entity.
    pub fn new(severity: Severity, entity: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity, entity: Some(entity.into()), message: message.into() }
    }

    /// A finding about several entities, or about the whole database.
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
/// The calls are: for each target `begin`, any number of `write` (or `write_encoded`), `end`; then `commit` or `rollback`. A session that is
/// dropped is rolled back. Foreign keys between targets hold at the commit, not before.
#[async_trait]
pub trait RestoreSession: fmt::Debug + Send {
    /// Turns to a target. With `replace_existing`, what is there goes.
    ///
    /// # Errors
    /// The target does not exist or does not fit; the error names the remedy.
    async fn begin(&mut self, target: RestoreTarget) -> Result<()>;

    /// Writes records, in the order of the archive.
    ///
    /// # Errors
    /// A record does not fit, exists already ([`ConflictMode::Fail`]), or breaks a constraint: entity and key are named,
    /// and the session can only be rolled back.
    async fn write(&mut self, records: Vec<Record>) -> Result<()>;

    /// What makes the records of the target that was begun ready to be sent, where a session has that done on all cores; its
    /// records come by [`write_encoded`](Self::write_encoded) then. `None`: they come by [`write`](Self::write).
    fn encoder(&self) -> Option<Arc<dyn RecordEncoder>> {
        None
    }

    /// Writes records that the session's [`encoder`](Self::encoder) made ready, in the order of the archive.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    async fn write_encoded(&mut self, records: EncodedRecords) -> Result<()> {
        let _ = records;
        Err(Error::new(ErrorKind::Internal, "a session that has no encoder was given what one had made"))
    }

    /// Ends the target and returns what became of its records, as the database reported it. The counts must account for
    /// every record that was written ([`WriteCounts`]).
    ///
    /// # Errors
    /// The database fails, or took another number of records than it was sent.
    async fn end(&mut self) -> Result<WriteCounts>;

    /// Ends a dry run: reports what the commit of a restore would refuse, such as references between targets. It is called once,
    /// after the last target and before [`rollback`](Self::rollback), and never when a restore writes. Does nothing by default.
    ///
    /// # Errors
    /// A constraint between targets would not hold: its name and keys are in the error.
    async fn check_constraints(&mut self) -> Result<()> {
        Ok(())
    }

    /// Puts back what was changed for speed, moves sequences on, checks constraints, and commits.
    ///
    /// # Errors
    /// A constraint does not hold: its name and keys are in the error, and everything is undone.
    async fn commit(self: Box<Self>) -> Result<()>;

    /// Undoes everything.
    ///
    /// # Errors
    /// The database could not confirm it.
    async fn rollback(self: Box<Self>) -> Result<()>;
}
