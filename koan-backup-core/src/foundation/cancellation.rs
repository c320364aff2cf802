//! Work that runs until it ends, is cancelled, or exceeds its time limit.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::foundation::error::{Error, ErrorKind, Result};

/// Runs the work to its end. On cancellation, the work is dropped immediately.
pub(crate) async fn until_cancelled<T>(
    cancel: &CancellationToken,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    cancel.run_until_cancelled(work).await.unwrap_or_else(|| Err(Error::cancelled()))
}

/// Runs work that cannot be undone, and that therefore must not be dropped immediately on cancellation. It
/// waits for the end of the work for at most `limit`, and for at most `grace` after the cancellation. Returns
/// `None` if the work has not ended by then, so that its effect is unknown.
pub(crate) async fn ended_within<T>(
    cancel: &CancellationToken,
    limit: Duration,
    grace: Duration,
    work: impl Future<Output = T>,
) -> Option<T> {
    let grace_over = async {
        cancel.cancelled().await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        biased;
        ended = work => Some(ended),
        () = tokio::time::sleep(limit) => None,
        () = grace_over => None,
    }
}

/// A time limit that cancels work when the limit is exceeded.
#[derive(Debug)]
pub(crate) struct TimeLimit {
    limit: Option<Duration>,
    /// The cancellation token of the caller.
    outer: CancellationToken,
    inner: CancellationToken,
    is_over: AtomicBool,
}

impl TimeLimit {
    pub(crate) fn new(outer: &CancellationToken, limit: Option<Duration>) -> Self {
        Self { limit, outer: outer.clone(), inner: outer.child_token(), is_over: AtomicBool::new(false) }
    }

    /// Returns a token that is cancelled when the caller cancels the work, and when the time limit is
    /// exceeded.
    pub(crate) fn token(&self) -> CancellationToken {
        self.inner.clone()
    }

    /// Runs the work to its end. The work must observe the [token](Self::token).
    pub(crate) async fn run<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let Some(limit) = self.limit else { return work.await };
        let mut work = pin!(work);
        let ended = tokio::select! {
            biased;
            ended = &mut work => ended,
            () = tokio::time::sleep(limit) => {
                self.is_over.store(true, Ordering::Relaxed);
                self.inner.cancel();
                work.await
            }
        };
        ended.map_err(|error| self.explain(error))
    }

    /// Returns the error to report. If the work was cancelled because the time limit was exceeded, the error
    /// contains the limit.
    pub(crate) fn explain(&self, error: Error) -> Error {
        match self.limit {
            Some(limit)
                if error.kind() == ErrorKind::Cancelled
                    && self.is_over.load(Ordering::Relaxed)
                    && !self.outer.is_cancelled() =>
            {
                let text = format!(
                    "the operation exceeded its time limit of {limit:?}, which `.timeout(…)` sets, and was stopped"
                );
                Error::with_source(ErrorKind::Timeout, text, error)
            }
            _ => error,
        }
    }
}
