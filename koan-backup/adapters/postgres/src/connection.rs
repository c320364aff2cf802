//! One connection, and the task that moves its bytes.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use koan_backup_core::{Error, ErrorKind, Result};
use tokio::task::JoinHandle;
use tokio_postgres::Client;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::{Address, Protection};
use super::error::{event_trigger, failed, refused};
use super::settings;
use koan_backup_sql::identifier::quoted;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// The oldest release that the tests run on, as `server_version_num` counts. An older one might do, and nobody has seen it.
const OLDEST: u64 = 150_000;

/// Where to connect to.
#[derive(Clone)]
pub(super) struct Location {
    pub(super) address: Address,
    pub(super) tls: MakeRustlsConnect,
    /// Connections that read at once.
    pub(super) connections: usize,
    /// The schemas in which tables are looked for; those of the role's `search_path` if there are none.
    pub(super) schemas: Vec<String>,
}

/// An open connection. Dropping it closes it, and the server undoes what was not committed.
pub(super) struct Connection {
    pub(super) client: Client,
    task: JoinHandle<()>,
    /// Why it has ended, where the server said so or the network did.
    farewell: Arc<OnceLock<tokio_postgres::Error>>,
    /// The schemas in which names without one are looked for, in that order.
    pub(super) schemas: Vec<String>,
    /// Event triggers that fire when tables are altered, each with its function.
    event_triggers: Vec<(String, String)>,
    /// Whether `money` counts hundredths.
    pub(super) money_in_hundredths: bool,
}

/// The event triggers that a restore can fire by what it alters, with their functions as contexts of errors name them.
const EVENT_TRIGGERS: &str = "
    SELECT t.evtname::text, t.evtfoid::pg_catalog.regprocedure::text FROM pg_catalog.pg_event_trigger t
    WHERE t.evtenabled <> 'D' ORDER BY 1";

impl Location {
    /// Opens a connection and pins its settings.
    pub(super) async fn connect(&self) -> Result<Connection> {
        let connecting = async {
            let (client, connection) = self.address.config.connect(self.tls.clone()).await?;
            let farewell = Arc::new(OnceLock::new());
            let told = Arc::clone(&farewell);
            let task = tokio::spawn(async move {
                let mut connection = std::pin::pin!(connection);
                // Kept before the connection goes, from which whoever uses the client sees that it has ended.
                if let Err(error) = connection.as_mut().await {
                    let _ = told.set(error);
                }
            });
            Ok::<_, tokio_postgres::Error>(Connection {
                client,
                task,
                farewell,
                schemas: Vec::new(),
                event_triggers: Vec::new(),
                money_in_hundredths: true,
            })
        };
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await.map_err(|_| {
            Error::new(
                ErrorKind::Provider,
                format!(
                    "PostgreSQL at {} did not answer within {} seconds; check host, port and network",
                    self.address,
                    CONNECT_TIMEOUT.as_secs()
                ),
            )
        })?;
        let mut connection = connected.map_err(|error| self.not_connected(&error))?;
        connection.money_in_hundredths = settings::pin(&connection).await?.money_in_hundredths;
        connection.schemas = self.prepare(&connection).await?;
        connection.event_triggers = event_triggers(&connection).await?;
        Ok(connection)
    }

    async fn prepare(&self, connection: &Connection) -> Result<Vec<String>> {
        let lost = |error| failed("preparing a connection", &error);
        let version = "SELECT pg_catalog.current_setting('server_version_num')::int8";
        self.require_known(connection.number("asking for the version", version).await?)?;
        let row = connection
            .client
            .query_one(
                "SELECT pg_catalog.current_schemas(false)::text[], pg_catalog.current_setting('server_encoding')",
                &[],
            )
            .await
            .map_err(lost)?;
        let (own, encoding): (Vec<String>, String) =
            row.try_get(0).and_then(|own| Ok((own, row.try_get(1)?))).map_err(lost)?;
        if encoding == "SQL_ASCII" {
            // Such a database holds any bytes and converts none. Asked for UTF-8, the server would fail a whole table without saying
            // which row it is; sent as they are, the row with other bytes is found and named.
            connection.client.batch_execute("SET client_encoding = 'SQL_ASCII'").await.map_err(lost)?;
        }
        let path = search_path(&self.schemas, &own);
        let schemas = if self.schemas.is_empty() { own } else { self.schemas.clone() };
        let path = format!("SET search_path = {path}");
        connection.client.batch_execute(&path).await.map_err(lost)?;
        Ok(schemas)
    }

    /// Refuses a server that is too old, by its `server_version_num`.
    fn require_known(&self, version: u64) -> Result<()> {
        if version >= OLDEST {
            return Ok(());
        }
        let (found, oldest) = (version / 10_000, OLDEST / 10_000);
        Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "PostgreSQL at {} is of version {found}, and nothing older than {oldest} is backed up or restored here; upgrade \
                 it, or use the `pg_dump` of its version",
                self.address
            ),
        ))
    }

    fn not_connected(&self, error: &tokio_postgres::Error) -> Error {
        let what = format!("connecting to PostgreSQL at {}", self.address);
        if let Some(refusal) = error.as_db_error() {
            return refused(&what, refusal);
        }
        let reason = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
        let remedy = match self.address.protection {
            Protection::Verify | Protection::Require if reason.contains("certificate") => {
                "; name the authority of its certificate by sslrootcert, and the host as the certificate does"
            }
            Protection::Verify | Protection::Require if reason.contains("does not support TLS") => {
                "; switch TLS on there, or say sslmode=prefer if records may travel in clear"
            }
            _ => "; check host, port, and that the server is up",
        };
        Error::new(ErrorKind::Provider, format!("{what} failed: {reason}{remedy}"))
    }
}

/// The search path of a session: PostgreSQL's own names first, so that nothing can stand before them; then the schemas that were
/// named; then those of the role. The role's schemas stay, because functions, checks, triggers and operators of extensions are named
/// without a schema and found there by the application.
fn search_path(named: &[String], own: &[String]) -> String {
    let mut path = vec!["pg_catalog"];
    for schema in named.iter().chain(own) {
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

impl Connection {
    /// Runs statements that give nothing back.
    pub(super) async fn run(&self, what: &str, sql: &str) -> Result<()> {
        self.client.batch_execute(sql).await.map_err(|error| self.failed(what, &error))
    }

    /// The one number that a query gives.
    pub(super) async fn number(&self, what: &str, sql: &str) -> Result<u64> {
        let row = self.client.query_one(sql, &[]).await.map_err(|error| self.failed(what, &error))?;
        let number: i64 = row.try_get(0).map_err(|error| failed(what, &error))?;
        Ok(u64::try_from(number).unwrap_or(0))
    }

    /// An error while doing `what`: where the connection has ended, what the server said last.
    fn failed(&self, what: &str, error: &tokio_postgres::Error) -> Error {
        let last = self.farewell.get().filter(|_| error.is_closed());
        let error = last.unwrap_or(error);
        match error.as_db_error().and_then(|refusal| event_trigger(refusal, &self.event_triggers)) {
            Some((trigger, function)) => failed(what, error).context(format!(
                "event trigger `{trigger}` (function `{function}`) refused a statement that alters a table; run \
                 `ALTER EVENT TRIGGER {} DISABLE` for the time of the restore",
                quoted(trigger)
            )),
            None => failed(what, error),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The socket closes at once, whatever the server is still sending.
        self.task.abort();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Location").field("address", &self.address).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tls::connector;
    use super::*;

    #[test]
    fn a_server_that_is_too_old_is_refused_by_its_version() {
        let address = Address::parse("postgres://ann:s3cret@db.example.org/shop").expect("an address");
        let tls = connector(&address).expect("no certificates");
        let location = Location { address, tls, connections: 1, schemas: Vec::new() };
        let error = location.require_known(140_019).expect_err("too old");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(
            error.to_string(),
            "PostgreSQL at db.example.org:5432/shop is of version 14, and nothing older than 15 is backed up or restored here; \
             upgrade it, or use the `pg_dump` of its version"
        );
        for version in [150_000, 160_009, 170_010, 180_004] {
            location.require_known(version).expect("known");
        }
    }

    #[test]
    fn the_schemas_of_the_role_stay_behind_those_that_are_named() {
        let path = |named: &[&str], own: &[&str]| {
            let strings = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
            search_path(&strings(named), &strings(own))
        };
        assert_eq!(path(&[], &["public"]), "\"pg_catalog\", \"public\", \"pg_temp\"");
        assert_eq!(
            path(&["sales", "public"], &["ann", "public", "pg_catalog"]),
            "\"pg_catalog\", \"sales\", \"public\", \"ann\", \"pg_temp\""
        );
    }
}
