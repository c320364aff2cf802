//! The error for an archive that could not be written.

use std::io;

use object_store::path::Path;

use crate::foundation::error::{Error, ErrorKind};

/// Creates the error for an archive that could not be written to a store.
pub(super) fn write_error(store: &str, path: &Path, source: object_store::Error) -> Error {
    let is_full = is_full(&source);
    let text = format!("archive `{path}` could not be written to storage `{store}`");
    let error = Error::with_source(ErrorKind::Storage, text, source);
    if is_full { error.with_help("free space on its disk, or use another storage profile") } else { error }
}

/// Returns whether the disk of a directory is full.
fn is_full(error: &object_store::Error) -> bool {
    let object_store::Error::Generic { source, .. } = error else { return false };
    let kind = source.downcast_ref::<io::Error>().map(io::Error::kind);
    matches!(kind, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
}
