//! Converts errors of SQLite to errors with a remedy.

use std::path::Path;

use koan_backup_core::{Error, ErrorKind};
use rusqlite::ErrorCode;

/// Converts an error that SQLite returned to an error with a remedy. `what` is the operation that failed, and
/// `path` is the path of the database.
///
/// SQLite's messages contain the names of tables and columns, never values.
pub(super) fn failed(path: &Path, what: &str, error: rusqlite::Error) -> Error {
    let is_log_inaccessible = is_access_denied(&error) && is_in_wal_mode(path);
    let path = path.display();
    let Some(code) = error.sqlite_error_code() else {
        return Error::with_source(ErrorKind::Provider, format!("{what} in `{path}` failed"), error);
    };
    if is_log_inaccessible {
        let text = format!(
            "{what} in `{path}` failed: the database is in WAL mode, so SQLite needs the file `{path}-shm`, \
             but can neither create nor open it"
        );
        return Error::with_source(ErrorKind::Provider, text, error).with_help(
            "give this process write permission for the directory of the database, or copy the database with \
             its `-wal` file to a directory with write permission, or have the application set \
             `PRAGMA journal_mode = DELETE`",
        );
    }
    let (kind, reason, remedy) = match code {
        ErrorCode::OperationInterrupted => return Error::cancelled(),
        ErrorCode::DiskFull => (ErrorKind::Provider, "the disk is full", "free disk space and try again"),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => (
            ErrorKind::Provider,
            "another connection has locked the database",
            "try again, or set a longer `busy_timeout`",
        ),
        ErrorCode::NotADatabase => {
            (ErrorKind::Provider, "the file is not an SQLite database, or it is encrypted", "check the path")
        }
        ErrorCode::DatabaseCorrupt => {
            (ErrorKind::Provider, "the database file is damaged", "run `PRAGMA integrity_check`")
        }
        ErrorCode::ReadOnly => {
            (ErrorKind::Provider, "the database cannot be written", "check the file's permissions")
        }
        ErrorCode::CannotOpen | ErrorCode::PermissionDenied => {
            (ErrorKind::Provider, "the file cannot be opened", "check that it exists and its permissions")
        }
        ErrorCode::SystemIoFailure => {
            (ErrorKind::Provider, "reading or writing the file failed", "check the disk")
        }
        ErrorCode::SchemaChanged => {
            (ErrorKind::Provider, "the tables were altered during the operation", "try again")
        }
        other => {
            let (kind, reason) = match other {
                ErrorCode::OutOfMemory => (ErrorKind::Provider, "there is not enough memory"),
                ErrorCode::ConstraintViolation => (ErrorKind::Constraint, "a constraint is violated"),
                _ => (ErrorKind::Provider, "SQLite returned an error"),
            };
            return Error::with_source(kind, format!("{what} in `{path}` failed: {reason}"), error);
        }
    };
    Error::with_source(kind, format!("{what} in `{path}` failed: {reason}"), error).with_help(remedy)
}

/// Returns whether a file could not be opened or written.
fn is_access_denied(error: &rusqlite::Error) -> bool {
    use ErrorCode::{CannotOpen, PermissionDenied, ReadOnly};
    matches!(error.sqlite_error_code(), Some(CannotOpen | PermissionDenied | ReadOnly))
}

/// Returns whether the header of a database file contains the version numbers of a write-ahead log:
/// <https://sqlite.org/fileformat2.html#file_format_version_numbers>
fn is_in_wal_mode(path: &Path) -> bool {
    use std::io::Read as _;
    let mut header = [0; 20];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut header));
    read.is_ok() && header.starts_with(b"SQLite format 3\0") && header[18..] == [2, 2]
}

/// Returns whether a constraint was violated.
pub(super) fn is_constraint(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation)
}

/// Returns whether a row violates a unique constraint.
pub(super) fn is_unique_violation(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_ROWID, SQLITE_CONSTRAINT_UNIQUE};
    let codes = [SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_ROWID, SQLITE_CONSTRAINT_UNIQUE];
    matches!(error.sqlite_error(), Some(failure) if codes.contains(&failure.extended_code))
}

/// Returns whether a statement could not be compiled.
pub(super) fn is_refused_statement(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqlInputError { .. })
        || matches!(error.sqlite_error(), Some(failure) if failure.extended_code == rusqlite::ffi::SQLITE_ERROR)
}
