//! A suspended object, and the statement that puts it back.

use koan_backup_core::provider::SuspendedKind;

/// The statement that puts a suspended object back, with the description of the object.
#[derive(Debug)]
pub(super) struct PutBackStatement {
    pub(super) kind: SuspendedKind,
    /// The name of the object in the database.
    pub(super) name: String,
    /// The display name of the table of the object.
    pub(super) table: String,
    /// The description of the statement for its error message.
    pub(super) operation: String,
    pub(super) sql: String,
}
