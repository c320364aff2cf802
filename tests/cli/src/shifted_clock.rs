//! A clock that differs from the clock of the system.

use jiff::{SignedDuration, Timestamp};
use koan_backup::Clock;

/// The clock of the system, shifted by a fixed time. It is compared with the times of files, as the clock of a machine
/// is.
#[derive(Debug)]
pub(crate) struct ShiftedClock(SignedDuration);

impl ShiftedClock {
    /// Parses the shift in seconds.
    pub(crate) fn parse(seconds: &str) -> Self {
        Self(SignedDuration::from_secs(seconds.parse().expect("a number of seconds")))
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        Timestamp::now() + self.0
    }
}
