//! An event store in tables of the database, which is read in the snapshot of the provider and restored in the transaction
//! of its session.
//!
//! Each aggregate has one stream, whose id is the object id. The settings [`EventTables`](koan_backup_sql::event_tables::EventTables) name the tables and columns.

mod append;
mod column;
pub(super) mod coverage;
mod duplicate_names;
mod insert;
mod lookup;
pub(super) mod queries;
mod removal;
pub(super) mod rows;
pub(super) mod tables;
