//! Blocking work on the blocking threads of the runtime.

use crate::foundation::error::{Error, ErrorKind, Result};

/// Runs `work` on a blocking thread and returns its result. `activity` describes the work in the error, for
/// example `reads the archive`.
///
/// # Cancel safety
/// If the future is dropped, work that has begun continues to its end, and its result is dropped.
///
/// # Errors
/// `work` panicked, or the runtime is shutting down.
pub async fn blocking<T: Send + 'static>(
    activity: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|source| {
        let text = format!("the thread that {activity} ended unexpectedly");
        Error::with_source(ErrorKind::Internal, text, source)
    })
}
