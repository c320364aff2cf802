//! What the behaviour suites share.

pub mod archive_surgery;
pub mod chance;
pub mod faulty_store;
pub mod log;
pub mod scripted;
