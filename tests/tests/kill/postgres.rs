//! Tests jobs on PostgreSQL whose client is killed. The server keeps running and detects the lost connection.

mod backup;
mod restore;
mod shop;

pub(super) use backup::KilledBackup;
pub(super) use restore::KilledRestore;
pub(super) use shop::wait_for_sessions;
