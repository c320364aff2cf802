//! The error of a damaged archive.

use crate::foundation::error::{Error, ErrorKind};

/// Returns the error of a damaged archive.
pub(super) fn corrupt(file: &str, what: &str) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!("archive `{file}` is damaged: {what}; restore from another backup"),
    )
}
