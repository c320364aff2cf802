//! Writes the event store in the transaction of a restore.

use async_trait::async_trait;
use koan_backup_core::event_store::{
    EventKey, EventWriter, PositionedEvent, RemovedObject, SnapshotKey, StreamDocument, StreamEvent,
    StreamHeads, StreamSnapshot,
};
use koan_backup_core::{Error, ErrorKind, Result};

use super::super::connection::Connection;
use super::super::event_store::tables::StoreTables;
use super::PostgresSession;

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

    async fn events_with_positions(&mut self, _: &str, positions: &[i64]) -> Result<Vec<PositionedEvent>> {
        let (connection, tables) = self.begin_step().await?;
        let events = tables.events_with_positions(connection, positions).await?;
        self.end_step(events)
    }

    async fn documents_of(&mut self, _: &str, _: &[String]) -> Result<Vec<StreamDocument>> {
        Ok(Vec::new())
    }

    async fn snapshot_keys(&mut self, object: &str, object_ids: &[String]) -> Result<Vec<SnapshotKey>> {
        let (connection, tables) = self.begin_step().await?;
        let keys = tables.snapshot_keys(connection, object, object_ids).await?;
        self.end_step(keys)
    }

    async fn snapshots_at(&mut self, object: &str, keys: &[SnapshotKey]) -> Result<Vec<StreamSnapshot>> {
        let (connection, tables) = self.begin_step().await?;
        let keys = keys.iter().filter(|key| key.stream_id == key.object_id);
        let keys: Vec<_> = keys.map(|key| (key.object_id.as_str(), key.version)).collect();
        let snapshots = tables.snapshots_at(connection, object, &keys).await?;
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
