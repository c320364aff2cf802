//! Blocking work on files, and its errors.

use std::io;
use std::path::Path as FilePath;

use object_store::Result;

/// Runs blocking work on a thread that may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await?
}

/// Returns the error of a file or directory.
pub(super) fn failed(what: &str, path: &FilePath, source: io::Error) -> object_store::Error {
    let shown = path.display().to_string();
    match source.kind() {
        io::ErrorKind::AlreadyExists => {
            object_store::Error::AlreadyExists { path: shown, source: Box::new(source) }
        }
        kind => {
            let text = format!("{what} `{shown}` failed: {source}");
            object_store::Error::Generic { store: "directory", source: Box::new(io::Error::new(kind, text)) }
        }
    }
}
