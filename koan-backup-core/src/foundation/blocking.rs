//! Runs blocking work on the threads that a runtime has for it.

use crate::foundation::error::{Error, ErrorKind, Result};

/// Runs `work` on a thread that may block, and returns its result. `what` describes the work in the error, for
/// example `reads the archive`.
///
/// # Cancel safety
/// When the future is dropped, work that has begun continues to its end, and its result is dropped.
///
/// # Errors
/// `work` panicked, or the runtime is shutting down.
pub async fn blocking<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|source| {
        let text = format!("the thread that {what} ended unexpectedly");
        Error::with_source(ErrorKind::Internal, text, source)
    })
}
