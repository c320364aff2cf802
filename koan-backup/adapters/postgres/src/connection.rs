//! A connection, with the task that runs its protocol.

use std::fmt;
use std::sync::{Arc, OnceLock};

use koan_backup_core::{Error, Result};
use tokio::task::JoinHandle;
use tokio_postgres::Client;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::Address;
use super::error::{event_trigger, failed};
use koan_backup_sql::identifier::quoted;

/// The database, and how to connect to it.
#[derive(Clone)]
pub(super) struct Location {
    pub(super) address: Address,
    pub(super) tls: MakeRustlsConnect,
    /// The number of connections that read at the same time.
    pub(super) connections: usize,
    /// The schemas in which tables are searched; if empty, the schemas of the role's `search_path`.
    pub(super) schemas: Vec<String>,
}

/// An open connection. Dropping this value closes the connection, and the server rolls back uncommitted
/// changes.
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) task: JoinHandle<()>,
    /// The error that ended the connection, from the server or the network.
    pub(super) last_error: Arc<OnceLock<tokio_postgres::Error>>,
    /// The schemas in which names without a schema are searched, in this order.
    pub(super) schemas: Vec<String>,
    /// The event triggers that fire when tables are altered, each with its function.
    pub(super) event_triggers: Vec<(String, String)>,
    /// Whether `money` has two decimal places.
    pub(super) money_scale_is_two: bool,
}

impl Connection {
    /// Runs statements that return no rows.
    pub(super) async fn run(&self, operation: &str, sql: &str) -> Result<()> {
        self.client.batch_execute(sql).await.map_err(|error| self.failed(operation, &error))
    }

    /// Returns the number that a query returns.
    pub(super) async fn number(&self, operation: &str, sql: &str) -> Result<u64> {
        let row = self.client.query_one(sql, &[]).await.map_err(|error| self.failed(operation, &error))?;
        let number: i64 = row.try_get(0).map_err(|error| failed(operation, &error))?;
        Ok(u64::try_from(number).unwrap_or(0))
    }

    /// Converts an error during `operation`. If the connection has ended, the stored error is used.
    fn failed(&self, operation: &str, error: &tokio_postgres::Error) -> Error {
        let last = self.last_error.get().filter(|_| error.is_closed());
        let error = last.unwrap_or(error);
        match error.as_db_error().and_then(|refusal| event_trigger(refusal, &self.event_triggers)) {
            Some((trigger, function)) => failed(operation, error).context(format!(
                "event trigger `{trigger}` (function `{function}`) refused a statement that alters a table; \
                 run `ALTER EVENT TRIGGER {} DISABLE` before the restore, and enable it afterwards",
                quoted(trigger)
            )),
            None => failed(operation, error),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Aborting the task closes the socket immediately, even if the server is still sending.
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
