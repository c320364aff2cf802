//! The extent of a restore: which rows and objects of a table it may change.

use koan_backup_core::{
    ConflictMode, RestoreLevel,
    provider::{RestoreTarget, SessionOptions},
};
use koan_backup_sql::droppable::DroppableIndexes;

/// The changes that a restore may make to the rows and the objects of a table.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Extent {
    /// All rows of the table come from the archive.
    pub(in super::super) is_bulk: bool,
    /// Rows that are not in the archive are deleted, in all tables of the restore.
    pub(in super::super) replaces: bool,
    /// Rows that other rows may refer to are deleted.
    pub(in super::super) deletes: bool,
    /// Existing rows are updated if they differ.
    pub(in super::super) updates: bool,
    /// Existing rows of any table of the restore are updated if they differ.
    pub(in super::super) overwrites: bool,
    /// Rows may be deleted by TRUNCATE.
    pub(in super::super) may_truncate: bool,
    /// The indexes that may be dropped and rebuilt.
    pub(in super::super) droppable_indexes: DroppableIndexes,
    /// Foreign keys may be dropped to make the restore faster.
    pub(in super::super) may_drop_constraints: bool,
    /// No constraint may be dropped or altered.
    pub(in super::super) keeps_constraints: bool,
}

impl Extent {
    /// Determines the extent from the options, and from whether the table is empty.
    pub(in super::super) fn new(options: &SessionOptions, target: &RestoreTarget, is_empty: bool) -> Self {
        let replaces = options.replace_existing;
        let overwrites = !replaces && options.conflict == ConflictMode::Overwrite;
        Self {
            may_truncate: options.level == RestoreLevel::Fast && options.may_use_bulk_mode(),
            droppable_indexes: DroppableIndexes::for_target(options, target, is_empty),
            may_drop_constraints: options.may_drop_constraints(),
            keeps_constraints: options.keep_constraints,
            is_bulk: is_empty || replaces,
            replaces,
            deletes: replaces && !is_empty,
            updates: overwrites && !is_empty,
            overwrites,
        }
    }
}
