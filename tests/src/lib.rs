//! What the behaviour suites share.

pub mod archive_surgery;
pub mod chance;
pub mod faulty_store;
pub mod log;
#[cfg(unix)]
pub mod postgres;
pub mod scripted;
pub mod small_disk;
