//! The writer of the event store, which writes in the transaction of the session.

use std::sync::Arc;

use async_trait::async_trait;
use koan_backup_core::{
    Error, ErrorKind, Result,
    entity::stream::{StreamDocument, StreamEvent, StreamSnapshot},
    event_store::{EventKey, EventWriter, PositionedEvent, RemovedObject, SnapshotKey, StreamHeads},
};

use super::super::event_store::EventWriting;
use super::SqliteSession;

impl SqliteSession {
    /// Runs a job that only reads the event store.
    async fn read_events<T: Send + 'static>(
        &mut self,
        job: impl FnOnce(EventWriting<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.events(move |work, names| {
            let tables = work.store_tables(&names)?;
            job(work.event_reading(&tables))
        })
        .await
    }

    /// Runs a job that writes the event store.
    async fn write_events<T: Send + 'static>(
        &mut self,
        job: impl FnOnce(EventWriting<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.events(move |work, names| {
            let tables = work.store_tables(&names)?;
            work.begin_events(&tables)?;
            job(work.event_reading(&tables))
        })
        .await
    }

    /// Runs a job. If it fails or is cancelled, the session can only be rolled back.
    async fn events<T: Send + 'static>(
        &mut self,
        job: impl FnOnce(&mut super::RestoreWork, Arc<koan_backup_sql::event_tables::EventTables>) -> Result<T>
        + Send
        + 'static,
    ) -> Result<T> {
        self.targets.begin()?;
        let names = self.event_tables.clone().ok_or_else(no_store)?;
        let result = self.call(move |work| job(work, names)).await?;
        self.targets.finish();
        Ok(result)
    }
}

#[async_trait]
impl EventWriter for SqliteSession {
    async fn is_empty(&mut self, object: &str) -> Result<bool> {
        let object = object.to_owned();
        self.read_events(move |store| store.is_empty(&object)).await
    }

    async fn object_ids(&mut self, object: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        let (object, after) = (object.to_owned(), after.map(str::to_owned));
        self.read_events(move |store| store.object_ids(&object, after.as_deref(), limit)).await
    }

    async fn heads(&mut self, object: &str, object_ids: &[String]) -> Result<Vec<StreamHeads>> {
        let (object, object_ids) = (object.to_owned(), object_ids.to_vec());
        self.read_events(move |store| store.heads(&object, &object_ids)).await
    }

    async fn events_at(&mut self, object: &str, keys: &[EventKey]) -> Result<Vec<StreamEvent>> {
        let (object, keys) = (object.to_owned(), keys.to_vec());
        self.read_events(move |store| store.events_at(&object, &keys)).await
    }

    async fn events_with_positions(&mut self, _: &str, positions: &[i64]) -> Result<Vec<PositionedEvent>> {
        let positions = positions.to_vec();
        self.read_events(move |store| store.events_with_positions(&positions)).await
    }

    async fn documents_of(&mut self, _: &str, _: &[String]) -> Result<Vec<StreamDocument>> {
        Ok(Vec::new())
    }

    async fn snapshot_keys(&mut self, object: &str, object_ids: &[String]) -> Result<Vec<SnapshotKey>> {
        let (object, object_ids) = (object.to_owned(), object_ids.to_vec());
        self.read_events(move |store| store.snapshot_keys(&object, &object_ids)).await
    }

    async fn snapshots_at(&mut self, object: &str, keys: &[SnapshotKey]) -> Result<Vec<StreamSnapshot>> {
        let (object, keys) = (object.to_owned(), keys.to_vec());
        self.read_events(move |store| store.snapshots_at(&object, &keys)).await
    }

    async fn append(&mut self, object: &str, events: Vec<StreamEvent>) -> Result<u64> {
        let object = object.to_owned();
        self.write_events(move |store| store.append(&object, &events)).await
    }

    async fn truncate(&mut self, object: &str, object_id: &str, stream_id: &str, from: u64) -> Result<u64> {
        let (object, object_id, stream_id) = (object.to_owned(), object_id.to_owned(), stream_id.to_owned());
        self.write_events(move |store| store.truncate(&object, &object_id, &stream_id, from)).await
    }

    async fn remove(&mut self, object: &str, object_id: &str) -> Result<RemovedObject> {
        let (object, object_id) = (object.to_owned(), object_id.to_owned());
        self.write_events(move |store| store.remove(&object, &object_id)).await
    }

    async fn put_document(&mut self, object: &str, document: StreamDocument) -> Result<()> {
        self.targets.begin()?;
        let text =
            format!("{object} `{}` has a document, but event tables have no documents", document.object_id);
        Err(Error::new(ErrorKind::Unsupported, text).with_help("restore it without the document"))
    }

    async fn remove_document(&mut self, _: &str, _: &str) -> Result<bool> {
        Ok(false)
    }

    async fn add_snapshots(&mut self, object: &str, snapshots: Vec<StreamSnapshot>) -> Result<u64> {
        let object = object.to_owned();
        self.write_events(move |store| store.add_snapshots(&object, &snapshots)).await
    }

    async fn remove_snapshots(&mut self, object: &str, keys: &[SnapshotKey]) -> Result<u64> {
        let (object, keys) = (object.to_owned(), keys.to_vec());
        self.write_events(move |store| store.remove_snapshots(&object, &keys)).await
    }
}

/// Returns the error of a session without an event store. The session has no writer then.
fn no_store() -> Error {
    Error::new(ErrorKind::Internal, "the writer of an event store was used, but the database has none")
}
