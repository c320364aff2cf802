//! PostgreSQL as a provider, with `tokio-postgres`.
//!
//! - **Tables and columns** are matched by name: the entity's `table` (`orders`, `sales.orders`) or its name,
//!   a field's `column` or its serde name. An exact match is preferred; otherwise case and underscores are
//!   ignored. Names without a schema are searched in the role's `search_path`. If the default set of an
//!   entity is in table `T`, its set `x` is in table `T#x`. A partitioned table is read with all its
//!   partitions. A table from which other tables inherit is read without the rows of these tables, which need
//!   their own entities.
//! - **Snapshots**: one transaction holds a snapshot, and several connections read in this snapshot, each
//!   table with a binary COPY in the order of its key. Tables cannot be altered or truncated meanwhile;
//!   writers are not blocked. Standbys are supported.
//! - **Types**: dates and times are UTC, and decimals are exact. NaN, infinity and NUL are refused with
//!   an error that contains entity, key and column; so are values that PostgreSQL would round or truncate
//!   without an error. A column type that does not fit its field is reported at boot.
//! - **Restores** run in one transaction. Foreign keys are checked at its end; triggers and rewrite rules do
//!   not fire if the role owns the table; indexes, constraints, triggers and rules are put back as they were.
//!   Keys are compared as the database compares them, and are written as they are spelled in the archive.
//!   Sequences are only advanced. If the commit fails, the new position is rolled back for a sequence that
//!   the role owns; a sequence of another role skips numbers.
//!   `docs/providers.md` lists the privileges that each operation needs.
//! - **TLS**: `sslmode=disable` does not encrypt; `prefer`, the default, encrypts if the server supports it
//!   and verifies nothing; `require` encrypts or fails; `verify-full`, or `require` with a root certificate,
//!   verifies the certificate and the host name.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod address;
mod catalog;
mod column_type;
mod composite;
mod connect;
mod connection;
mod coverage;
mod database_schema;
mod ddl;
mod defaults;
mod derived;
mod diagnosis;
mod enumeration;
mod error;
mod event_store;
mod insert_only;
mod literal;
mod mapping;
mod materialized;
mod not_valid_constraints;
mod null_form;
mod options;
mod physical;
mod provider;
mod read;
mod sequence;
mod session;
mod settings;
mod snapshot;
mod state;
mod tls;
mod types;
mod viability;
mod write;

#[cfg(test)]
mod documented;

pub use koan_backup_sql::event_tables::{CqrsEs, EventTables, SnapshotTable};
pub use options::PostgresOptions;
pub use provider::Postgres;
