//! The error of a damaged archive.

use crate::foundation::error::{Error, ErrorKind};

/// Creates the error for the damaged archive `file`; `fault` describes the damage.
pub(super) fn corrupt(file: &str, fault: &str) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!("archive `{file}` is damaged: {fault}; restore from another backup"),
    )
}
