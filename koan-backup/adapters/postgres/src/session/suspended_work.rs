//! The statement that puts a suspended object back.

use koan_backup_core::provider::SuspendedKind;

/// A suspended object, and the statement that puts it back.
#[derive(Debug)]
pub(super) struct SuspendedWork {
    pub(super) kind: SuspendedKind,
    /// The name of the object in the database.
    pub(super) name: String,
    /// The table of the object, as messages name it.
    pub(super) table: String,
    /// What the statement does, for its error.
    pub(super) what: String,
    pub(super) sql: String,
}
