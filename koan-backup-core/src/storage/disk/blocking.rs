//! Blocking operations on files, and their errors.

use std::io;
use std::path::Path as FilePath;

use object_store::Result;

/// Runs `work` on a blocking thread.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await?
}

/// Creates the error for a failed operation on a file or directory. `operation` is a phrase such as
/// `opening`.
pub(super) fn file_error(operation: &str, path: &FilePath, source: io::Error) -> object_store::Error {
    let path_text = path.display().to_string();
    match source.kind() {
        io::ErrorKind::AlreadyExists => {
            object_store::Error::AlreadyExists { path: path_text, source: Box::new(source) }
        }
        kind => {
            let text = format!("{operation} `{path_text}` failed: {source}");
            object_store::Error::Generic { store: "directory", source: Box::new(io::Error::new(kind, text)) }
        }
    }
}
