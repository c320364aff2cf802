//! SQLite as a provider, by the bundled `rusqlite`.
//!
//! - **Tables and columns** are matched by name: the entity's `table` or name, a field's `column` or serde name; exactly,
//!   else ignoring case and underscores. What is ambiguous is refused. A set `x` of an entity in table `T` is the table
//!   `T#x`.
//! - **Snapshots**: all entities are read in one read transaction, each in the order of its key. In WAL mode writers go on
//!   meanwhile; with a rollback journal they wait until the snapshot is dropped.
//! - **Types**: values are read as their field means them, whatever storage class they are in. Dates and times are text, a
//!   whole number of seconds since 1970 (or of the unit that the field's serde form counts), or a Julian day as REAL. A number
//!   after the year 2200 is refused where no unit is declared, because it may count milliseconds.
//! - **Physical form**: an archive records in which form each column holds its values, so that a restored row equals the
//!   lost one byte for byte. White space and the order of keys inside JSON text are not kept; the backup counts such values in a
//!   warning.
//! - **Keys** are one key if SQLite compares them equal: by the collations of the key's columns, or by those of an index that
//!   keeps these columns unique. A backup and a restore refuse two records of one key by name; a restore writes the key as the
//!   archive spells it.
//! - **Damage**: the rows that were read are compared with a scan of the table that uses no index, in the same snapshot, and every
//!   index is counted. Rows that an index hides or repeats fail the backup.
//! - **Restores** are one transaction. Foreign keys may be broken until the commit, deleting cascades nowhere, and triggers
//!   do not fire: what they did is in the archive already. Full-text indexes with external content are rebuilt within the
//!   transaction, with the rows that their triggers choose. What else triggers fill and no archive holds makes a restore fail before it writes, unless it is named with
//!   [`SqliteOptions::recomputed`].

mod bind;
mod catalog;
mod collation;
mod column_type;
mod connection;
mod coverage;
mod ddl;
mod derived;
mod error;
mod form;
mod observed_encoding;
mod index_check;
mod key_equality;
mod mapping;
mod number;
mod options;
mod pragmas;
mod provider;
mod read;
mod references;
mod session;
mod snapshot;
mod thread;
mod viability;

#[cfg(test)]
mod documented;
#[cfg(test)]
mod tests;

pub use options::SqliteOptions;
pub use provider::Sqlite;
