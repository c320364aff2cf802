//! One view of the database, shared by several connections.

mod condition;
mod copy;
mod cursor;
mod duplicates;
mod json_null;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use koan_backup_core::{
    Error, ErrorKind, Result, SetName,
    entity::EntityCodec,
    provider::{Consistency, ReadRequest, ReadSummary, RecordSink, Snapshot},
};

use super::catalog::{Catalog, Table};
use super::connection::{Connection, Location};
use super::error::failed;
use super::mapping::{Mapping, find_table, named_sets};

pub(super) use json_null::SeenNulls;

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";

/// A transaction that keeps the snapshot, and connections that read in it.
#[derive(Debug)]
pub(super) struct PostgresSnapshot {
    location: Location,
    /// Answers questions and exports the snapshot; reads only where a server does not let it be exported.
    keeper: Arc<tokio::sync::Mutex<Connection>>,
    /// The name of the snapshot.
    exported: Option<String>,
    /// Connections that have the snapshot and wait for work.
    idle: Mutex<Vec<Connection>>,
    catalog: Arc<Catalog>,
}

impl PostgresSnapshot {
    pub(super) async fn open(location: Location) -> Result<Self> {
        let keeper = location.connect().await?;
        let mut catalog = lock_tables(&keeper).await?;
        let exported = export(&keeper).await?;
        if exported.is_none() {
            // The refusal has ended the transaction.
            keeper.run("beginning to read", "ROLLBACK").await?;
            catalog = lock_tables(&keeper).await?;
        }
        Ok(Self {
            location,
            keeper: Arc::new(tokio::sync::Mutex::new(keeper)),
            exported,
            idle: Mutex::new(Vec::new()),
            catalog: Arc::new(catalog),
        })
    }

    /// Refuses what was read if the tables may have been altered meanwhile: their locks end with the keeper, and with a
    /// standby's patience.
    async fn require_locks(&self) -> Result<()> {
        let keeper = self.keeper.lock().await;
        keeper.run("keeping the tables from being altered while they are read", "SELECT").await
    }

    /// A connection that sees the snapshot.
    async fn reader(&self, snapshot: &str) -> Result<Connection> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(connection) = idle {
            return Ok(connection);
        }
        let connection = self.location.connect().await?;
        // The name comes from the server and holds digits and hyphens only.
        let begin = format!("{BEGIN}; SET TRANSACTION SNAPSHOT '{}'", snapshot.replace('\'', ""));
        connection.run("joining the snapshot", &begin).await?;
        Ok(connection)
    }
}

/// Begins a transaction, locks all tables against being altered, and reads their names and columns in its snapshot.
///
/// Some alterations and TRUNCATE show through a snapshot; a lock that is taken before it keeps them out. The snapshot
/// begins with the first query, which comes after the lock.
async fn lock_tables(keeper: &Connection) -> Result<Catalog> {
    let before = Catalog::read(keeper).await?;
    keeper.run("beginning to read", BEGIN).await?;
    let readable: Vec<String> = before
        .tables
        .iter()
        .filter(|table| table.is_table() && table.is_readable && !table.is_partition)
        .map(Table::rows)
        .collect();
    if !readable.is_empty() {
        let lock = format!("LOCK TABLE {} IN ACCESS SHARE MODE", readable.join(", "));
        keeper.run("locking the tables against being altered", &lock).await?;
    }
    Catalog::read(keeper).await
}

/// The name by which other connections see the snapshot; `None` where the server does not give one.
async fn export(keeper: &Connection) -> Result<Option<String>> {
    match keeper.client.query_one("SELECT pg_catalog.pg_export_snapshot()", &[]).await {
        Ok(row) => row.try_get(0).map(Some).map_err(|error| failed("sharing the snapshot", &error)),
        Err(error) if error.as_db_error().is_some() => Ok(None),
        Err(error) => Err(failed("sharing the snapshot", &error)),
    }
}

#[async_trait]
impl Snapshot for PostgresSnapshot {
    fn consistency(&self) -> Consistency {
        Consistency::Snapshot
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
        let mapping = Mapping::find(&self.catalog, &request.entity, &request.set)?;
        mapping.check(&request.entity)?;
        if let Some(why) = mapping.unreadable() {
            return Err(Error::new(
                ErrorKind::Provider,
                format!("{} cannot be read: {why}", request.entity.name()),
            ));
        }
        match &self.exported {
            Some(snapshot) => {
                let connection = self.reader(snapshot).await?;
                let summary = cursor::read(&connection, &request, mapping, sink).await?;
                self.require_locks().await?;
                // One whose read failed or was given up is dropped, which ends what it was doing.
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
                Ok(summary)
            }
            None => {
                let keeper = self.keeper.lock().await;
                cursor::read(&keeper, &request, mapping, sink).await
            }
        }
    }

    async fn count(&self, entity: &EntityCodec, set: &SetName) -> Result<u64> {
        let mapping = Mapping::find(&self.catalog, entity, set)?;
        let query = format!("SELECT pg_catalog.count(*) FROM {}", mapping.table.rows());
        self.keeper
            .lock()
            .await
            .number(&format!("counting the rows of table `{}`", mapping.table.shown), &query)
            .await
    }
}
