//! The connection of a restore, which is in a transaction.

use std::path::PathBuf;

use koan_backup_core::provider::SessionOptions;
use rusqlite::Connection;

use super::super::collation::Collations;
use super::super::derived::Recomputed;

/// A connection in a transaction, the file it is to, and what the restore is to do.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    pub(super) options: SessionOptions,
    pub(super) collations: Collations,
    pub(super) recomputed: Recomputed,
}
