//! The session of a store that violates a requirement.

use async_trait::async_trait;
use koan_backup::Result;
use koan_backup::event_store::{
    EventKey, EventStore as _, EventStoreSession, EventWriter, JsonText, PositionedEvent, RemovedObject,
    SnapshotKey, StreamDocument, StreamEvent, StreamHeads, StreamSnapshot,
};
use koan_backup::provider::SessionIntent;

use super::{LyingStore, Violation};

#[derive(Debug)]
pub(super) struct LyingSession {
    store: LyingStore,
    memory: Option<Box<dyn EventStoreSession>>,
}

impl LyingSession {
    pub(super) fn new(store: LyingStore, memory: Box<dyn EventStoreSession>) -> Self {
        Self { store, memory: Some(memory) }
    }

    fn memory(&mut self) -> &mut dyn EventWriter {
        self.memory.as_mut().expect("the session was neither committed nor rolled back").writer()
    }

    fn take(&mut self) -> Box<dyn EventStoreSession> {
        self.memory.take().expect("the session was neither committed nor rolled back")
    }
}

#[async_trait]
impl EventStoreSession for LyingSession {
    fn writer(&mut self) -> &mut dyn EventWriter {
        self
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
        let committed = self.take().commit().await;
        if self.store.violation == Violation::ReportsFailedCommits { Ok(()) } else { committed }
    }

    async fn rollback(mut self: Box<Self>) -> Result<()> {
        let memory = self.take();
        if self.store.violation == Violation::CommitsRollbacks {
            memory.commit().await
        } else {
            memory.rollback().await
        }
    }
}

#[async_trait]
impl EventWriter for LyingSession {
    async fn is_empty(&mut self, object: &str) -> Result<bool> {
        self.memory().is_empty(object).await
    }

    async fn object_ids(&mut self, object: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        self.memory().object_ids(object, after, limit).await
    }

    async fn heads(&mut self, object: &str, object_ids: &[String]) -> Result<Vec<StreamHeads>> {
        if self.store.violation == Violation::ReadsNoOwnChanges {
            let mut committed = self.store.memory.begin_restore(SessionIntent::Compare).await?;
            return committed.writer().heads(object, object_ids).await;
        }
        self.memory().heads(object, object_ids).await
    }

    async fn events_at(&mut self, object: &str, keys: &[EventKey]) -> Result<Vec<StreamEvent>> {
        self.memory().events_at(object, keys).await
    }

    async fn events_with_positions(
        &mut self,
        object: &str,
        positions: &[i64],
    ) -> Result<Vec<PositionedEvent>> {
        let mut found = self.memory().events_with_positions(object, positions).await?;
        if self.store.violation == Violation::FindsPositionsOfOneObject {
            found.retain(|event| event.object == object);
        }
        Ok(found)
    }

    async fn documents_of(&mut self, object: &str, object_ids: &[String]) -> Result<Vec<StreamDocument>> {
        self.memory().documents_of(object, object_ids).await
    }

    async fn snapshot_keys(&mut self, object: &str, object_ids: &[String]) -> Result<Vec<SnapshotKey>> {
        self.memory().snapshot_keys(object, object_ids).await
    }

    async fn snapshots_at(&mut self, object: &str, keys: &[SnapshotKey]) -> Result<Vec<StreamSnapshot>> {
        self.memory().snapshots_at(object, keys).await
    }

    async fn append(&mut self, object: &str, mut events: Vec<StreamEvent>) -> Result<u64> {
        for event in &mut events {
            match self.store.violation {
                Violation::LosesMetadata => event.metadata = None,
                Violation::LosesTimestamps => event.timestamp = None,
                Violation::CompactsPayloads => {
                    event.payload = JsonText::compacted(event.payload.stored_text()).expect("it is JSON");
                }
                Violation::ReassignsPositions => event.position = None,
                Violation::FillsGaps => {
                    let heads = self.memory().heads(object, std::slice::from_ref(&event.object_id)).await?;
                    let last = heads.first().and_then(|heads| heads.streams.first()).map(|head| head.version);
                    event.version = last.map_or(0, |last| last + 1);
                }
                _ => {}
            }
        }
        let appended = self.memory().append(object, events).await?;
        if self.store.violation == Violation::CommitsEarly {
            self.take().commit().await?;
            self.memory = Some(self.store.memory.begin_restore(SessionIntent::Apply).await?);
        }
        Ok(appended)
    }

    async fn truncate(&mut self, object: &str, object_id: &str, stream_id: &str, from: u64) -> Result<u64> {
        if self.store.violation == Violation::NeverTruncates {
            return Ok(0);
        }
        self.memory().truncate(object, object_id, stream_id, from).await
    }

    async fn remove(&mut self, object: &str, object_id: &str) -> Result<RemovedObject> {
        let removed = self.memory().remove(object, object_id).await?;
        match (self.store.violation, object_id.strip_suffix('%')) {
            (Violation::CountsNoRemovals, _) => Ok(RemovedObject::default()),
            (Violation::RemovesByPattern, Some(prefix)) => {
                for id in self.memory().object_ids(object, None, usize::MAX).await? {
                    if id.starts_with(prefix) {
                        self.memory().remove(object, &id).await?;
                    }
                }
                Ok(removed)
            }
            _ => Ok(removed),
        }
    }

    async fn put_document(&mut self, object: &str, mut document: StreamDocument) -> Result<()> {
        if self.store.violation == Violation::LosesAttributes {
            document.attributes.clear();
        }
        self.memory().put_document(object, document).await
    }

    async fn remove_document(&mut self, object: &str, object_id: &str) -> Result<bool> {
        self.memory().remove_document(object, object_id).await
    }

    async fn add_snapshots(&mut self, object: &str, snapshots: Vec<StreamSnapshot>) -> Result<u64> {
        self.memory().add_snapshots(object, snapshots).await
    }

    async fn remove_snapshots(&mut self, object: &str, keys: &[SnapshotKey]) -> Result<u64> {
        self.memory().remove_snapshots(object, keys).await
    }
}
