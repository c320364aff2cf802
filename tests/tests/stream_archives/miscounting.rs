//! A store that writes everything and reports one record less.

use async_trait::async_trait;
use koan_backup::MemoryEvents;
use koan_backup::Result;
use koan_backup::event_store::{
    EventKey, EventReader, EventStore, EventStoreCapabilities, EventStoreSession, EventWriter, RemovedObject,
    SnapshotKey, StreamDocument, StreamEvent, StreamHeads, StreamSnapshot,
};
use koan_backup::provider::{Consistency, SessionIntent};

/// The method whose number is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Miscounted {
    Append,
    AddSnapshots,
    RemoveSnapshots,
}

/// The store.
#[derive(Debug)]
pub(super) struct MiscountingStore(pub(super) MemoryEvents, pub(super) Miscounted);

#[async_trait]
impl EventStore for MiscountingStore {
    fn kind(&self) -> &'static str {
        "miscounting"
    }
    fn capabilities(&self) -> EventStoreCapabilities {
        self.0.capabilities()
    }
    fn consistency(&self) -> Consistency {
        self.0.consistency()
    }
    async fn reader(&self) -> Result<Box<dyn EventReader>> {
        self.0.reader().await
    }
    async fn begin_restore(&self, intent: SessionIntent) -> Result<Box<dyn EventStoreSession>> {
        Ok(Box::new(Session(self.0.begin_restore(intent).await?, self.1)))
    }
}

#[derive(Debug)]
struct Session(Box<dyn EventStoreSession>, Miscounted);

#[async_trait]
impl EventStoreSession for Session {
    fn writer(&mut self) -> &mut dyn EventWriter {
        self
    }
    async fn commit(self: Box<Self>) -> Result<()> {
        self.0.commit().await
    }
    async fn rollback(self: Box<Self>) -> Result<()> {
        self.0.rollback().await
    }
}

impl Session {
    fn reported(&self, method: Miscounted, number: u64) -> u64 {
        if self.1 == method { number.saturating_sub(1) } else { number }
    }
}

#[async_trait]
impl EventWriter for Session {
    async fn is_empty(&mut self, object: &str) -> Result<bool> {
        self.0.writer().is_empty(object).await
    }
    async fn object_ids(&mut self, object: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        self.0.writer().object_ids(object, after, limit).await
    }
    async fn heads(&mut self, object: &str, ids: &[String]) -> Result<Vec<StreamHeads>> {
        self.0.writer().heads(object, ids).await
    }
    async fn events_at(&mut self, object: &str, keys: &[EventKey]) -> Result<Vec<StreamEvent>> {
        self.0.writer().events_at(object, keys).await
    }
    async fn documents_of(&mut self, object: &str, ids: &[String]) -> Result<Vec<StreamDocument>> {
        self.0.writer().documents_of(object, ids).await
    }
    async fn snapshot_keys(&mut self, object: &str, ids: &[String]) -> Result<Vec<SnapshotKey>> {
        self.0.writer().snapshot_keys(object, ids).await
    }
    async fn snapshots_at(&mut self, object: &str, keys: &[SnapshotKey]) -> Result<Vec<StreamSnapshot>> {
        self.0.writer().snapshots_at(object, keys).await
    }
    async fn append(&mut self, object: &str, events: Vec<StreamEvent>) -> Result<u64> {
        let added = self.0.writer().append(object, events).await?;
        Ok(self.reported(Miscounted::Append, added))
    }
    async fn truncate(&mut self, object: &str, id: &str, stream: &str, from: u64) -> Result<u64> {
        self.0.writer().truncate(object, id, stream, from).await
    }
    async fn remove(&mut self, object: &str, id: &str) -> Result<RemovedObject> {
        self.0.writer().remove(object, id).await
    }
    async fn put_document(&mut self, object: &str, document: StreamDocument) -> Result<()> {
        self.0.writer().put_document(object, document).await
    }
    async fn remove_document(&mut self, object: &str, id: &str) -> Result<bool> {
        self.0.writer().remove_document(object, id).await
    }
    async fn add_snapshots(&mut self, object: &str, snapshots: Vec<StreamSnapshot>) -> Result<u64> {
        let added = self.0.writer().add_snapshots(object, snapshots).await?;
        Ok(self.reported(Miscounted::AddSnapshots, added))
    }
    async fn remove_snapshots(&mut self, object: &str, keys: &[SnapshotKey]) -> Result<u64> {
        let removed = self.0.writer().remove_snapshots(object, keys).await?;
        Ok(self.reported(Miscounted::RemoveSnapshots, removed))
    }
}
