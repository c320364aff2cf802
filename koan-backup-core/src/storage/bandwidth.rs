//! The bandwidth limit of a storage.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The limits for uploads and for downloads. Clones share both limits.
#[derive(Clone, Debug)]
pub(super) struct Bandwidth {
    pub(super) upload: Arc<RateLimit>,
    pub(super) download: Arc<RateLimit>,
}

impl Bandwidth {
    /// Creates a limit for each direction, or returns `None` if the limit is 0.
    pub(super) fn new(bytes_per_second: u64) -> Option<Self> {
        let rate_limit = || RateLimit::new(bytes_per_second).map(Arc::new);
        Some(Self { upload: rate_limit()?, download: rate_limit()? })
    }
}

/// A limit of bytes per second in one direction.
#[derive(Debug)]
pub(super) struct RateLimit {
    bytes_per_second: u64,
    /// The time at which all bytes that were admitted so far have been transferred at the limited rate.
    free_at: Mutex<Option<Instant>>,
}

impl RateLimit {
    fn new(bytes_per_second: u64) -> Option<Self> {
        (bytes_per_second > 0).then(|| Self { bytes_per_second, free_at: Mutex::default() })
    }

    /// Reserves the time for the transfer of `bytes`, and waits until the time that earlier transfers
    /// reserved has passed.
    ///
    /// # Cancel safety
    /// If the future is dropped, the reservation remains, so other transfers wait longer than necessary.
    pub(super) async fn wait_for(&self, bytes: usize) {
        let now = Instant::now();
        let start = {
            let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
            let start = free_at.map_or(now, |free_at| free_at.max(now));
            *free_at = start.checked_add(self.duration_of(bytes)).or(*free_at);
            start
        };
        tokio::time::sleep_until(start).await;
    }

    fn duration_of(&self, bytes: usize) -> Duration {
        let nanos = u128::try_from(bytes)
            .unwrap_or(u128::MAX)
            .saturating_mul(1_000_000_000)
            .div_ceil(u128::from(self.bytes_per_second));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_transfer_waits_for_the_time_of_earlier_bytes() {
        let rate_limit = RateLimit::new(1000).expect("the limit is not 0");
        let began = Instant::now();
        rate_limit.wait_for(3000).await;
        assert_eq!(began.elapsed(), Duration::ZERO, "the first transfer does not wait");
        rate_limit.wait_for(500).await;
        assert_eq!(began.elapsed(), 3 * SECOND);
        rate_limit.wait_for(1).await;
        assert_eq!(began.elapsed(), 3500 * SECOND / 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn unused_time_does_not_increase_the_rate_of_later_transfers() {
        let rate_limit = RateLimit::new(1000).expect("the limit is not 0");
        rate_limit.wait_for(1000).await;
        tokio::time::sleep(100 * SECOND).await;
        let began = Instant::now();
        rate_limit.wait_for(1000).await;
        rate_limit.wait_for(1000).await;
        assert_eq!(began.elapsed(), SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn concurrent_transfers_share_the_limit() {
        let rate_limit = Arc::new(RateLimit::new(1000).expect("the limit is not 0"));
        let began = Instant::now();
        let transfers = (0..5).map(|_| rate_limit.wait_for(1000));
        futures::future::join_all(transfers).await;
        assert_eq!(began.elapsed(), 4 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiting_transfer_can_be_cancelled() {
        let rate_limit = RateLimit::new(1).expect("the limit is not 0");
        rate_limit.wait_for(1_000_000).await;
        let began = Instant::now();
        let waited = tokio::time::timeout(SECOND, rate_limit.wait_for(1)).await;
        assert!(waited.is_err(), "the second transfer waits for the first one");
        assert_eq!(began.elapsed(), SECOND);
    }

    #[test]
    fn a_limit_of_zero_is_refused_and_extreme_limits_do_not_overflow() {
        assert!(Bandwidth::new(0).is_none());
        assert_eq!(
            RateLimit::new(1).map(|rate_limit| rate_limit.duration_of(usize::MAX)),
            Some(Duration::from_nanos(u64::MAX))
        );
        assert_eq!(
            RateLimit::new(u64::MAX).map(|rate_limit| rate_limit.duration_of(1)),
            Some(Duration::from_nanos(1))
        );
    }
}
