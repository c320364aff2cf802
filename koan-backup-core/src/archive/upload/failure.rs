//! The error of an archive that was not written.

use object_store::path::Path;

use crate::foundation::error::{Error, ErrorKind};

/// Returns the error of an archive that was not written to a store.
pub(super) fn failed(store: &str, path: &Path, source: object_store::Error) -> Error {
    Error::with_source(
        ErrorKind::Storage,
        format!("archive `{path}` was not written to storage `{store}`"),
        source,
    )
}
