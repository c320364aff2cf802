//! Decides which indexes of a table a restore may drop and rebuild.

use koan_backup_core::provider::{RestoreTarget, SessionOptions};

/// The indexes that a restore may drop before it fills a table, and rebuild afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DroppableIndexes {
    /// No index.
    None,
    /// Unique indexes only.
    Unique,
    /// Every index.
    All,
}

/// The maximum number of records of a small target. For a small target, rebuilding an index costs more than
/// updating it.
const MAX_SMALL_TARGET_RECORDS: u64 = 1_000;
/// The maximum size of a small target.
const MAX_SMALL_TARGET_BYTES: u64 = 1 << 20;

impl DroppableIndexes {
    /// Returns which indexes of a target's table may be dropped. `is_empty` is `true` if the table has no
    /// rows.
    ///
    /// - If the restore does not remove the existing rows of the table, no index is dropped, because
    ///   rebuilding the indexes would cost more than updating them.
    /// - If few records replace the rows of the table, only unique indexes are dropped. Updating the other
    ///   indexes costs less than rebuilding them. A unique index is dropped even so, because only a violation
    ///   that is detected when the index is rebuilt can be reported with both records.
    pub fn for_target(options: &SessionOptions, target: &RestoreTarget, is_empty: bool) -> Self {
        if !options.may_drop_indexes() || !(is_empty || options.replace_existing) {
            return Self::None;
        }
        let is_small = !is_empty && target.is_at_most(MAX_SMALL_TARGET_RECORDS, MAX_SMALL_TARGET_BYTES);
        if is_small { Self::Unique } else { Self::All }
    }

    /// Returns whether an index may be dropped. `is_unique` is `true` for a unique index.
    pub fn include(self, is_unique: bool) -> bool {
        match self {
            Self::None => false,
            Self::Unique => is_unique,
            Self::All => true,
        }
    }
}
