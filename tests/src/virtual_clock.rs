//! A clock that follows the time of the Tokio runtime.

use jiff::{SignedDuration, Timestamp};
use koan_backup::Clock;
use tokio::time::Instant;

/// A clock that advances with the time of the Tokio runtime. In a test with `start_paused = true`, only
/// sleeping advances the clock, so nothing expires because the machine is busy.
#[derive(Clone, Debug)]
pub struct VirtualClock {
    start_instant: Instant,
    start_time: Timestamp,
}

impl VirtualClock {
    /// Creates a clock that starts at the current time of the operating system.
    pub fn start() -> Self {
        Self { start_instant: Instant::now(), start_time: Timestamp::now() }
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.start_instant.elapsed())
            .expect("the duration of a test is representable");
        self.start_time.checked_add(passed).expect("the duration of a test is representable")
    }

    fn follows_system(&self) -> bool {
        false
    }
}
