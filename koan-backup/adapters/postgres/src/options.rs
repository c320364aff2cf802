//! Options for connecting to a database.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use koan_backup_core::{Error, ErrorKind, Result};

use super::Postgres;
use super::address::{Address, Protection};
use super::connection::Location;
use super::state::{MaterializedViews, StateOptions};
use super::tls::connector;

/// The default number of connections that read at the same time.
const DEFAULT_CONNECTIONS: usize = 2;

/// Options for connecting to a PostgreSQL database: see [`Postgres::options`].
///
/// ```no_run
/// use koan_backup::Postgres;
///
/// # fn main() -> koan_backup::Result<()> {
/// let sales = Postgres::options("postgres://backup@db.example.org/erp?sslmode=verify-full")
///     .schema("sales")
///     .ignore_table("jobs", "a queue")
///     .connect()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "the options do nothing until `connect` is called"]
pub struct PostgresOptions {
    address: String,
    connections: usize,
    schemas: Vec<String>,
    root_certificate: Option<PathBuf>,
    ignored: BTreeMap<String, String>,
    state: StateOptions,
}

impl Postgres {
    /// Creates a provider for the database at an address: `postgres://user:password@host:5432/database`, or
    /// `host=… user=… dbname=…`. The first connection is opened when the context is built.
    ///
    /// # Errors
    /// Returns an error if the address is invalid, or if the file of its parameter `sslrootcert` cannot be
    /// read.
    pub fn connect(address: impl Into<String>) -> Result<Self> {
        Self::options(address).connect()
    }

    /// Returns options for connecting to the database at an address.
    pub fn options(address: impl Into<String>) -> PostgresOptions {
        PostgresOptions::new(address.into())
    }
}

impl PostgresOptions {
    pub(super) fn new(address: String) -> Self {
        Self {
            address,
            connections: DEFAULT_CONNECTIONS,
            schemas: Vec::new(),
            root_certificate: None,
            ignored: BTreeMap::new(),
            state: StateOptions::default(),
        }
    }

    /// Sets how many entities are read at the same time, each with its own connection. The default is 2. One
    /// more connection holds the snapshot.
    pub fn connections(mut self, connections: NonZeroUsize) -> Self {
        self.connections = connections.get();
        self
    }

    /// Adds a schema in which tables are searched. If several schemas contain the table, the schema that was
    /// added first is used. Without this option, tables are searched in the role's `search_path`.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schemas.push(schema.into());
        self
    }

    /// Sets the PEM file with the root certificates that verify the server's certificate. Without this file,
    /// `sslmode=verify-full` uses the root certificates of the system. With this file, `sslmode=require`
    /// verifies the server as well.
    pub fn root_certificate(mut self, path: impl Into<PathBuf>) -> Self {
        self.root_certificate = Some(path.into());
        self
    }

    /// Declares that a table intentionally belongs to no entity, with the reason. Boot reports do not warn
    /// about the table. Use the name in the boot report: `jobs`, or `audit.jobs` if the schema is not in the
    /// search path.
    pub fn ignore_table(mut self, table: impl Into<String>, reason: impl Into<String>) -> Self {
        self.ignored.insert(table.into(), reason.into());
        self
    }

    /// Declares that a standalone sequence needs no backup, with the reason. Boot reports do not warn about
    /// the sequence. Sequences that the table of an entity uses are part of the backup; this option is for a
    /// sequence that only programs use. Use the name in the boot report.
    pub fn ignore_sequence(mut self, sequence: impl Into<String>, reason: impl Into<String>) -> Self {
        self.state.ignored_sequences.insert(sequence.into(), reason.into());
        self
    }

    /// Declares that a materialized view needs no refresh after a restore, with the reason. Boot reports do
    /// not warn about the view.
    pub fn ignore_materialized_view(mut self, view: impl Into<String>, reason: impl Into<String>) -> Self {
        self.state.ignored_views.insert(view.into(), reason.into());
        self
    }

    /// Declares that the large objects of the database need no backup, with the reason.
    pub fn ignore_large_objects(mut self, reason: impl Into<String>) -> Self {
        self.state.ignored_large_objects = Some(reason.into());
        self
    }

    /// Refreshes the materialized views that depend on restored tables, within the transaction of the
    /// restore; a view is refreshed after the views that it reads. Unpopulated views (`WITH NO DATA`) are not
    /// refreshed. Without this option, viability reports the views.
    pub fn refresh_materialized_views(mut self) -> Self {
        self.state.materialized_views = MaterializedViews::Refreshed;
        self
    }

    /// Declares a column, as `table.column`, that triggers fill and that the application recomputes after a
    /// restore. `reason` describes how the application does so: `("film.search", "the nightly reindex")`.
    ///
    /// Triggers do not fire during a restore. If a trigger fills a column without a field, a restore is
    /// refused unless the column is declared here.
    pub fn recomputed_after_restore(mut self, column: impl Into<String>, reason: impl Into<String>) -> Self {
        self.state.recomputed_columns.insert(column.into(), reason.into());
        self
    }

    /// Parses the address and reads the certificates. The first connection is opened when the context is
    /// built.
    ///
    /// # Errors
    /// Returns an error if the address is invalid, the certificates cannot be read, or an ignored table has
    /// no reason.
    pub fn connect(self) -> Result<Postgres> {
        if let Some((table, _)) = self.ignored.iter().find(|(_, reason)| reason.trim().is_empty()) {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!(
                    "table `{table}` is ignored without a reason; pass the reason why the table needs no \
                     backup to `ignore_table`"
                ),
            ));
        }
        self.state.require_reasons()?;
        let mut address = Address::parse(&self.address)?;
        if let Some(path) = self.root_certificate {
            match address.protection {
                Protection::Require | Protection::Verify => address.protection = Protection::Verify,
                Protection::Disable | Protection::Prefer => {
                    return Err(Error::new(
                        ErrorKind::Configuration,
                        "a root certificate is set, but the address does not request TLS; use \
                         sslmode=verify-full",
                    ));
                }
            }
            address.root_certificate = Some(path.display().to_string());
        }
        let tls = connector(&address)?;
        let location = Location { address, tls, connections: self.connections, schemas: self.schemas };
        Ok(Postgres::from_location(location, self.ignored, self.state))
    }
}

/// The output omits the address, which contains the password.
impl std::fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("connections", &self.connections)
            .field("schemas", &self.schemas)
            .field("root_certificate", &self.root_certificate)
            .field("ignored", &self.ignored)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
