//! Converts errors of the file system to errors with a remedy.

use std::io;
use std::path::Path;

use koan_backup_core::{Error, ErrorKind, Result};

/// Converts an error of the file system during `operation` (`reading`, `writing`) on `path`.
pub(super) fn failed(operation: &str, path: &Path, error: io::Error) -> Error {
    let remedy = match error.kind() {
        io::ErrorKind::NotFound => "it does not exist; another program may have moved it",
        io::ErrorKind::PermissionDenied => "access is denied; check its permissions and its owner",
        io::ErrorKind::ReadOnlyFilesystem => "it is on a read-only file system",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the disk is full; free space and try again"
        }
        io::ErrorKind::UnexpectedEof => {
            "it was truncated while it was read; let the program that writes to it write a new file and \
             rename the new file over the old file"
        }
        io::ErrorKind::InvalidFilename => "its name is too long for the file system",
        _ => "the file system returned an error; see the cause",
    };
    Error::with_source(
        ErrorKind::Provider,
        format!("{operation} `{}` failed: {remedy}", path.display()),
        error,
    )
}

/// Runs a blocking job on a thread of the runtime for blocking work.
pub(super) async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    koan_backup_core::provider::blocking("works on the JSON files", job).await?
}
