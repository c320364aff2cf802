//! The provider for SQLite databases, which uses the bundled SQLite library of `rusqlite`.
//!
//! - **Tables and columns** are matched by name: the entity's `table` or its name, a field's `column` or its
//!   serde name. An exact match is preferred; otherwise case and underscores are ignored. An ambiguous name
//!   is refused. If the default set of an entity is in table `T`, its set `x` is in table `T#x`.
//! - **Snapshots**: all entities are read in one read transaction, each in the order of its key. In WAL mode
//!   other connections can write meanwhile; with a rollback journal they wait until the snapshot is dropped.
//! - **Types**: a value is read according to the type of its field, whatever its storage class. Dates and
//!   times are text, a whole number of seconds since 1970 (or of the unit that the field's serde form uses),
//!   or a Julian day as REAL. A whole number that would be a time after the year 2200 is refused unless the
//!   field declares its unit, because the number may count milliseconds.
//! - **Physical form**: an archive records the form in which each column stores its values, so that a
//!   restored row equals the lost one byte for byte. White space and the order of keys inside JSON text are
//!   not preserved; the backup counts such values in a warning.
//! - **Key equality**: two keys are the same if SQLite compares them as equal, by the collations of the key's
//!   columns or by those of a unique index over exactly these columns. A backup and a restore refuse two
//!   records with the same key, and the error contains the key. A restore writes each key as it is spelled in
//!   the archive.
//! - **Damage**: the rows that were read are compared with a scan of the table that uses no index, in the
//!   same snapshot, and the entries of every index are counted. The backup fails if the read omitted or
//!   repeated rows, or if an index has more entries than the table has rows.
//! - **Restores** run in one transaction. Foreign keys may be violated until the commit, deletes do not
//!   cascade, and triggers do not fire, because the archive already contains their effects. Full-text indexes
//!   with external content are rebuilt within the transaction, with the rows that their triggers select. If
//!   triggers fill other data that no archive contains, a restore fails before it writes, unless the
//!   application declares that data with [`SqliteOptions::recomputed_after_restore`].

#![cfg_attr(docsrs, feature(doc_cfg))]

mod bind;
mod catalog;
mod clauses;
mod collation;
mod column_type;
mod connection;
mod coverage;
mod database_schema;
mod ddl;
mod derived;
mod diagnosis;
mod error;
mod event_store;
mod form;
mod index_check;
mod key_equality;
mod mapping;
mod new_rows;
mod number;
mod observed_encoding;
mod options;
mod pragmas;
mod provider;
mod read;
mod references;
mod session;
mod snapshot;
mod thread;
mod time_number;
mod unwritable;
mod viability;

#[cfg(test)]
mod documented;
#[cfg(test)]
mod tests;

pub use options::SqliteOptions;
pub use provider::Sqlite;
