//! Work that stops when it is cancelled.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::foundation::error::{Error, ErrorKind, Result};

/// Does the work until it is cancelled: then it is dropped where it stands.
pub(crate) async fn until_cancelled<T>(
    cancel: &CancellationToken,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    cancel.run_until_cancelled(work).await.unwrap_or_else(|| Err(Error::cancelled()))
}

/// Does work that must not be dropped at once when it is cancelled, because it cannot be undone: waits for its end for `limit`, and for
/// no longer than `grace` once it is cancelled. Returns none if it has not ended by then: what it did is not known.
pub(crate) async fn ended_within<T>(
    cancel: &CancellationToken,
    limit: Duration,
    grace: Duration,
    work: impl Future<Output = T>,
) -> Option<T> {
    let given_up = async {
        cancel.cancelled().await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        biased;
        ended = work => Some(ended),
        () = tokio::time::sleep(limit) => None,
        () = given_up => None,
    }
}

/// Cancels work that takes longer than a limit.
#[derive(Debug)]
pub(crate) struct TimeLimit {
    limit: Option<Duration>,
    /// The token of whoever asked for the work.
    outer: CancellationToken,
    inner: CancellationToken,
    is_over: AtomicBool,
}

impl TimeLimit {
    pub(crate) fn new(outer: &CancellationToken, limit: Option<Duration>) -> Self {
        Self { limit, outer: outer.clone(), inner: outer.child_token(), is_over: AtomicBool::new(false) }
    }

    /// Is cancelled when the work is, and when its time is over.
    pub(crate) fn token(&self) -> CancellationToken {
        self.inner.clone()
    }

    /// Does the work, which observes the [token](Self::token), to its end.
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

    /// The error of work that was cancelled because its time is over names the limit.
    pub(crate) fn explain(&self, error: Error) -> Error {
        match self.limit {
            Some(limit)
                if error.kind() == ErrorKind::Cancelled
                    && self.is_over.load(Ordering::Relaxed)
                    && !self.outer.is_cancelled() =>
            {
                let text = format!(
                    "it took longer than its limit of {limit:?}, which `timeout` sets, and was stopped"
                );
                Error::with_source(ErrorKind::Timeout, text, error)
            }
            _ => error,
        }
    }
}
