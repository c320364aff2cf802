//! Converts errors of SQLite to errors with a remedy.

use std::path::Path;

use koan_backup_core::{Error, ErrorKind};
use rusqlite::ErrorCode;

/// The error of a call.
#[derive(Debug)]
pub(super) enum CallError {
    Sqlite(rusqlite::Error),
    /// A record does not have the expected form.
    Record(Error),
}

impl From<rusqlite::Error> for CallError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Error> for CallError {
    fn from(error: Error) -> Self {
        Self::Record(error)
    }
}

/// Converts an error of SQLite. `what` is the call that failed. Statements are constant and values are bound, so the
/// messages of SQLite contain no values.
pub(super) fn failed(path: &Path, what: &str, error: rusqlite::Error) -> Error {
    let (reason, remedy) = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => ("the disk is full", "free disk space"),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            ("another process has locked the file", "end the process that locks the file, or try again")
        }
        Some(ErrorCode::NotADatabase) => (
            "the file is not an SQLite database",
            "move the file away; it contains the history of operations, and no backup",
        ),
        Some(ErrorCode::DatabaseCorrupt) => (
            "the file is damaged",
            "move the file away; it contains the history of operations, and no backup",
        ),
        Some(ErrorCode::ReadOnly) => (
            "the file cannot be written",
            "give this process write permission for the file and its directory",
        ),
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            ("the file cannot be opened", "check the permissions of the file and its directory")
        }
        Some(ErrorCode::SystemIoFailure) => ("reading or writing the file failed", "check the disk"),
        _ => ("SQLite returned an error", "check the file with `PRAGMA integrity_check`"),
    };
    let text = format!("{what} in `{}` failed: {reason}", path.display());
    Error::with_source(ErrorKind::Storage, text, error).with_help(remedy)
}
