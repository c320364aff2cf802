//! Writes the event store in the transaction of a restore.

use std::sync::Arc;

use async_trait::async_trait;
use koan_backup_core::event_store::{
    EventKey, EventWriter, RemovedObject, SnapshotKey, StreamDocument, StreamEvent, StreamHeads,
    StreamSnapshot,
};
use koan_backup_core::{Error, ErrorKind, Result, provider::SessionIntent};
use koan_backup_sql::event_tables::EventTables;
use koan_backup_sql::identifier::{listed, quoted};

use super::super::catalog::{Catalog, Table};
use super::super::connection::Connection;
use super::super::error::failed;
use super::super::event_store::tables::StoreTables;
use super::PostgresSession;
use super::suspended::Suspended;
use super::table_lock::{Locked, lock_table};
use super::triggers::TRIGGERS;

/// The event store of a restore.
#[derive(Debug)]
pub(super) struct EventSession {
    settings: Arc<EventTables>,
    /// The tables, which are found and locked before the first access.
    tables: Option<StoreTables>,
    has_written: bool,
}

impl EventSession {
    pub(super) fn new(settings: Arc<EventTables>) -> Self {
        Self { settings, tables: None, has_written: false }
    }

    /// Returns the tables that were written.
    pub(super) fn written_tables(&self) -> impl Iterator<Item = &Table> {
        let tables = self.tables.as_ref().filter(|_| self.has_written);
        tables.into_iter().flat_map(StoreTables::keys).map(|keys| &keys.table)
    }

    /// Finds the tables. If the session writes, the tables are locked against other writers until the commit, and their
    /// triggers and rules are disabled.
    async fn prepare(
        &mut self,
        connection: &Connection,
        catalog: &Catalog,
        suspended: &mut Suspended,
        intent: SessionIntent,
    ) -> Result<&StoreTables> {
        let tables = match self.tables.take() {
            Some(tables) => tables,
            None => {
                let tables = StoreTables::find(catalog, &self.settings)?;
                let is_applied = intent == SessionIntent::Apply;
                for table in tables.keys().map(|keys| &keys.table).filter(|_| is_applied) {
                    prepare_table(connection, table, suspended).await?;
                }
                tables
            }
        };
        Ok(self.tables.insert(tables))
    }
}

/// Locks a table against other writers, and disables its triggers and rules.
async fn prepare_table(connection: &Connection, table: &Table, suspended: &mut Suspended) -> Result<()> {
    let operation = format!("preparing event table `{}`", table.display_name);
    if lock_table(connection, table, &operation).await? == Locked::No {
        return Err(Error::new(
            ErrorKind::Provider,
            format!(
                "the role is not permitted to lock event table `{}`, so other sessions could append events during the \
                 restore",
                table.display_name
            ),
        )
        .with_help(format!("run `GRANT INSERT, UPDATE, DELETE ON {} TO` the role", table.quoted())));
    }
    let rows =
        connection.client.query(TRIGGERS, &[&table.oid]).await.map_err(|error| failed(&operation, &error))?;
    let mut firing = Vec::new();
    for row in &rows {
        let read = || Ok::<_, tokio_postgres::Error>((row.try_get(2)?, row.try_get(3)?, row.try_get(4)?));
        let (name, state, is_owned): (String, String, bool) =
            read().map_err(|error| failed(&operation, &error))?;
        // A trigger that fires only for replicated changes does not fire in this session.
        if !(table.is_owned && is_owned) && state != "R" {
            firing.push(name);
        }
    }
    if !firing.is_empty() {
        let first = firing.first().map(|name| quoted(name)).unwrap_or_default();
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "triggers {} of event table `{}` would fire for the restored events, and only the owner of the table can \
                 disable them",
                listed(firing.iter().map(String::as_str)),
                table.display_name
            ),
        )
        .with_help(format!(
            "restore as the owner, or have the owner run `ALTER TABLE {} DISABLE TRIGGER {first}` before the restore, and \
             enable it afterwards",
            table.quoted()
        )));
    }
    suspended.suspend_triggers_and_rules(connection, table, &operation).await
}

impl PostgresSession {
    /// Begins one step of the event store. A step that does not [end](Self::end_step) prevents the commit.
    async fn begin_step(&mut self) -> Result<(&Connection, &StoreTables)> {
        self.targets.begin()?;
        let Some(events) = &mut self.events else {
            return Err(Error::new(ErrorKind::Internal, "a provider without an event store was written"));
        };
        let tables =
            events.prepare(&self.connection, &self.catalog, &mut self.suspended, self.options.intent).await?;
        Ok((&self.connection, tables))
    }

    /// Ends a step that read.
    fn end_step<T>(&mut self, value: T) -> Result<T> {
        self.targets.finish();
        Ok(value)
    }

    /// Ends a step that wrote.
    fn end_write<T>(&mut self, value: T) -> Result<T> {
        if let Some(events) = &mut self.events {
            events.has_written = true;
        }
        self.end_step(value)
    }
}

#[async_trait]
impl EventWriter for PostgresSession {
    async fn is_empty(&mut self, object: &str) -> Result<bool> {
        let (connection, tables) = self.begin_step().await?;
        let is_empty = tables.is_empty(connection, object).await?;
        self.end_step(is_empty)
    }

    async fn object_ids(&mut self, object: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        let (connection, tables) = self.begin_step().await?;
        let ids = tables.object_ids(connection, object, after, limit).await?;
        self.end_step(ids)
    }

    async fn heads(&mut self, object: &str, object_ids: &[String]) -> Result<Vec<StreamHeads>> {
        let (connection, tables) = self.begin_step().await?;
        let heads = tables.heads(connection, object, object_ids).await?;
        self.end_step(heads)
    }

    async fn events_at(&mut self, object: &str, keys: &[EventKey]) -> Result<Vec<StreamEvent>> {
        let (connection, tables) = self.begin_step().await?;
        let keys = keys.iter().filter(|key| key.stream_id == key.object_id);
        let keys: Vec<_> = keys.map(|key| (key.object_id.as_str(), key.version)).collect();
        let events = tables.events_at(connection, object, &keys).await?;
        self.end_step(events)
    }

    async fn documents_of(&mut self, _: &str, _: &[String]) -> Result<Vec<StreamDocument>> {
        Ok(Vec::new())
    }

    async fn snapshots_of(&mut self, object: &str, object_ids: &[String]) -> Result<Vec<StreamSnapshot>> {
        let (connection, tables) = self.begin_step().await?;
        let snapshots = tables.snapshots_of(connection, object, object_ids).await?;
        self.end_step(snapshots)
    }

    async fn append(&mut self, object: &str, events: Vec<StreamEvent>) -> Result<u64> {
        let (connection, tables) = self.begin_step().await?;
        let added = tables.append(connection, object, &events).await?;
        self.end_write(added)
    }

    async fn truncate(&mut self, object: &str, object_id: &str, stream_id: &str, from: u64) -> Result<u64> {
        let (connection, tables) = self.begin_step().await?;
        let removed = match stream_id == object_id {
            true => tables.truncate(connection, object, object_id, from).await?,
            false => 0,
        };
        self.end_write(removed)
    }

    async fn remove(&mut self, object: &str, object_id: &str) -> Result<RemovedObject> {
        let (connection, tables) = self.begin_step().await?;
        let removed = tables.remove(connection, object, object_id).await?;
        self.end_write(removed)
    }

    async fn put_document(&mut self, object: &str, document: StreamDocument) -> Result<()> {
        self.targets.begin()?;
        Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "the event store has no documents, so it cannot store that of `{object}` `{}`",
                document.object_id
            ),
        )
        .with_help("restore without the document"))
    }

    async fn remove_document(&mut self, _: &str, _: &str) -> Result<bool> {
        Ok(false)
    }

    async fn add_snapshots(&mut self, object: &str, snapshots: Vec<StreamSnapshot>) -> Result<u64> {
        let (connection, tables) = self.begin_step().await?;
        let added = tables.add_snapshots(connection, object, &snapshots).await?;
        self.end_write(added)
    }

    async fn remove_snapshots(&mut self, object: &str, keys: &[SnapshotKey]) -> Result<u64> {
        let (connection, tables) = self.begin_step().await?;
        let keys = keys.iter().filter(|key| key.stream_id == key.object_id);
        let keys: Vec<_> = keys.map(|key| (key.object_id.as_str(), key.version)).collect();
        let removed = tables.remove_snapshots(connection, object, &keys).await?;
        self.end_write(removed)
    }
}
