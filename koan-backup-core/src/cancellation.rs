//! Work that stops when it is cancelled.

use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};

/// Does the work until it is cancelled: then it is dropped where it stands.
pub(crate) async fn until_cancelled<T>(
    cancel: &CancellationToken,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    cancel.run_until_cancelled(work).await.unwrap_or_else(|| Err(Error::cancelled()))
}
