//! PostgreSQL as a provider, by `tokio-postgres`.
//!
//! - **Tables and columns** are matched by name: the entity's `table` (`orders`, `sales.orders`) or name, a field's `column`
//!   or serde name; exactly, else ignoring case and underscores. Names without a schema are looked for along the role's
//!   `search_path`. A set `x` of an entity in table `T` is the table `T#x`. A partitioned table is read with all its
//!   partitions; a table that others inherit from, without their rows: each of those is a table of its own.
//! - **Snapshots**: one transaction keeps a snapshot, several connections read in it, each table by a binary COPY in the
//!   order of its key. Tables cannot be altered or emptied by TRUNCATE meanwhile; writers go on. Standbys work, too.
//! - **Types**: dates and times are UTC, decimals exact. NaN, infinity and NUL are refused by entity, key and column; so is
//!   what PostgreSQL would round or cut in silence. A type that a field cannot be read from is named at boot.
//! - **Restores** are one transaction. Foreign keys hold at its end; triggers and rewrite rules do not act where the role owns
//!   the table; indexes, constraints, triggers and rules are put back as they were. Keys are compared as the database compares
//!   them and written as the archive spells them. Sequences move on, never back; like all sequences, they stay there when the
//!   very commit fails. `docs/providers.md` lists what each role may do.
//! - **TLS**: `sslmode=disable` is in clear; `prefer`, the default, encrypts where the server can and verifies nobody;
//!   `require` encrypts or fails; `verify-full`, or `require` with a root certificate, verifies certificate and host name.

mod address;
mod catalog;
mod column_type;
mod composite;
mod connection;
mod coverage;
mod ddl;
mod derived;
mod error;
mod insert_only;
mod mapping;
mod materialized;
mod null_form;
mod not_valid_constraints;
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

pub use options::PostgresOptions;
pub use provider::Postgres;
