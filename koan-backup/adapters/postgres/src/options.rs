//! How a database is reached.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use koan_backup_core::{Error, ErrorKind, Result};

use super::Postgres;
use super::address::{Address, Protection};
use super::connection::Location;
use super::state::{MaterializedViews, StateOptions};
use super::tls::connector;

/// Connections that read at once, if nothing else is said.
const CONNECTIONS: usize = 2;

/// How a PostgreSQL database is reached: see [`Postgres::options`].
#[derive(Clone)]
pub struct PostgresOptions {
    address: String,
    connections: usize,
    schemas: Vec<String>,
    root_certificate: Option<PathBuf>,
    ignored: BTreeMap<String, String>,
    state: StateOptions,
}

impl PostgresOptions {
    pub(super) fn new(address: String) -> Self {
        Self {
            address,
            connections: CONNECTIONS,
            schemas: Vec::new(),
            root_certificate: None,
            ignored: BTreeMap::new(),
            state: StateOptions::default(),
        }
    }

    /// How many entities are read at once, each by a connection of its own; 2 if not said. One more connection keeps the
    /// snapshot.
    #[must_use]
    pub fn connections(mut self, connections: NonZeroUsize) -> Self {
        self.connections = connections.get();
        self
    }

    /// A schema in which tables are looked for. Said several times, the first that has the table counts; not said, those
    /// of the role's `search_path`.
    #[must_use]
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schemas.push(schema.into());
        self
    }

    /// The PEM file of the authorities by which the server's certificate is verified; with `sslmode=verify-full` and none,
    /// those that the system trusts. With it, `sslmode=require` verifies as well.
    #[must_use]
    pub fn root_certificate(mut self, path: impl Into<PathBuf>) -> Self {
        self.root_certificate = Some(path.into());
        self
    }

    /// A table that is meant to be in no entity, and why: boot reports do not warn of it. It is named as they name it: `jobs`, or
    /// `audit.jobs` where its schema is not looked in.
    #[must_use]
    pub fn ignore_table(mut self, table: impl Into<String>, reason: impl Into<String>) -> Self {
        self.ignored.insert(table.into(), reason.into());
        self
    }

    /// Declares that a standalone sequence needs no backup, and why, so that boot reports do not warn of it. A sequence that a
    /// table of an entity uses is in the backup; this is for one that only programs call. It is named as boot reports name it.
    #[must_use]
    pub fn ignore_sequence(mut self, sequence: impl Into<String>, reason: impl Into<String>) -> Self {
        self.state.ignored_sequences.insert(sequence.into(), reason.into());
        self
    }

    /// Declares that a materialized view needs no refresh after a restore, and why, so that boot reports do not warn of it.
    #[must_use]
    pub fn ignore_materialized_view(mut self, view: impl Into<String>, reason: impl Into<String>) -> Self {
        self.state.ignored_views.insert(view.into(), reason.into());
        self
    }

    /// Declares that the large objects of the database need no backup, and why.
    #[must_use]
    pub fn ignore_large_objects(mut self, reason: impl Into<String>) -> Self {
        self.state.ignored_large_objects = Some(reason.into());
        self
    }

    /// Refreshes the materialized views that depend on restored tables, within the transaction of the restore and each after those
    /// that it reads. Views that hold no rows yet (`WITH NO DATA`) are left so. Without this option, viability names the views.
    #[must_use]
    pub fn refresh_materialized_views(mut self) -> Self {
        self.state.materialized_views = MaterializedViews::Refreshed;
        self
    }

    /// Declares that something computes a column again after each restore, and what: `("film.search", "the nightly reindex")`.
    /// A restore of a table is refused while a trigger fills a column that no field covers, because triggers do not fire in a
    /// restore; with this declaration it is not.
    #[must_use]
    pub fn recomputed_after_restore(mut self, column: impl Into<String>, by: impl Into<String>) -> Self {
        self.state.recomputed_columns.insert(column.into(), by.into());
        self
    }

    /// Reads the address and the certificates. The first connection is made when the context is built.
    ///
    /// # Errors
    /// The address is not understood, certificates cannot be read, or an ignored table has no reason.
    pub fn connect(self) -> Result<Postgres> {
        if let Some((table, _)) = self.ignored.iter().find(|(_, reason)| reason.trim().is_empty()) {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!("table `{table}` is ignored without a reason; say why it needs no backup"),
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
                        "a root certificate is given, but the address does not ask for TLS; say sslmode=verify-full",
                    ));
                }
            }
            address.root_certificate = Some(path.display().to_string());
        }
        let tls = connector(&address)?;
        let location = Location { address, tls, connections: self.connections, schemas: self.schemas };
        Ok(Postgres::established(location, self.ignored, self.state))
    }
}

/// Shows no password.
impl std::fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("connections", &self.connections)
            .field("schemas", &self.schemas)
            .field("root_certificate", &self.root_certificate)
            .finish_non_exhaustive()
    }
}
