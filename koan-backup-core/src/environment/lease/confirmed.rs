//! A confirmed lease, and the time until which it is held.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::foundation::cancellation::ended_within;
use crate::foundation::clock::Clock;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::storage::CLEANUP_TIMEOUT;

/// A lease that was just confirmed. A step that relies on it must end before the lease expires.
#[derive(Debug)]
pub(crate) struct ConfirmedLease {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) expires_at: Timestamp,
    pub(super) deadline: Instant,
    /// A token that is cancelled when the operation is cancelled, or when the lease is lost.
    pub(super) stop_token: CancellationToken,
}

impl ConfirmedLease {
    /// Returns how long the lease is still held, by the system clock and by the monotonic clock, whichever is
    /// shorter.
    pub(crate) fn time_left(&self) -> Duration {
        let by_clock = self.expires_at.duration_since(self.clock.now());
        let by_clock = Duration::try_from(by_clock).unwrap_or_default();
        by_clock.min(self.deadline.saturating_duration_since(Instant::now()))
    }

    /// Returns whether the lease is held now.
    pub(super) fn is_current(&self) -> bool {
        !self.time_left().is_zero()
    }

    /// Runs a step that cannot be undone. Waits for the end of the step as long as the lease is held; after a
    /// cancellation of the operation, waits for a short time only. `effect` is described at
    /// [`Lease::step`](super::Lease::step).
    ///
    /// # Errors
    /// The step failed; the lease had expired, so the step was not started; or the storage did not respond in
    /// time.
    pub(crate) async fn within<T>(self, effect: &str, step: impl Future<Output = Result<T>>) -> Result<T> {
        let time_left = self.time_left();
        // `ended_within` polls the step before the timeout, so an expired lease must be refused here.
        if time_left.is_zero() {
            let text =
                format!("the lease expired at {} before {effect}; the step was not started", self.expires_at);
            return Err(Error::new(ErrorKind::Busy, text));
        }
        ended_within(&self.stop_token, time_left, CLEANUP_TIMEOUT, step).await.unwrap_or_else(|| {
            let when = if self.stop_token.is_cancelled() {
                "after the operation was stopped"
            } else {
                "while the lease was held"
            };
            Err(Error::new(
                ErrorKind::Storage,
                format!("the storage did not respond {when}, so it is not known whether {effect}"),
            ))
        })
    }
}
