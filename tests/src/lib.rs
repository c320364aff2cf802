//! What the behaviour suites share.

pub mod archive_surgery;
pub mod chance;
pub mod child;
pub mod counting_store;
pub mod faulty_store;
pub mod hand_clock;
pub mod log;
#[cfg(unix)]
pub mod postgres;
#[cfg(unix)]
pub mod proxy;
pub mod refusals;
pub mod scripted;
pub mod small_disk;
#[cfg(unix)]
pub mod stores;
