//! A lease that was confirmed a moment ago, and until when it is held.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::foundation::cancellation::ended_within;
use crate::foundation::clock::Clock;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::storage::CLEANUP_TIMEOUT;

/// A lease that was confirmed a moment ago: what is done now must end before the lease expires.
#[derive(Debug)]
pub(crate) struct Confirmed {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) expires_at: Timestamp,
    pub(super) deadline: Instant,
    /// Is cancelled when the work is, or when the lease is lost.
    pub(super) lost: CancellationToken,
}

impl Confirmed {
    /// For how long the lease is held from now on, by the clock and by the time that passes.
    pub(crate) fn left(&self) -> Duration {
        let by_clock = self.expires_at.duration_since(self.clock.now());
        let by_clock = Duration::try_from(by_clock).unwrap_or_default();
        by_clock.min(self.deadline.saturating_duration_since(Instant::now()))
    }

    /// Whether the lease is held now.
    pub(super) fn is_current(&self) -> bool {
        !self.left().is_zero()
    }

    /// Does something that cannot be undone, and waits for its end no longer than the lease is held, and only
    /// for a short time once the work is cancelled.
    ///
    /// # Errors
    /// It failed; the lease has expired by now, so that it was not begun; or it was not answered in time.
    pub(crate) async fn within<T>(self, what: &str, step: impl Future<Output = Result<T>>) -> Result<T> {
        let left = self.left();
        // The step is begun first, whatever the time is.
        if left.is_zero() {
            let text = format!("the lease expired at {} before {what}; nothing was done", self.expires_at);
            return Err(Error::new(ErrorKind::Busy, text));
        }
        ended_within(&self.lost, left, CLEANUP_TIMEOUT, step).await.unwrap_or_else(|| {
            let when = if self.lost.is_cancelled() {
                "after the work was stopped"
            } else {
                "while the lease was held"
            };
            Err(Error::new(
                ErrorKind::Storage,
                format!("the storage did not answer {when}: whether {what} is not known"),
            ))
        })
    }
}
