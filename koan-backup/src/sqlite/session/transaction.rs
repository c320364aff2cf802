//! The connection of a restore, which is in a transaction.

use std::path::PathBuf;

use koan_backup_core::SessionOptions;
use rusqlite::Connection;

/// A connection in a transaction, the file it is to, and what the restore is to do.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    pub(super) options: SessionOptions,
}
