//! The error for an archive that could not be written.

use object_store::path::Path;

use crate::foundation::error::{Error, ErrorKind};

/// Creates the error for an archive that could not be written to a store.
pub(super) fn write_error(store: &str, path: &Path, source: object_store::Error) -> Error {
    Error::with_source(
        ErrorKind::Storage,
        format!("archive `{path}` could not be written to storage `{store}`"),
        source,
    )
}
