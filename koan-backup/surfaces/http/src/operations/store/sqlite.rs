//! The store of operations in a file of SQLite, which the processes of one machine share.

mod connection;
mod failure;
mod page;
mod records;
mod schema;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use koan_backup_core::{Result, provider};
use rusqlite::Connection;
use tokio::sync::Mutex;

use self::failure::{CallError, failed};
use super::{
    Claim, Created, Finished, Held, LeaseSighting, OperationEnd, OperationPage, OperationQuery,
    OperationStore, Renewal,
};
use crate::operations::identifier::{OperationId, OwnerId};
use crate::operations::limits::HistoryLimits;
use crate::operations::operation::{Cancellation, Operation, OperationStatus};
use crate::operations::request::RepetitionKey;

/// The name of the file in the state directory.
const FILE_NAME: &str = "operations.sqlite";

/// The store of operations in a file of SQLite.
///
/// The file is in WAL mode, so that lists are read while another process writes. Each write is durable when it returns.
///
/// A call waits for its connection before it uses a blocking thread, so that many calls do not occupy all of them.
#[derive(Clone, Debug)]
pub(crate) struct SqliteOperationStore {
    path: Arc<PathBuf>,
    /// Reads use a separate connection, so that they do not wait while a write waits for another process.
    reader: Arc<Mutex<Connection>>,
    writer: Arc<Mutex<Connection>>,
}

/// Which connection a call uses.
#[derive(Clone, Copy, Debug)]
enum Access {
    Read,
    Write,
}

impl SqliteOperationStore {
    /// Opens the file `operations.sqlite` in the state directory, and creates both if they do not exist.
    ///
    /// # Errors
    /// The file cannot be opened or written, is damaged or is another database
    /// ([`ErrorKind::Storage`](koan_backup_core::ErrorKind::Storage)), or was written by a newer version
    /// ([`ErrorKind::Incompatible`](koan_backup_core::ErrorKind::Incompatible)).
    pub(crate) async fn open(state_directory: &Path) -> Result<Self> {
        let path = state_directory.join(FILE_NAME);
        provider::blocking("opens the file of operations", move || {
            let writer = connection::open_writer(&path)?;
            let reader = connection::open_reader(&path)?;
            let (reader, writer) = (Arc::new(Mutex::new(reader)), Arc::new(Mutex::new(writer)));
            Ok(Self { path: Arc::new(path), reader, writer })
        })
        .await?
    }

    /// Runs `call` with a connection on a blocking thread. `what` is the call that failed, in the error.
    async fn call<T: Send + 'static>(
        &self,
        access: Access,
        what: &'static str,
        call: impl FnOnce(&mut Connection) -> Result<T, CallError> + Send + 'static,
    ) -> Result<T> {
        let path = Arc::clone(&self.path);
        let connection = match access {
            Access::Read => &self.reader,
            Access::Write => &self.writer,
        };
        let mut connection = Arc::clone(connection).lock_owned().await;
        provider::blocking("uses the file of operations", move || {
            call(&mut connection).map_err(|error| match error {
                CallError::Sqlite(error) => failed(&path, what, error),
                CallError::Record(error) => error.context(format!("{what} in `{}` failed", path.display())),
            })
        })
        .await?
    }

    #[cfg(test)]
    pub(in crate::operations) async fn execute(&self, sql: &'static str) -> Result<()> {
        self.call(Access::Write, "a test", move |connection| Ok(connection.execute_batch(sql)?)).await
    }
}

#[async_trait]
impl OperationStore for SqliteOperationStore {
    async fn create(
        &self,
        operation: &Operation,
        lease_time: Duration,
        repetition: Option<&RepetitionKey>,
    ) -> Result<Created> {
        let (operation, repetition) = (operation.clone(), repetition.cloned());
        self.call(Access::Write, "recording an operation", move |connection| {
            records::create(connection, &operation, lease_time, repetition.as_ref())
        })
        .await
    }

    async fn find_repeated(&self, repetition: &RepetitionKey) -> Result<Option<Created>> {
        let repetition = repetition.clone();
        self.call(Access::Read, "reading an operation", move |connection| {
            records::find_repeated(connection, &repetition)
        })
        .await
    }

    async fn start(
        &self,
        id: OperationId,
        owner: OwnerId,
        at: Timestamp,
        sequence: u64,
    ) -> Result<OperationStatus> {
        self.call(Access::Write, "recording the start of an operation", move |connection| {
            records::start(connection, id, owner, at, sequence)
        })
        .await
    }

    async fn renew(&self, owner: OwnerId, renewals: Vec<Renewal>) -> Result<()> {
        self.call(Access::Write, "renewing the leases of operations", move |connection| {
            records::renew(connection, owner, &renewals)
        })
        .await
    }

    async fn held(&self, owner: OwnerId) -> Result<Vec<Held>> {
        self.call(Access::Read, "reading operations", move |connection| records::held(connection, owner))
            .await
    }

    async fn request_cancellation(
        &self,
        id: OperationId,
        cancellation: &Cancellation,
    ) -> Result<Option<Operation>> {
        let cancellation = cancellation.clone();
        self.call(Access::Write, "recording a cancellation", move |connection| {
            records::request_cancellation(connection, id, &cancellation)
        })
        .await
    }

    async fn finish(&self, id: OperationId, claim: Claim, end: &OperationEnd) -> Result<Finished> {
        let end = end.clone();
        self.call(Access::Write, "recording the end of an operation", move |connection| {
            records::finish(connection, id, claim, &end)
        })
        .await
    }

    async fn get(&self, id: OperationId) -> Result<Option<Operation>> {
        self.call(Access::Read, "reading an operation", move |connection| records::get(connection, id)).await
    }

    async fn list(&self, query: &OperationQuery) -> Result<OperationPage> {
        let query = query.clone();
        self.call(Access::Read, "listing operations", move |connection| page::list(connection, &query)).await
    }

    async fn leases(&self) -> Result<Vec<LeaseSighting>> {
        self.call(Access::Read, "reading the leases of operations", |connection| records::leases(connection))
            .await
    }

    async fn purge(&self, history: &HistoryLimits, now: Timestamp) -> Result<u64> {
        let history = history.clone();
        self.call(Access::Write, "removing old operations", move |connection| {
            page::purge(connection, &history, now)
        })
        .await
    }
}
