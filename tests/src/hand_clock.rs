//! A clock that the test sets.

pub use koan_backup::testing::HandClock;
