//! The description of a restore that is passed to a repository.

use koan_backup_core::{
    ConflictMode,
    provider::{RestoreTarget, SessionOptions},
};

/// The description of a restore that is passed to a repository.
///
/// ```
/// use koan_backup::{RepositoryError, RestoreRequest};
///
/// // In an implementation of `Repository`:
/// async fn prepare_restore(request: &RestoreRequest) -> Result<(), RepositoryError> {
///     if request.replace_existing {
///         return Err("users are never deleted; restore without `replace_existing`".into());
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestoreRequest {
    /// The number of records in the archive, if it is known.
    pub record_count: Option<u64>,
    /// The total size of these records' lines in the archive in bytes, if it is known.
    pub size_bytes: Option<u64>,
    /// What the restore does with a record whose key already exists.
    pub conflict: ConflictMode,
    /// Whether existing records that are not in the archive are deleted.
    pub replace_existing: bool,
}

impl RestoreRequest {
    pub(crate) fn new(target: &RestoreTarget, options: &SessionOptions) -> Self {
        Self {
            record_count: target.record_count,
            size_bytes: target.size_bytes,
            conflict: options.conflict,
            replace_existing: options.replace_existing,
        }
    }
}

/// The outcome of a restore that is passed to a repository.
///
/// ```
/// use koan_backup::{RepositoryError, RestoreOutcome};
///
/// // In an implementation of `Repository`:
/// async fn finish_restore(outcome: RestoreOutcome) -> Result<(), RepositoryError> {
///     if outcome == RestoreOutcome::Failed {
///         eprintln!("some of the users were written; run the restore again");
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestoreOutcome {
    /// All records were written.
    Completed,
    /// The restore failed, was cancelled, or its future was dropped. Some of the records may have been
    /// written.
    Failed,
}
