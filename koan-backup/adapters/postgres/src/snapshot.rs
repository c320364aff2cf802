//! One consistent view of the database, shared by several connections.

mod condition;
mod copy;
mod cursor;
mod duplicates;
mod events;
mod joined;
mod json_null;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use koan_backup_core::{
    Error, ErrorKind, Result, SetName,
    entity::EntityCodec,
    event_store::EventReader,
    provider::{Consistency, ReadRequest, ReadSummary, RecordSink, Snapshot},
};

use super::catalog::{Catalog, Table};
use super::connection::{Connection, Location};
use super::error::failed;
use super::event_store::tables::StoreTables;
use super::mapping::{self, find_table, named_sets};
use koan_backup_sql::event_tables::EventTables;

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";

/// A transaction that holds the snapshot, and the connections that read in the snapshot.
#[derive(Debug)]
pub(super) struct PostgresSnapshot {
    location: Location,
    /// The connection that exports the snapshot. It reads tables only if the server does not allow the
    /// export.
    holder: Arc<tokio::sync::Mutex<Connection>>,
    /// The identifier of the exported snapshot.
    exported: Option<String>,
    /// Idle connections that have joined the snapshot.
    idle: Mutex<Vec<Connection>>,
    catalog: Arc<Catalog>,
    /// The tables of the event store, if the provider has one.
    events: Option<StoreTables>,
}

impl PostgresSnapshot {
    /// Locks the tables and creates the snapshot.
    pub(super) async fn open(location: Location, events: Option<&Arc<EventTables>>) -> Result<Self> {
        let holder = location.connect().await?;
        let mut catalog = lock_tables(&holder).await?;
        let exported = export(&holder).await?;
        if exported.is_none() {
            // The error has aborted the transaction.
            holder.run("beginning a read transaction", "ROLLBACK").await?;
            catalog = lock_tables(&holder).await?;
        }
        let events = events.map(|settings| StoreTables::find(&catalog, settings)).transpose()?;
        Ok(Self {
            location,
            holder: Arc::new(tokio::sync::Mutex::new(holder)),
            exported,
            idle: Mutex::new(Vec::new()),
            catalog: Arc::new(catalog),
            events,
        })
    }

    /// Returns an error if the tables may have been altered while they were read. The locks end with the
    /// connection that holds them, and a standby may terminate that connection.
    async fn require_locks(&self) -> Result<()> {
        let holder = self.holder.lock().await;
        holder.run("keeping the tables locked while they are read", "SELECT").await
    }

    /// Returns a connection that has joined the snapshot.
    async fn reader(&self, snapshot: &str) -> Result<Connection> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(connection) = idle {
            return Ok(connection);
        }
        let connection = self.location.connect().await?;
        // The identifier comes from the server and contains only digits and hyphens.
        let begin = format!("{BEGIN}; SET TRANSACTION SNAPSHOT '{}'", snapshot.replace('\'', ""));
        connection.run("joining the snapshot", &begin).await?;
        Ok(connection)
    }
}

/// Begins a transaction, locks all tables against being altered, and reads the catalog in its snapshot.
///
/// Some ALTER statements and TRUNCATE are visible in an existing snapshot, so the lock is acquired first. The
/// snapshot begins with the first query after LOCK TABLE.
async fn lock_tables(holder: &Connection) -> Result<Catalog> {
    let before = Catalog::read(holder).await?;
    holder.run("beginning a read transaction", BEGIN).await?;
    let readable: Vec<String> = before
        .tables
        .iter()
        .filter(|table| table.is_table() && table.is_readable && !table.is_partition)
        .map(Table::rows)
        .collect();
    if !readable.is_empty() {
        let lock = format!("LOCK TABLE {} IN ACCESS SHARE MODE", readable.join(", "));
        holder.run("locking the tables against being altered", &lock).await?;
    }
    Catalog::read(holder).await
}

/// Exports the snapshot, and returns the identifier with which other connections join it. Returns `None` if
/// the server does not allow the export.
async fn export(holder: &Connection) -> Result<Option<String>> {
    match holder.client.query_one("SELECT pg_catalog.pg_export_snapshot()", &[]).await {
        Ok(row) => row.try_get(0).map(Some).map_err(|error| failed("exporting the snapshot", &error)),
        Err(error) if error.as_db_error().is_some() => Ok(None),
        Err(error) => Err(failed("exporting the snapshot", &error)),
    }
}

#[async_trait]
impl Snapshot for PostgresSnapshot {
    fn consistency(&self) -> Consistency {
        Consistency::Snapshot
    }

    fn events(&self) -> Option<&dyn EventReader> {
        self.events.is_some().then_some(self)
    }

    fn concurrent_reads(&self) -> usize {
        if self.exported.is_some() { self.location.connections } else { 1 }
    }

    async fn sets(&self, entity: &EntityCodec) -> Result<Vec<SetName>> {
        let root = find_table(&self.catalog, entity)?;
        let mut sets = vec![SetName::root()];
        sets.extend(named_sets(&self.catalog, root).into_iter().map(|(set, _)| set));
        Ok(sets)
    }

    async fn read(&self, request: ReadRequest, sink: RecordSink) -> Result<ReadSummary> {
        let mapping = mapping::find(&self.catalog, &request.entity, &request.set)?;
        mapping.check(&request.entity)?;
        if let Some(reason) = mapping::unreadable(&mapping) {
            return Err(Error::new(
                ErrorKind::Provider,
                format!("{} cannot be read: {reason}", request.entity.name()),
            ));
        }
        match &self.exported {
            Some(snapshot) => {
                let connection = self.reader(snapshot).await?;
                let summary = cursor::read(&connection, &request, mapping, sink).await?;
                self.require_locks().await?;
                // A connection whose read failed or was cancelled is dropped, which ends its query.
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
                Ok(summary)
            }
            None => {
                let holder = self.holder.lock().await;
                cursor::read(&holder, &request, mapping, sink).await
            }
        }
    }

    async fn count(&self, entity: &EntityCodec, set: &SetName) -> Result<u64> {
        let mapping = mapping::find(&self.catalog, entity, set)?;
        let query = format!("SELECT pg_catalog.count(*) FROM {}", mapping.table.rows());
        self.holder
            .lock()
            .await
            .number(&format!("counting the rows of table `{}`", mapping.table.display_name), &query)
            .await
    }
}
