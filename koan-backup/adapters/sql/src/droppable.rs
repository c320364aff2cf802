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

/// The maximum size of a small target: rebuilding an index then costs more than updating it.
const SMALL_RECORDS: u64 = 1_000;
const SMALL_BYTES: u64 = 1 << 20;

impl DroppableIndexes {
    /// Returns which indexes may be dropped, for a table that is empty or not.
    ///
    /// A table that keeps its rows keeps its indexes, because rebuilding them costs more than updating them.
    /// A table whose rows are replaced by few records keeps its other indexes for the same reason. Its unique
    /// indexes are dropped even so, because only a violation that is found at the end can name both records.
    pub fn of(options: &SessionOptions, target: &RestoreTarget, is_empty: bool) -> Self {
        if !options.may_drop_indexes() || !(is_empty || options.replace_existing) {
            return Self::None;
        }
        let is_small = !is_empty && target.is_at_most(SMALL_RECORDS, SMALL_BYTES);
        if is_small { Self::Unique } else { Self::All }
    }

    /// Returns whether an index may be dropped.
    pub fn include(self, is_unique: bool) -> bool {
        match self {
            Self::None => false,
            Self::Unique => is_unique,
            Self::All => true,
        }
    }
}
