//! What the behaviour suites share.

pub mod log;
pub mod scripted;
