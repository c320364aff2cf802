//! What a store's failure tells.

use object_store::path::Path;

use super::Storage;
#[cfg(any(feature = "s3", feature = "azure", feature = "gcs"))]
use super::cloud::Answer;
use crate::foundation::error::{Error, ErrorKind};

impl Storage {
    /// The error of a storage that does not answer whoever gives up waiting.
    pub(crate) fn no_answer_error(&self) -> Error {
        Error::new(ErrorKind::Storage, format!("storage `{}` does not answer", self.location))
    }

    pub(crate) fn failed(&self, path: &Path, what: &str, source: object_store::Error) -> Error {
        Error::with_source(
            ErrorKind::Storage,
            format!("`{path}` was not {what} storage `{}`", self.location),
            source,
        )
    }
}

/// Whether a store refused, so that asking again would not help.
pub(crate) fn is_refusal(error: &object_store::Error) -> bool {
    use object_store::Error;
    match error {
        Error::NotFound { .. } | Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => true,
        #[cfg(any(feature = "s3", feature = "azure", feature = "gcs"))]
        Error::Generic { source, .. } => source.downcast_ref::<Answer>().is_some_and(Answer::is_final),
        _ => false,
    }
}
