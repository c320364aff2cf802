//! The options, targets and counts of a restore session.

use serde::{Deserialize, Serialize};

use crate::entity::EntityCodec;
use crate::foundation::id::SetName;

/// What happens to a record whose key already exists.
///
/// ```
/// use koan_backup::ConflictMode;
/// # koan_backup_shop::run(async |koan| {
/// koan.restore("nightly").on_conflict(ConflictMode::Keep).await?;
/// # Ok(())
/// # });
/// ```
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

/// Which optimizations a provider may use. Every object that the provider disables or drops is put back
/// before the commit.
///
/// A level selects several optimizations together. [`SessionOptions`] has an option for each optimization
/// that a level permits.
///
/// ```
/// use koan_backup::RestoreLevel;
/// # koan_backup_shop::run(async |koan| {
/// koan.restore("nightly").level(RestoreLevel::Safe).await?;
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum RestoreLevel {
    /// Indexes are dropped and rebuilt, in some databases also the indexes of keys. Foreign keys of tables
    /// that are filled from the archive are dropped and added again, which checks them once.
    #[default]
    Fast,
    /// Indexes are kept. Foreign keys are deferred to the end.
    Balanced,
    /// The same as `Balanced`, and no temporary index is created. Only objects that would change or refuse
    /// records of the archive are suspended: triggers, rules, and foreign keys that act on rows or cannot be
    /// deferred.
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
    /// Whether records that are not in the archive are deleted, so that the set contains exactly the records
    /// of the archive.
    pub replace_existing: bool,
    /// Which optimizations the provider may use.
    pub level: RestoreLevel,
    /// Whether no index may be dropped, at any level.
    pub keep_indexes: bool,
    /// Whether no constraint may be dropped, altered or deferred beyond its declaration. A provider refuses a
    /// restore that is impossible under this condition.
    pub keep_constraints: bool,
    /// Whether a table that gets all its rows from the archive is written like a table that retains existing
    /// rows: without faster methods, such as TRUNCATE, and without suspending objects to gain speed.
    pub without_bulk_mode: bool,
    /// Whether the session writes.
    pub intent: SessionIntent,
    /// Whether missing tables are created from the entity's schema.
    pub create_missing: bool,
}

impl SessionOptions {
    /// Returns whether indexes may be dropped and rebuilt to gain speed.
    pub fn may_drop_indexes(&self) -> bool {
        self.level == RestoreLevel::Fast && self.may_use_bulk_mode() && !self.keep_indexes
    }

    /// Returns whether constraints may be dropped and added again to gain speed.
    pub fn may_drop_constraints(&self) -> bool {
        self.level == RestoreLevel::Fast && self.may_use_bulk_mode() && !self.keep_constraints
    }

    /// Returns whether a table that gets all its rows from the archive may be filled with faster methods than
    /// other tables.
    pub fn may_use_bulk_mode(&self) -> bool {
        !self.without_bulk_mode
    }
}

/// The target to which a session writes records.
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
    /// How many records will be written, if that is known.
    pub record_count: Option<u64>,
    /// How many bytes of lines the records have in the archive, if that is known.
    pub size_bytes: Option<u64>,
}

impl RestoreTarget {
    /// Returns the target for records of `entity` in `set`, stored in the provider's default physical form.
    /// The number of records is unknown.
    pub fn new(entity: EntityCodec, set: SetName) -> Self {
        Self { entity, set, physical: None, record_count: None, size_bytes: None }
    }

    /// Returns whether the target is known to get at most this many records and bytes, so that a provider can
    /// omit work that is useful only for many records.
    pub fn is_at_most(&self, records: u64, bytes: u64) -> bool {
        self.record_count.is_some_and(|count| count <= records)
            && self.size_bytes.is_some_and(|size| size <= bytes)
    }
}

/// The counts of the records of one target, by outcome.
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
    /// Records whose key existed and which were left unchanged because of [`ConflictMode::Keep`].
    pub kept: u64,
    /// Existing records that are not in the archive and were deleted because of `replace_existing`.
    pub deleted: u64,
}

impl WriteCounts {
    /// Returns the number of records of the archive for which the counts account.
    pub fn records(&self) -> u64 {
        let counts = [self.inserted, self.updated, self.unchanged, self.kept];
        counts.into_iter().fold(0, u64::saturating_add)
    }

    /// Adds the counts of `other` to these counts.
    pub fn add(&mut self, other: &Self) {
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.kept += other.kept;
        self.deleted += other.deleted;
    }
}
