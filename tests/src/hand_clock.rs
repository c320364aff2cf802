//! A clock that is moved by hand.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{Span, Timestamp};
use koan_backup::Clock;

/// Says what it was told, whoever asks. Clones are one clock.
#[derive(Clone, Debug)]
pub struct HandClock(Arc<Mutex<Timestamp>>);

impl HandClock {
    /// A clock that stands at this instant.
    pub fn at(instant: &str) -> Self {
        Self(Arc::new(Mutex::new(instant.parse().expect("an instant"))))
    }

    /// Moves it to another instant.
    pub fn set(&self, instant: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = instant;
    }

    /// Moves it on, or back.
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
