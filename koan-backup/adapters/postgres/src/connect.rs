//! Opens a connection and sets its session parameters.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use koan_backup_core::{Error, ErrorKind, Result};

use super::address::Protection;
use super::connection::{Connection, Location};
use super::error::{failed, server_error};
use super::settings;
use koan_backup_sql::identifier::quoted;

/// The time limit for connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// The oldest release that the tests run on, in the format of `server_version_num`. Older releases are
/// refused because they are not tested.
const MIN_VERSION: u64 = 150_000;

/// Selects the event triggers that DDL statements of a restore can fire. The names of their functions have
/// the form in which they appear in the contexts of errors.
const EVENT_TRIGGERS: &str = "
    SELECT t.evtname::text, t.evtfoid::pg_catalog.regprocedure::text FROM pg_catalog.pg_event_trigger t
    WHERE t.evtenabled <> 'D' ORDER BY 1";

impl Location {
    /// Opens a connection and sets its session parameters.
    pub(super) async fn connect(&self) -> Result<Connection> {
        koan_backup_core::provider::require_io()?;
        let connecting = async {
            let (client, connection) = self.address.config.connect(self.tls.clone()).await?;
            let last_error = Arc::new(OnceLock::new());
            let slot = Arc::clone(&last_error);
            let task = tokio::spawn(async move {
                let mut connection = std::pin::pin!(connection);
                // The error is stored before the connection is dropped, because the client notices the end at
                // that point.
                if let Err(error) = connection.as_mut().await {
                    let _ = slot.set(error);
                }
            });
            Ok::<_, tokio_postgres::Error>(Connection {
                client,
                task,
                last_error,
                schemas: Vec::new(),
                event_triggers: Vec::new(),
                money_scale_is_two: true,
            })
        };
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await.map_err(|_| {
            Error::new(
                ErrorKind::Provider,
                format!(
                    "PostgreSQL at {} did not respond within {} seconds",
                    self.address,
                    CONNECT_TIMEOUT.as_secs()
                ),
            )
            .with_help("check host, port and network")
        })?;
        let mut connection = connected.map_err(|error| self.not_connected(&error))?;
        connection.money_scale_is_two = settings::set_all(&connection).await?.money_scale_is_two;
        connection.schemas = self.configure(&connection).await?;
        connection.event_triggers = event_triggers(&connection).await?;
        Ok(connection)
    }

    /// Checks the version of the server and sets the encoding and the search path. Returns the schemas in
    /// which tables are searched.
    async fn configure(&self, connection: &Connection) -> Result<Vec<String>> {
        let to_error = |error| failed("configuring a connection", &error);
        let version = "SELECT pg_catalog.current_setting('server_version_num')::int8";
        self.require_supported(connection.number("reading the version", version).await?)?;
        let row = connection
            .client
            .query_one(
                "SELECT pg_catalog.current_schemas(false)::text[], \
                 pg_catalog.current_setting('server_encoding')",
                &[],
            )
            .await
            .map_err(to_error)?;
        let (role_schemas, encoding): (Vec<String>, String) =
            row.try_get(0).and_then(|role_schemas| Ok((role_schemas, row.try_get(1)?))).map_err(to_error)?;
        if encoding == "SQL_ASCII" {
            // A database with the encoding SQL_ASCII stores any bytes and converts none. With client encoding
            // UTF-8, reading a table with invalid bytes would fail without any information about the row.
            // Without conversion, the error contains the key of the row.
            connection.client.batch_execute("SET client_encoding = 'SQL_ASCII'").await.map_err(to_error)?;
        }
        let path = search_path(&self.schemas, &role_schemas);
        let schemas = if self.schemas.is_empty() { role_schemas } else { self.schemas.clone() };
        let path = format!("SET search_path = {path}");
        connection.client.batch_execute(&path).await.map_err(to_error)?;
        Ok(schemas)
    }

    /// Refuses a server that is too old, by its `server_version_num`.
    fn require_supported(&self, version: u64) -> Result<()> {
        if version >= MIN_VERSION {
            return Ok(());
        }
        let (found, oldest) = (version / 10_000, MIN_VERSION / 10_000);
        Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "PostgreSQL at {} has version {found}, and versions before {oldest} are not supported; \
                 upgrade the server, or back it up with the `pg_dump` of its version",
                self.address
            ),
        ))
    }

    fn not_connected(&self, error: &tokio_postgres::Error) -> Error {
        let operation = format!("connecting to PostgreSQL at {}", self.address);
        if let Some(refusal) = error.as_db_error() {
            return server_error(&operation, refusal);
        }
        let reason = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
        let remedy = match self.address.protection {
            Protection::Verify | Protection::Require if is_certificate_error(error) => {
                "set sslrootcert to the root certificate of the server, and use the host name of its \
                 certificate"
            }
            // The driver reports this refusal only by its text.
            Protection::Verify | Protection::Require if reason.contains("does not support TLS") => {
                "enable TLS on the server, or use sslmode=prefer if records may be sent unencrypted"
            }
            _ => "check host, port, and that the server is running",
        };
        Error::new(ErrorKind::Provider, format!("{operation} failed: {reason}")).with_help(remedy)
    }
}

/// Returns whether TLS failed because of the certificate of the server.
fn is_certificate_error(error: &tokio_postgres::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let tls = inner.and_then(|inner| inner.downcast_ref()).or_else(|| error.downcast_ref());
        if let Some(rustls::Error::InvalidCertificate(_)) = tls {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Returns the search path of a session: `pg_catalog` first, so that no other object hides an object of
/// PostgreSQL; then the configured schemas; then the role's schemas. The role's schemas are included because
/// functions, CHECK constraints and triggers of the application may use functions and operators of extensions
/// without a schema name.
fn search_path(configured: &[String], role_schemas: &[String]) -> String {
    let mut path = vec!["pg_catalog"];
    for schema in configured.iter().chain(role_schemas) {
        if !path.contains(&schema.as_str()) && schema != "pg_temp" {
            path.push(schema);
        }
    }
    path.push("pg_temp");
    path.into_iter().map(quoted).collect::<Vec<_>>().join(", ")
}

async fn event_triggers(connection: &Connection) -> Result<Vec<(String, String)>> {
    let read = async {
        let rows = connection.client.query(EVENT_TRIGGERS, &[]).await?;
        let pairs = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
        pairs.collect::<std::result::Result<Vec<_>, tokio_postgres::Error>>()
    };
    read.await.map_err(|error| failed("reading the event triggers", &error))
}

#[cfg(test)]
mod tests {
    use super::super::address::Address;
    use super::super::tls::connector;
    use super::*;

    #[test]
    fn an_old_server_is_refused_with_its_version() {
        let address = Address::parse("postgres://ann:s3cret@db.example.org/shop").expect("an address");
        let tls = connector(&address).expect("a connector without certificates");
        let location = Location { address, tls, connections: 1, schemas: Vec::new() };
        let error = location.require_supported(140_019).expect_err("version 14 is not supported");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(
            error.to_string(),
            "PostgreSQL at db.example.org:5432/shop has version 14, and versions before 15 are not \
             supported; upgrade the server, or back it up with the `pg_dump` of its version"
        );
        for version in [150_000, 160_009, 170_010, 180_004] {
            location.require_supported(version).expect("a supported version");
        }
    }

    #[test]
    fn the_schemas_of_the_role_follow_the_configured_schemas() {
        let path = |configured: &[&str], role_schemas: &[&str]| {
            let strings = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
            search_path(&strings(configured), &strings(role_schemas))
        };
        assert_eq!(path(&[], &["public"]), "\"pg_catalog\", \"public\", \"pg_temp\"");
        assert_eq!(
            path(&["sales", "public"], &["ann", "public", "pg_catalog"]),
            "\"pg_catalog\", \"sales\", \"public\", \"ann\", \"pg_temp\""
        );
    }
}
