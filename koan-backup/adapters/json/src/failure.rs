//! What the file system's errors mean to whoever backs up or restores.

use std::io;
use std::path::Path;

use koan_backup_core::{Error, ErrorKind, Result};

/// An error of the file system while doing `what` with `path`: `reading`, `writing`.
pub(super) fn failed(what: &str, path: &Path, error: io::Error) -> Error {
    let remedy = match error.kind() {
        io::ErrorKind::NotFound => "it is not there; another program may have moved it",
        io::ErrorKind::PermissionDenied => "it may not be used; check its permissions and its owner",
        io::ErrorKind::ReadOnlyFilesystem => "it is on a file system that cannot be written",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the disk is full; make room and try again"
        }
        io::ErrorKind::UnexpectedEof => {
            "it became shorter while it was read; have what writes to it write a new file and rename that over the old one"
        }
        io::ErrorKind::InvalidFilename => "its name is too long for the file system",
        _ => "the file system refused",
    };
    Error::with_source(ErrorKind::Provider, format!("{what} `{}` failed: {remedy}", path.display()), error)
}

/// Does blocking work off the async threads.
pub(super) async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(job).await.map_err(|source| {
        Error::with_source(ErrorKind::Internal, "the thread that works on the JSON files was lost", source)
    })?
}
