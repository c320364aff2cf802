//! An event store in tables of the database, which is read in the snapshot of the provider and restored in the transaction
//! of its session.
//!
//! Each aggregate has one stream, whose id is the object id. The settings [`EventTables`] name the tables and columns.

mod append;
mod column;
pub(super) mod coverage;
mod duplicate_names;
mod insert;
pub(super) mod queries;
mod removal;
pub(super) mod rows;
pub(super) mod tables;
mod timestamp;

use koan_backup_core::event_store::EventStoreCapabilities;
use koan_backup_sql::event_tables::EventTables;

/// Returns what an event store with these tables can contain.
pub(super) fn capabilities(settings: &EventTables) -> EventStoreCapabilities {
    let mut capabilities = EventStoreCapabilities::default();
    capabilities.snapshots = settings.snapshot_table().is_some();
    capabilities.positions = settings.position().is_some();
    capabilities
}
