//! Access to an event store whose errors may contain object ids that must not be shown.
//!
//! A store names the aggregate in its errors. The ids of an encrypted type are content, and errors become part of logs,
//! manifests and reports. This is the only place at which such errors enter the engine, so that no store has to know
//! which types are encrypted.

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use futures::stream::{StreamExt, TryStreamExt};

use super::{
    Batches, EventKey, EventReader, EventWriter, OpenedStreams, PositionedEvent, RemovedObject, SnapshotKey,
    StreamHeads,
};
use crate::entity::EntityCodec;
use crate::entity::stream::{StreamDocument, StreamEvent, StreamPart, StreamSnapshot};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::provider::{CommitReport, RestoreSession, RestoreTarget, TargetWriter};

/// Whether errors of the store may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreErrors {
    Shown,
    /// Only the kind and the code of an error are shown.
    Masked,
}

impl StoreErrors {
    /// Returns whether errors about the streams of this codec may be shown.
    pub(crate) fn of(codec: &EntityCodec) -> Self {
        if codec.shows_keys() { Self::Shown } else { Self::Masked }
    }

    /// Returns an error as it may be shown.
    pub(crate) fn mask(self, object: &str, error: Error) -> Error {
        if self == Self::Shown || error.kind() == ErrorKind::Cancelled {
            return error;
        }
        let text = format!(
            "the event store refused to read or write the streams of `{object}` ({:?}); its message is not shown, because it may \
             contain the id of an aggregate whose type is encrypted",
            error.kind()
        );
        let mut masked = Error::new(error.kind(), text)
            .with_help("examine the event store with the tools of its database");
        if let Some(code) = error.code() {
            masked = masked.with_code(code.to_owned());
        }
        if error.has_remaining_changes() { masked.with_remaining_changes() } else { masked }
    }
}

/// A reader whose errors are masked if they must not be shown.
#[derive(Debug)]
pub(crate) struct MaskedReader<'r> {
    reader: &'r dyn EventReader,
    errors: StoreErrors,
}

impl<'r> MaskedReader<'r> {
    pub(crate) fn new(reader: &'r dyn EventReader, errors: StoreErrors) -> Self {
        Self { reader, errors }
    }

    fn batches<'b, T: Send + 'b>(
        &self,
        object: &str,
        batches: Result<Batches<'b, T>>,
    ) -> Result<Batches<'b, T>> {
        let (errors, name) = (self.errors, object.to_owned());
        let batches = batches.map_err(|error| errors.mask(object, error))?;
        Ok(batches.map_err(move |error| errors.mask(&name, error)).boxed())
    }
}

#[async_trait]
impl EventReader for MaskedReader<'_> {
    async fn object_names(&self) -> Result<Vec<String>> {
        self.reader.object_names().await
    }

    async fn object_ids(&self, object: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        let ids = self.reader.object_ids(object, after, limit).await;
        ids.map_err(|error| self.errors.mask(object, error))
    }

    async fn open(&self, object: &str, object_id: &str) -> Result<Option<OpenedStreams>> {
        let opened = self.reader.open(object, object_id).await;
        opened.map_err(|error| self.errors.mask(object, error))
    }

    async fn events(&self, opened: &OpenedStreams, stream_id: &str) -> Result<Batches<'_, StreamEvent>> {
        self.batches(&opened.object, self.reader.events(opened, stream_id).await)
    }

    async fn snapshots(&self, opened: &OpenedStreams) -> Result<Batches<'_, StreamSnapshot>> {
        self.batches(&opened.object, self.reader.snapshots(opened).await)
    }

    async fn all_events(&self, object: &str) -> Result<Batches<'_, StreamEvent>> {
        self.batches(object, self.reader.all_events(object).await)
    }

    async fn all_documents(&self, object: &str) -> Result<Batches<'_, StreamDocument>> {
        self.batches(object, self.reader.all_documents(object).await)
    }

    async fn all_snapshots(&self, object: &str) -> Result<Batches<'_, StreamSnapshot>> {
        self.batches(object, self.reader.all_snapshots(object).await)
    }

    async fn count(&self, object: &str, part: StreamPart) -> Result<u64> {
        self.reader.count(object, part).await.map_err(|error| self.errors.mask(object, error))
    }
}

/// A writer whose errors are masked if they must not be shown.
#[derive(Debug)]
pub(crate) struct MaskedWriter<'w> {
    writer: &'w mut dyn EventWriter,
    errors: StoreErrors,
}

impl<'w> MaskedWriter<'w> {
    pub(crate) fn new(writer: &'w mut dyn EventWriter, errors: StoreErrors) -> Self {
        Self { writer, errors }
    }

    /// Returns a writer whose errors are all masked, for access to the streams of other object names.
    pub(crate) fn masking_all(&mut self) -> MaskedWriter<'_> {
        MaskedWriter::new(self.writer, StoreErrors::Masked)
    }
}

/// A session of a store that contains only event streams, whose errors are masked.
#[derive(Debug)]
pub(crate) struct MaskedSession {
    session: Box<dyn RestoreSession>,
    object: String,
}

impl MaskedSession {
    /// Masks the errors of a session in which the streams of `object` are written.
    pub(crate) fn new(session: Box<dyn RestoreSession>, object: &str) -> Self {
        Self { session, object: object.to_owned() }
    }
}

#[async_trait]
impl RestoreSession for MaskedSession {
    async fn begin<'s>(&'s mut self, target: RestoreTarget) -> Result<Box<dyn TargetWriter + 's>> {
        self.session.begin(target).await
    }

    fn events(&mut self) -> Option<&mut dyn EventWriter> {
        self.session.events()
    }

    async fn check_constraints(&mut self) -> Result<()> {
        let checked = self.session.check_constraints().await;
        checked.map_err(|error| StoreErrors::Masked.mask(&self.object, error))
    }

    async fn commit(self: Box<Self>) -> Result<CommitReport> {
        let object = self.object;
        self.session.commit().await.map_err(|error| StoreErrors::Masked.mask(&object, error))
    }

    async fn rollback(self: Box<Self>) -> Result<()> {
        let object = self.object;
        self.session.rollback().await.map_err(|error| StoreErrors::Masked.mask(&object, error))
    }
}

#[async_trait]
impl EventWriter for MaskedWriter<'_> {
    async fn is_empty(&mut self, object: &str) -> Result<bool> {
        self.writer.is_empty(object).await.map_err(|error| self.errors.mask(object, error))
    }

    async fn object_ids(&mut self, object: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        let ids = self.writer.object_ids(object, after, limit).await;
        ids.map_err(|error| self.errors.mask(object, error))
    }

    async fn heads(&mut self, object: &str, object_ids: &[String]) -> Result<Vec<StreamHeads>> {
        self.writer.heads(object, object_ids).await.map_err(|error| self.errors.mask(object, error))
    }

    async fn events_at(&mut self, object: &str, keys: &[EventKey]) -> Result<Vec<StreamEvent>> {
        self.writer.events_at(object, keys).await.map_err(|error| self.errors.mask(object, error))
    }

    async fn events_with_positions(
        &mut self,
        object: &str,
        positions: &[i64],
    ) -> Result<Vec<PositionedEvent>> {
        let events = self.writer.events_with_positions(object, positions).await;
        events.map_err(|error| self.errors.mask(object, error))
    }

    async fn documents_of(&mut self, object: &str, object_ids: &[String]) -> Result<Vec<StreamDocument>> {
        let documents = self.writer.documents_of(object, object_ids).await;
        documents.map_err(|error| self.errors.mask(object, error))
    }

    async fn snapshot_keys(&mut self, object: &str, object_ids: &[String]) -> Result<Vec<SnapshotKey>> {
        let keys = self.writer.snapshot_keys(object, object_ids).await;
        keys.map_err(|error| self.errors.mask(object, error))
    }

    async fn snapshots_at(&mut self, object: &str, keys: &[SnapshotKey]) -> Result<Vec<StreamSnapshot>> {
        let snapshots = self.writer.snapshots_at(object, keys).await;
        snapshots.map_err(|error| self.errors.mask(object, error))
    }

    async fn append(&mut self, object: &str, events: Vec<StreamEvent>) -> Result<u64> {
        self.writer.append(object, events).await.map_err(|error| self.errors.mask(object, error))
    }

    async fn truncate(&mut self, object: &str, object_id: &str, stream_id: &str, from: u64) -> Result<u64> {
        let removed = self.writer.truncate(object, object_id, stream_id, from).await;
        removed.map_err(|error| self.errors.mask(object, error))
    }

    async fn remove(&mut self, object: &str, object_id: &str) -> Result<RemovedObject> {
        self.writer.remove(object, object_id).await.map_err(|error| self.errors.mask(object, error))
    }

    async fn put_document(&mut self, object: &str, document: StreamDocument) -> Result<()> {
        self.writer.put_document(object, document).await.map_err(|error| self.errors.mask(object, error))
    }

    async fn remove_document(&mut self, object: &str, object_id: &str) -> Result<bool> {
        self.writer.remove_document(object, object_id).await.map_err(|error| self.errors.mask(object, error))
    }

    async fn add_snapshots(&mut self, object: &str, snapshots: Vec<StreamSnapshot>) -> Result<u64> {
        self.writer.add_snapshots(object, snapshots).await.map_err(|error| self.errors.mask(object, error))
    }

    async fn remove_snapshots(&mut self, object: &str, keys: &[SnapshotKey]) -> Result<u64> {
        self.writer.remove_snapshots(object, keys).await.map_err(|error| self.errors.mask(object, error))
    }
}
