//! The errors of a store.

use object_store::path::Path;

use super::Storage;
#[cfg(any(feature = "s3", feature = "azure", feature = "gcs"))]
use super::cloud::StoreResponse;
use crate::foundation::error::{Error, ErrorKind};

impl Storage {
    /// Creates the error for a storage that did not respond in time.
    pub(crate) fn timeout_error(&self) -> Error {
        Error::new(ErrorKind::Storage, format!("storage `{}` did not respond in time", self.location))
    }

    /// Creates the error for a file that was not processed. `action` is a phrase such as `read from`.
    pub(crate) fn failed(&self, path: &Path, action: &str, source: object_store::Error) -> Error {
        Error::with_source(
            ErrorKind::Storage,
            format!("`{path}` was not {action} storage `{}`", self.location),
            source,
        )
    }
}

/// Returns what to check, if the error contains the response of a store with a known cause. The text of the error ends
/// with it.
pub(crate) fn hint(error: &Error) -> Option<&'static str> {
    #[cfg(any(feature = "s3", feature = "azure", feature = "gcs"))]
    {
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            if let Some(response) = cause.downcast_ref::<StoreResponse>() {
                return response.hint();
            }
            source = cause.source();
        }
    }
    let _ = error;
    None
}

/// Returns whether a store refused a request, so that a retry would not help.
pub(crate) fn is_refusal(error: &object_store::Error) -> bool {
    use object_store::Error;
    match error {
        Error::NotFound { .. } | Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => true,
        #[cfg(any(feature = "s3", feature = "azure", feature = "gcs"))]
        Error::Generic { source, .. } => {
            source.downcast_ref::<StoreResponse>().is_some_and(StoreResponse::is_final)
        }
        _ => false,
    }
}
