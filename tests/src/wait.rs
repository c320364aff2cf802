//! Functions that wait for events instead of fixed durations.
//!
//! A test never asserts how long an operation takes. If an event cannot be observed directly, a condition is
//! polled. Polling has no deadline that a busy machine could exceed: if the condition never becomes true, the
//! wait ends at the limit of the test runner, or after [`HANG_TIMEOUT`] with a message.

use std::time::{Duration, Instant};

/// The time after which a waiting test is considered to hang. A test that passes needs far less.
pub const HANG_TIMEOUT: Duration = Duration::from_secs(420);
/// The time between two checks of a condition.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Waits until an asynchronous condition is true.
///
/// # Panics
/// The condition does not become true within [`HANG_TIMEOUT`].
pub async fn until(description: &str, mut condition: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < HANG_TIMEOUT, "timeout: the condition was not reached: {description}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Waits until a synchronous condition is true.
///
/// # Panics
/// The condition does not become true within [`HANG_TIMEOUT`].
pub async fn until_sync(description: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < HANG_TIMEOUT, "timeout: the condition was not reached: {description}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Blocks the thread until a condition is true.
///
/// # Panics
/// The condition does not become true within [`HANG_TIMEOUT`].
pub fn until_blocking(description: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < HANG_TIMEOUT, "timeout: the condition was not reached: {description}");
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// Drops a future as soon as an event has happened.
///
/// # Panics
/// The future ends before the event.
pub async fn dropped_at<T: std::fmt::Debug>(
    event: impl Future<Output = ()>,
    operation: impl IntoFuture<Output = T>,
) {
    tokio::select! {
        biased;
        () = event => {}
        result = operation.into_future() => panic!("the operation ended before the event: {result:?}"),
    }
}
