//! What a repository is told of a restore.

use koan_backup_core::{
    ConflictMode,
    provider::{RestoreTarget, SessionOptions},
};

/// What a restore is going to do with a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestoreRequest {
    /// How many records the archive holds for it, if that is known.
    pub record_count: Option<u64>,
    /// How many bytes of lines these records have in the archive, if that is known.
    pub size_bytes: Option<u64>,
    /// What happens to a record whose key already exists.
    pub conflict: ConflictMode,
    /// Whether existing records that are not in the archive are deleted.
    pub replace_existing: bool,
}

impl RestoreRequest {
    pub(crate) fn of(target: &RestoreTarget, options: &SessionOptions) -> Self {
        Self {
            record_count: target.record_count,
            size_bytes: target.size_bytes,
            conflict: options.conflict,
            replace_existing: options.replace_existing,
        }
    }
}

/// How a restore ended for a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestoreOutcome {
    /// All records were written.
    Completed,
    /// The restore failed, was cancelled, or its future was dropped. Records may have been written in part.
    Failed,
}
