//! The event store in tables of an SQLite database, which `Sqlite::event_store` configures.
//!
//! - **Text** is read exactly, and written in the storage class in which it was read. The declared type of a column
//!   decides: text in a column that stores numbers is a number if it is a whole number, and JSON in a column that is
//!   declared as BLOB consists of bytes. Any other storage class is refused, because a restore would change it.
//! - **Order**: object ids are ordered by their bytes, whatever the collation of the column.
//! - **Positions**: an event without a position gets the next one. If the column is an alias of the rowid, SQLite
//!   assigns it, and advances the sequence of the table to the largest position that is restored.
//! - **Snapshots** are preserved as they are, even if they include a version without an event. A snapshot with a version
//!   below the first version is refused.

mod batch;
mod condition;
mod describe;
mod identity;
mod insert;
mod listing;
mod reader;
mod record;
mod row;
mod store_tables;
mod stored_form;
mod writing;

pub(super) use describe::{add_to_description, is_event_table, refuse_shared_tables};
pub(super) use reader::SqliteEventReader;
pub(super) use store_tables::StoreTables;
pub(super) use writing::EventWriting;
