//! What an application does to the store.

use jiff::Timestamp;
use koan_backup_core::event_store::{
    EventStoreSession, EventWriter, JsonText, NewEvent, RemovedObject, StreamDocument, StreamSnapshot,
    TerminatedStream, is_terminated,
};
use koan_backup_core::{Error, ErrorKind, Result};
use serde_json::Map;

use crate::session::FileSession;
use crate::store::EventFiles;

/// How often a change is repeated that does not depend on the version of the stream.
const ATTEMPTS: usize = 5;

/// The version of a stream to which events are appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedVersion {
    /// Any version.
    Any,
    /// The stream has no events.
    NoEvents,
    /// The last event has this version.
    Version(u64),
}

impl EventFiles {
    /// Appends events to the active stream of an aggregate, which is created if it does not exist. Returns the version of
    /// the last event. Each call writes a file, so append events that belong together with one call.
    ///
    /// # Errors
    /// The stream does not have the expected version, was terminated, or was changed by others at the same time
    /// ([`ErrorKind::Conflict`]). Or the storage fails. Nothing was appended then.
    pub async fn append(
        &self,
        object: &str,
        object_id: &str,
        expected: ExpectedVersion,
        events: impl IntoIterator<Item = NewEvent>,
    ) -> Result<Option<u64>> {
        let events: Vec<_> = events.into_iter().collect();
        let mut attempt = 1;
        loop {
            match self.append_once(object, object_id, expected, events.clone()).await {
                Err(error)
                    if error.kind() == ErrorKind::Conflict
                        && expected == ExpectedVersion::Any
                        && attempt < ATTEMPTS =>
                {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    async fn append_once(
        &self,
        object: &str,
        object_id: &str,
        expected: ExpectedVersion,
        events: Vec<NewEvent>,
    ) -> Result<Option<u64>> {
        let mut session = self.begin().await?;
        let stream_id = session.active_stream(object, object_id).await?;
        let aggregate = &session.aggregate(object, object_id).await?.aggregate;
        let (version, next) = (aggregate.version(&stream_id), aggregate.next_version(&stream_id)?);
        let is_expected = match expected {
            ExpectedVersion::Any => true,
            ExpectedVersion::NoEvents => version.is_none(),
            ExpectedVersion::Version(expected) => version == Some(expected),
        };
        if !is_expected {
            let found =
                version.map_or_else(|| "no events".to_owned(), |version| format!("version {version}"));
            let text = format!("`{object}` `{object_id}` has {found}, and {expected:?} was expected");
            return Err(Error::new(ErrorKind::Conflict, text).with_help("read the stream again"));
        }
        // The session refuses an event after the highest version.
        let events = events.into_iter().zip((0..).map(|number| next.saturating_add(number)));
        let events = events.map(|(event, version)| event.into_stream_event(object_id, &stream_id, version));
        session.writer().append(object, events.collect()).await?;
        session.flush().await?;
        let version = session.aggregate(object, object_id).await?.aggregate.version(&stream_id);
        Box::new(session).commit().await?;
        Ok(version)
    }

    /// Closes the active stream of an aggregate.
    ///
    /// # Errors
    /// The aggregate does not exist, its stream was terminated already, it was changed by others at the same time, or the
    /// storage fails.
    pub async fn terminate(&self, object: &str, object_id: &str, reason: &str) -> Result<()> {
        let mut session = self.begin().await?;
        let stream_id = session.active_stream(object, object_id).await?;
        let mut document = session.document(object, object_id, &stream_id).await?;
        document.terminated_streams.push(TerminatedStream {
            stream_id,
            version: document.version,
            terminated_at: Some(Timestamp::now().to_string()),
            reason: Some(reason.to_owned()),
            continued_by: None,
        });
        session.writer().put_document(object, document).await?;
        Box::new(session).commit().await
    }

    /// Continues a terminated stream with another stream, which becomes the active one.
    ///
    /// # Errors
    /// The active stream was not terminated, the other stream exists, the aggregate was changed by others at the same time,
    /// or the storage fails.
    pub async fn continue_as(&self, object: &str, object_id: &str, stream_id: &str) -> Result<()> {
        let mut session = self.begin().await?;
        let aggregate = &session.aggregate(object, object_id).await?.aggregate;
        let is_known = aggregate.stream(stream_id).is_some();
        let mut document = aggregate.document.clone().ok_or_else(|| missing(object, object_id))?;
        if is_known || is_terminated(&document, stream_id) {
            let text = format!("`{object}` `{object_id}` has a stream `{stream_id}` already");
            return Err(Error::new(ErrorKind::Conflict, text));
        }
        let active = std::mem::replace(&mut document.active_stream, stream_id.to_owned());
        let closed = document.terminated_streams.iter_mut().find(|closed| closed.stream_id == active);
        let closed = closed.ok_or_else(|| {
            let text = format!("stream `{active}` of `{object}` `{object_id}` is active");
            Error::new(ErrorKind::Conflict, text).with_help("terminate it first")
        })?;
        closed.continued_by = Some(stream_id.to_owned());
        document.version = None;
        document.chunks.clear();
        document.snapshots.clear();
        session.writer().put_document(object, document).await?;
        Box::new(session).commit().await
    }

    /// Adds a snapshot of an aggregate at the last version of its active stream, which it returns.
    ///
    /// # Errors
    /// The stream has no events, there is a snapshot at this version already, the aggregate was changed by others at the
    /// same time, or the storage fails.
    pub async fn add_snapshot(
        &self,
        object: &str,
        object_id: &str,
        name: &str,
        state: JsonText,
    ) -> Result<u64> {
        let mut session = self.begin().await?;
        let stream_id = session.active_stream(object, object_id).await?;
        let aggregate = &session.aggregate(object, object_id).await?.aggregate;
        let version = aggregate.version(&stream_id).ok_or_else(|| missing(object, object_id))?;
        let snapshot = StreamSnapshot {
            object_id: object_id.to_owned(),
            stream_id: stream_id.clone(),
            version,
            number: Some(aggregate.snapshot_count() + 1),
            name: Some(name.to_owned()),
            timestamp: Some(Timestamp::now().to_string()),
            payload: state,
        };
        session.writer().add_snapshots(object, vec![snapshot]).await?;
        let mut document = session.document(object, object_id, &stream_id).await?;
        document.snapshots.push(version);
        session.writer().put_document(object, document).await?;
        Box::new(session).commit().await?;
        Ok(version)
    }

    /// Removes everything of an aggregate.
    ///
    /// # Errors
    /// The aggregate was changed by others at the same time, or the storage fails.
    pub async fn remove(&self, object: &str, object_id: &str) -> Result<RemovedObject> {
        let mut session = self.begin().await?;
        let removed = session.writer().remove(object, object_id).await?;
        Box::new(session).commit().await?;
        Ok(removed)
    }
}

impl FileSession {
    /// Returns the id of the stream to which events are appended. A new aggregate gets a document.
    async fn active_stream(&mut self, object: &str, object_id: &str) -> Result<String> {
        let aggregate = &self.aggregate(object, object_id).await?.aggregate;
        if aggregate.is_empty() {
            let document = new_document(object_id, object_id, None);
            self.put_document(object, document).await?;
            return Ok(object_id.to_owned());
        }
        let last = || aggregate.streams.last().map_or(object_id, |stream| &stream.stream_id);
        let active = aggregate.document.as_ref().map_or_else(last, |document| &document.active_stream);
        if aggregate.document.as_ref().is_some_and(|document| is_terminated(document, active)) {
            let text = format!("stream `{active}` of `{object}` `{object_id}` was terminated");
            return Err(Error::new(ErrorKind::Conflict, text).with_help("continue it with another stream"));
        }
        Ok(active.to_owned())
    }

    /// Returns the document of an aggregate that exists.
    async fn document(&mut self, object: &str, object_id: &str, stream_id: &str) -> Result<StreamDocument> {
        let aggregate = &self.aggregate(object, object_id).await?.aggregate;
        let version = aggregate.version(stream_id);
        let document = aggregate.document.clone();
        Ok(document.unwrap_or_else(|| new_document(object_id, stream_id, version)))
    }
}

/// Returns the document of an aggregate with one stream.
fn new_document(object_id: &str, stream_id: &str, version: Option<u64>) -> StreamDocument {
    StreamDocument {
        object_id: object_id.to_owned(),
        active_stream: stream_id.to_owned(),
        version,
        chunks: Vec::new(),
        snapshots: Vec::new(),
        terminated_streams: Vec::new(),
        attributes: Map::new(),
    }
}

fn missing(object: &str, object_id: &str) -> Error {
    let text = format!("the event store has no events or no document of `{object}` `{object_id}`");
    Error::new(ErrorKind::NotFound, text).with_help("append events to it first")
}
