//! A clock that the test sets.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{Span, Timestamp};
use koan_backup_core::Clock;

/// A clock that returns the instant that the test set. Clones share the instant.
///
/// ```
/// use koan_backup::{Clock, testing::HandClock};
///
/// let clock = HandClock::at("2026-11-29T03:00:00Z");
/// let builder = koan_backup::Koan::builder().clock(clock.clone());
/// clock.pass(24);
/// assert_eq!(clock.now().to_string(), "2026-11-30T03:00:00Z");
/// ```
#[derive(Clone, Debug)]
pub struct HandClock(Arc<Mutex<Timestamp>>);

impl HandClock {
    /// Creates a clock at this instant, for example `2026-11-29T03:00:00Z`.
    ///
    /// # Panics
    /// The text is not an instant.
    pub fn at(instant: &str) -> Self {
        Self(Arc::new(Mutex::new(instant.parse().expect("an instant"))))
    }

    /// Sets the clock to another instant.
    pub fn set(&self, instant: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = instant;
    }

    /// Advances the clock by this number of hours; a negative number sets it back.
    pub fn pass(&self, hours: i64) {
        self.set(self.now() + Span::new().hours(hours));
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn follows_system(&self) -> bool {
        false
    }
}
