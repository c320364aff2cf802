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
mod defaults;
mod derived;
#[cfg(test)]
mod documented;
mod error;
mod insert_only;
mod mapping;
mod materialized;
mod null_form;
mod older_rows;
mod options;
mod physical;
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

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use koan_backup_core::{
    Capabilities, EntityCodec, Finding, Provider, ProviderDescription, RestoreSession, RestoreTarget, Result,
    SessionIntent, SessionOptions, Snapshot,
};

#[cfg(test)]
pub(crate) use ddl::declared_type;
pub use options::PostgresOptions;

use crate::sql::identifier;

use connection::Location;
use session::PostgresSession;
use snapshot::PostgresSnapshot;
use state::StateOptions;

/// A PostgreSQL database whose tables are entities.
///
/// ```no_run
/// # fn main() -> Result<(), koan_backup::Error> {
/// use koan_backup::Postgres;
///
/// let shop = Postgres::connect("postgres://shop@db.example.org/shop?sslmode=verify-full")?;
/// let sales = Postgres::options("postgres://backup@localhost/erp").schema("sales").ignore_table("jobs", "a queue").connect()?;
/// # Ok(())
/// # }
/// ```
pub struct Postgres {
    location: Location,
    ignored: Arc<BTreeMap<String, String>>,
    state: Arc<StateOptions>,
}

impl Postgres {
    /// The database at an address: `postgres://user:password@host:5432/database`, or `host=… user=… dbname=…`. Connects
    /// when the context is built, not before.
    ///
    /// # Errors
    /// The address is not understood, or certificates that it names cannot be read.
    pub fn connect(address: impl Into<String>) -> Result<Self> {
        Self::options(address).connect()
    }

    /// How to reach the database at an address.
    pub fn options(address: impl Into<String>) -> PostgresOptions {
        PostgresOptions::new(address.into())
    }

    fn established(location: Location, ignored: BTreeMap<String, String>, state: StateOptions) -> Self {
        Self { location, ignored: Arc::new(ignored), state: Arc::new(state) }
    }
}

#[async_trait]
impl Provider for Postgres {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.bulk_upsert = true;
        capabilities.bulk_delete = true;
        capabilities.atomic_restore = true;
        capabilities.snapshot_reads = true;
        capabilities.sets = true;
        capabilities.ordered_reads = true;
        capabilities.restore_optimisation = true;
        capabilities
    }

    fn source(&self) -> Option<String> {
        Some(self.location.address.to_string())
    }

    async fn describe(&self, entities: &[EntityCodec]) -> Result<ProviderDescription> {
        let connection = self.location.connect().await?;
        coverage::describe(&connection, entities, &self.ignored, &self.state).await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        Ok(Box::new(PostgresSnapshot::open(self.location.clone()).await?))
    }

    async fn assess(&self, targets: &[RestoreTarget], options: &SessionOptions) -> Result<Vec<Finding>> {
        let connection = self.location.connect().await?;
        viability::assess(&connection, targets, options, &self.state, viability::Occasion::Restore).await
    }

    async fn assess_backup(&self, targets: &[RestoreTarget]) -> Result<Vec<Finding>> {
        let connection = self.location.connect().await?;
        let mut options = SessionOptions::default();
        options.intent = SessionIntent::Compare;
        viability::assess(&connection, targets, &options, &self.state, viability::Occasion::Backup).await
    }

    async fn begin_restore(&self, options: &SessionOptions) -> Result<Box<dyn RestoreSession>> {
        Ok(Box::new(
            PostgresSession::begin(&self.location, options.clone(), self.state.materialized_views).await?,
        ))
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("address", &self.location.address).finish_non_exhaustive()
    }
}
