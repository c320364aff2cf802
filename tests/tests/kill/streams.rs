//! Tests backups and restores of event streams whose process is killed.

mod archives;
mod database;
mod files;
#[cfg(unix)]
mod postgres;
mod single;
mod sqlite;

pub(super) use archives::{KilledBackup, KilledRestore};
pub(super) use files::Files;
#[cfg(unix)]
pub(super) use postgres::Tables;
pub(super) use single::{KilledSingleBackup, KilledSingleRestore};
pub(super) use sqlite::SqliteTables;
