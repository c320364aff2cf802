//! The tables of the file of operations, and their version.

use std::path::Path;

use koan_backup_core::{Error, ErrorKind, Result};
use rusqlite::{Connection, TransactionBehavior};

use super::failure::failed;

/// The version of the tables, in `PRAGMA user_version`.
const SCHEMA_VERSION: i64 = 1;
/// The number that identifies the file, in `PRAGMA application_id`: `kopr` in ASCII.
const APPLICATION_ID: i64 = 0x6b6f_7072;

/// An operation has ended when `completed_at` is set.
const TABLES: &str = "
    CREATE TABLE operations (
        id TEXT NOT NULL PRIMARY KEY,
        kind TEXT NOT NULL,
        status TEXT NOT NULL,
        -- What does not change: names, initiator, reason.
        request TEXT NOT NULL,
        owner TEXT NOT NULL,
        process INTEGER NOT NULL,
        lease_milliseconds INTEGER NOT NULL,
        renewals INTEGER NOT NULL DEFAULT 0,
        sequence INTEGER NOT NULL,
        created_at TEXT NOT NULL,
        started_at TEXT,
        completed_at TEXT,
        cancellation TEXT,
        progress TEXT NOT NULL,
        error TEXT,
        result TEXT,
        repetition_key TEXT,
        request_hash TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX operations_by_repetition_key ON operations (repetition_key)
        WHERE repetition_key IS NOT NULL;
    CREATE INDEX operations_by_status ON operations (status, id);
    CREATE INDEX unfinished_operations ON operations (owner, id) WHERE completed_at IS NULL;
    CREATE INDEX finished_operations ON operations (completed_at) WHERE completed_at IS NOT NULL;
";

/// The state of the tables in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SchemaState {
    /// The file is empty.
    Empty,
    /// The file has the tables of this version.
    Current,
}

/// Determines the state of the tables without a change.
///
/// # Errors
/// The file was written by a newer version, or it is another database.
pub(super) fn check(path: &Path, connection: &Connection) -> Result<SchemaState> {
    let number = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, i64>(0));
    let read = || {
        let count = number("SELECT count(*) FROM sqlite_schema")?;
        Ok((number("PRAGMA application_id")?, number("PRAGMA user_version")?, count))
    };
    let (application, version, count) =
        read().map_err(|error| failed(path, "opening the file of operations", error))?;
    let file = path.display();
    match (application, version, count) {
        (0, 0, 0) => Ok(SchemaState::Empty),
        (APPLICATION_ID, SCHEMA_VERSION, _) => Ok(SchemaState::Current),
        (APPLICATION_ID, newer, _) if newer > SCHEMA_VERSION => {
            let text = format!(
                "the file of operations `{file}` has the schema version {newer}, and this version of koan-backup \
                 reads {SCHEMA_VERSION}"
            );
            Err(Error::new(ErrorKind::Incompatible, text)
                .with_help("update koan-backup, or set another state directory with `.state_directory(…)`"))
        }
        _ => {
            let text = format!("`{file}` is an SQLite database, but not a file of operations");
            Err(Error::new(ErrorKind::Storage, text)
                .with_help("move the file away, or set another state directory with `.state_directory(…)`"))
        }
    }
}

/// Creates the tables, if another process has not created them.
pub(super) fn create(path: &Path, connection: &mut Connection) -> Result<()> {
    let failed = |error| failed(path, "creating the tables of operations", error);
    // The lock makes other processes that open the file wait.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    if check(path, &transaction)? == SchemaState::Empty {
        let created = transaction
            .execute_batch(TABLES)
            .and_then(|()| transaction.pragma_update(None, "application_id", APPLICATION_ID))
            .and_then(|()| transaction.pragma_update(None, "user_version", SCHEMA_VERSION));
        created.map_err(failed)?;
    }
    transaction.commit().map_err(failed)
}
