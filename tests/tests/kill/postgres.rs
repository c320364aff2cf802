//! Jobs on PostgreSQL whose client is killed. The server lives on, and notices.

mod backup;
mod restore;
mod shop;

pub(super) use backup::KilledBackup;
pub(super) use restore::KilledRestore;
