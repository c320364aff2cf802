//! How a database is reached.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use koan_backup_core::{Error, ErrorKind, Result};

use super::Postgres;
use super::address::{Address, Protection};
use super::connection::Location;
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
}

impl PostgresOptions {
    pub(super) fn new(address: String) -> Self {
        Self {
            address,
            connections: CONNECTIONS,
            schemas: Vec::new(),
            root_certificate: None,
            ignored: BTreeMap::new(),
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
        Ok(Postgres::established(location, self.ignored))
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
