//! The event store that a case examines.

use std::sync::Arc;

use futures::TryStreamExt as _;

use super::sample::{document, failed, require_equal, require_events};
use crate::entity::stream::{StreamDocument, StreamEvent, StreamPart, StreamSnapshot};
use crate::foundation::error::Result;
use crate::provider::event_store::{
    Batches, EventReader, EventStoreCapabilities, EventWriter, OpenedStreams,
};
use crate::provider::{Provider, RestoreSession, SessionIntent, SessionOptions, Snapshot};

/// The object name of most cases.
pub(super) const OBJECT: &str = "koan-order";

/// An event store that was empty at the start of the case.
pub(super) struct Subject {
    pub(super) provider: Arc<dyn Provider>,
    pub(super) capabilities: EventStoreCapabilities,
}

/// A snapshot of the store.
pub(super) struct Reading(Box<dyn Snapshot>);

/// A session of the store.
pub(super) struct Writing(Box<dyn RestoreSession>);

impl Subject {
    pub(super) fn new(provider: Arc<dyn Provider>, capabilities: EventStoreCapabilities) -> Self {
        Self { provider, capabilities }
    }

    pub(super) async fn read(&self) -> Result<Reading> {
        let snapshot = self.provider.snapshot().await?;
        if snapshot.events().is_none() {
            return Err(failed("a snapshot of a provider with an event store has no reader".to_owned()));
        }
        Ok(Reading(snapshot))
    }

    pub(super) async fn begin(&self) -> Result<Writing> {
        self.begin_with(SessionIntent::Apply).await
    }

    pub(super) async fn begin_with(&self, intent: SessionIntent) -> Result<Writing> {
        let options = SessionOptions { intent, ..SessionOptions::default() };
        let mut session = self.provider.begin_restore(&options).await?;
        if session.events().is_none() {
            return Err(failed("a session of a provider with an event store has no writer".to_owned()));
        }
        Ok(Writing(session))
    }

    /// Writes the events of aggregates with one stream each, and their documents if the store has documents, and commits.
    pub(super) async fn write(&self, object: &str, events: Vec<StreamEvent>) -> Result<()> {
        let mut writing = self.begin().await?;
        self.add(&mut writing, object, events).await?;
        writing.commit().await
    }

    /// Writes the events of aggregates with one stream each, and their documents if the store has documents.
    pub(super) async fn add(&self, to: &mut Writing, object: &str, events: Vec<StreamEvent>) -> Result<()> {
        let mut documents: Vec<StreamDocument> = Vec::new();
        for event in &events {
            match documents.last_mut() {
                Some(last) if last.object_id == event.object_id => last.version = Some(event.version),
                _ => documents.push(document(&event.object_id, event.version + 1)),
            }
        }
        let count = u64::try_from(events.len()).unwrap_or(u64::MAX);
        let appended = to.events().append(object, events).await?;
        require_equal("the number of appended events", &appended, &count)?;
        if self.capabilities.documents {
            for document in documents {
                to.events().put_document(object, document).await?;
            }
        }
        Ok(())
    }

    /// Checks that a new reader returns exactly these events for an object name, each way that there is.
    pub(super) async fn require(&self, object: &str, expected: &[StreamEvent]) -> Result<()> {
        let reading = self.read().await?;
        let reader = reading.events();
        require_events(all(reader.all_events(object).await?).await?, expected)?;
        let count = u64::try_from(expected.len()).unwrap_or(u64::MAX);
        require_equal("the count of the events", &reader.count(object, StreamPart::Events).await?, &count)
    }

    /// Checks that the store contains nothing with this object name.
    pub(super) async fn require_nothing(&self, object: &str) -> Result<()> {
        self.require(object, &[]).await?;
        let reading = self.read().await?;
        let ids = reading.events().object_ids(object, None, 10).await?;
        require_equal("the object ids", &ids, &Vec::new())?;
        let names = reading.events().object_names().await?;
        require_equal("whether the object name is listed", &names.iter().any(|name| name == object), &false)
    }
}

impl Reading {
    pub(super) fn events(&self) -> &dyn EventReader {
        self.0.events().expect("the reader was found when the snapshot was opened")
    }

    /// Opens an aggregate, which must exist.
    pub(super) async fn open(&self, object_id: &str) -> Result<OpenedStreams> {
        let opened = self.events().open(OBJECT, object_id).await?;
        opened.ok_or_else(|| failed(format!("aggregate `{object_id}` was written, but it cannot be opened")))
    }

    /// Reads the events of one stream.
    pub(super) async fn stream(&self, opened: &OpenedStreams, stream_id: &str) -> Result<Vec<StreamEvent>> {
        all(self.events().events(opened, stream_id).await?).await
    }

    pub(super) async fn snapshots(&self, opened: &OpenedStreams) -> Result<Vec<StreamSnapshot>> {
        all(self.events().snapshots(opened).await?).await
    }
}

impl Writing {
    pub(super) fn events(&mut self) -> &mut dyn EventWriter {
        self.0.events().expect("the writer was found when the session was begun")
    }

    pub(super) async fn commit(self) -> Result<()> {
        self.0.commit().await.map(drop)
    }

    pub(super) async fn rollback(self) -> Result<()> {
        self.0.rollback().await
    }
}

/// Reads all batches. A batch must not be empty.
pub(super) async fn all<T>(batches: Batches<'_, T>) -> Result<Vec<T>> {
    let batches: Vec<Vec<T>> = batches.try_collect().await?;
    if batches.iter().any(Vec::is_empty) {
        return Err(failed("a batch is empty".to_owned()));
    }
    Ok(batches.into_iter().flatten().collect())
}
