//! A suspended object, and the statement that puts it back.

use koan_backup_core::provider::SuspendedKind;

/// A suspended object, and the statement that puts it back.
#[derive(Debug)]
pub(super) struct SuspendedWork {
    pub(super) kind: SuspendedKind,
    /// The name of the object in the database.
    pub(super) name: String,
    /// The display name of the table of the object.
    pub(super) table: String,
    /// The description of the statement for its error message.
    pub(super) operation: String,
    pub(super) sql: String,
}
