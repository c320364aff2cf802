//! How fast bytes may go.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A limit for what is written, and one for what is read. Clones share both.
#[derive(Clone, Debug)]
pub(super) struct Bandwidth {
    pub(super) upload: Arc<Pace>,
    pub(super) download: Arc<Pace>,
}

impl Bandwidth {
    /// So many bytes a second each way; none if that is 0.
    pub(super) fn new(bytes_per_second: u64) -> Option<Self> {
        let pace = || Pace::new(bytes_per_second).map(Arc::new);
        Some(Self { upload: pace()?, download: pace()? })
    }
}

/// So many bytes a second, in one direction.
#[derive(Debug)]
pub(super) struct Pace {
    bytes_per_second: u64,
    /// From when on the line is free again.
    free_at: Mutex<Option<Instant>>,
}

impl Pace {
    fn new(bytes_per_second: u64) -> Option<Self> {
        (bytes_per_second > 0).then(|| Self { bytes_per_second, free_at: Mutex::default() })
    }

    /// Waits until the bytes that went before have had their time, and takes the time of these. Dropping the future while it waits
    /// leaves that time taken, so the others wait a little longer and never too short.
    pub(super) async fn take(&self, bytes: usize) {
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
    async fn what_is_taken_is_waited_for_by_whoever_comes_next() {
        let pace = Pace::new(1000).expect("a pace");
        let began = Instant::now();
        pace.take(3000).await;
        assert_eq!(began.elapsed(), Duration::ZERO, "the line was free");
        pace.take(500).await;
        assert_eq!(began.elapsed(), 3 * SECOND);
        pace.take(1).await;
        assert_eq!(began.elapsed(), 3500 * SECOND / 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nothing_went_is_not_saved_up() {
        let pace = Pace::new(1000).expect("a pace");
        pace.take(1000).await;
        tokio::time::sleep(100 * SECOND).await;
        let began = Instant::now();
        pace.take(1000).await;
        pace.take(1000).await;
        assert_eq!(began.elapsed(), SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn several_at_once_share_one_line() {
        let pace = Arc::new(Pace::new(1000).expect("a pace"));
        let began = Instant::now();
        let all = (0..5).map(|_| pace.take(1000));
        futures::future::join_all(all).await;
        assert_eq!(began.elapsed(), 4 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_gives_up_does_not_wait() {
        let pace = Pace::new(1).expect("a pace");
        pace.take(1_000_000).await;
        let began = Instant::now();
        let waited = tokio::time::timeout(SECOND, pace.take(1)).await;
        assert!(waited.is_err(), "the line was not free");
        assert_eq!(began.elapsed(), SECOND);
    }

    #[test]
    fn no_bytes_a_second_is_no_limit_to_work_with() {
        assert!(Bandwidth::new(0).is_none());
        assert_eq!(
            Pace::new(1).map(|pace| pace.duration_of(usize::MAX)),
            Some(Duration::from_nanos(u64::MAX))
        );
        assert_eq!(Pace::new(u64::MAX).map(|pace| pace.duration_of(1)), Some(Duration::from_nanos(1)));
    }
}
