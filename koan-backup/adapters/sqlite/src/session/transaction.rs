//! The open transaction of a restore.

use std::path::PathBuf;

use koan_backup_core::provider::SessionOptions;
use rusqlite::Connection;

use super::super::collation::Collations;
use super::super::derived::Recomputed;

/// A connection with an open transaction, the path of its database, and the options of the restore.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    pub(super) options: SessionOptions,
    pub(super) collations: Collations,
    pub(super) recomputed: Recomputed,
}
