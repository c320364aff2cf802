//! The store, and what a test does to it.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use koan_backup_core::event_store::{
    EventReader, EventStore, EventStoreCapabilities, EventStoreSession, JsonText, NewEvent, RemovedObject,
    StreamChunk, StreamEvent, StreamSnapshot, TerminatedStream, is_terminated,
};
use koan_backup_core::provider::{Consistency, SessionIntent};
use koan_backup_core::{Error, ErrorKind, Result};

use super::aggregate::{Aggregate, Stream, count, new_document};
use super::changes;
use super::content::{Content, SharedContent};
use super::reader::MemoryReader;
use super::session::MemoryEventSession;

/// An event store in memory, for tests. All clones of a store share its content, which is dropped with the last clone.
///
/// A reader reads one point in time. A session changes a copy of the content. Its commit fails if an aggregate that it has
/// read or written was changed by others.
///
/// ```
/// use koan_backup::MemoryEvents;
/// use koan_backup::event_store::NewEvent;
///
/// # fn main() -> koan_backup::Result<()> {
/// let store = MemoryEvents::new();
/// let events = [NewEvent::new("OrderPlaced", &20)?, NewEvent::new("OrderPaid", &20)?];
/// assert_eq!(store.append("order", "order-17", events)?, Some(1));
/// store.divide("order", "order-17", 1)?;
/// store.terminate("order", "order-17", "migrated")?;
/// store.continue_as("order", "order-17", "order-17-b")?;
/// store.append("order", "order-17", [NewEvent::new("OrderShipped", &())?])?;
/// assert_eq!(store.events("order", "order-17").len(), 3);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MemoryEvents {
    content: SharedContent,
    capabilities: EventStoreCapabilities,
}

impl Default for MemoryEvents {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryEvents {
    /// Creates an empty store with documents, snapshots, terminated streams and positions.
    pub fn new() -> Self {
        let mut capabilities = EventStoreCapabilities::default();
        capabilities.documents = true;
        capabilities.snapshots = true;
        capabilities.terminated_streams = true;
        capabilities.positions = true;
        Self::with_capabilities(capabilities)
    }

    /// Creates an empty store that can contain only what `capabilities` says.
    pub fn with_capabilities(capabilities: EventStoreCapabilities) -> Self {
        Self { content: SharedContent::default(), capabilities }
    }

    /// Appends events to the active stream of an aggregate, which is created if it does not exist. Returns the version of
    /// the last event.
    ///
    /// # Errors
    /// The stream was terminated.
    pub fn append(
        &self,
        object: &str,
        object_id: &str,
        events: impl IntoIterator<Item = NewEvent>,
    ) -> Result<Option<u64>> {
        self.change(|content| {
            let stream_id = self.active_stream(content, object, object_id)?;
            for event in events {
                let aggregate = content.aggregate(object, object_id);
                let version = aggregate.and_then(|aggregate| aggregate.stream(&stream_id)?.version());
                let version = version.map_or(0, |version| version + 1);
                let event = event.into_stream_event(object_id, &stream_id, version);
                changes::append(content, self.capabilities, object, event)?;
            }
            Ok(content.aggregate(object, object_id).and_then(|stored| stored.stream(&stream_id)?.version()))
        })
    }

    /// Closes the active stream of an aggregate.
    ///
    /// # Errors
    /// The aggregate does not exist, its stream was terminated already, or the store has no terminated streams.
    pub fn terminate(&self, object: &str, object_id: &str, reason: &str) -> Result<()> {
        self.change(|content| {
            if !(self.capabilities.terminated_streams && self.capabilities.documents) {
                let text = "the event store in memory was created without terminated streams or documents";
                return Err(Error::new(ErrorKind::Unsupported, text));
            }
            let stream_id = self.active_stream(content, object, object_id)?;
            let aggregate =
                content.existing_mut(object, object_id).ok_or_else(|| missing(object, object_id))?;
            let version = aggregate.stream(&stream_id).and_then(Stream::version);
            let document = aggregate.document.get_or_insert_with(|| new_document(object_id, &stream_id));
            document.version = version;
            document.terminated_streams.push(TerminatedStream {
                stream_id,
                version,
                terminated_at: Some(Timestamp::now().to_string()),
                reason: Some(reason.to_owned()),
                continued_by: None,
            });
            Ok(())
        })
    }

    /// Continues a terminated stream with another stream, which becomes the active one.
    ///
    /// # Errors
    /// The active stream of the aggregate was not terminated, or the other stream exists.
    pub fn continue_as(&self, object: &str, object_id: &str, stream_id: &str) -> Result<()> {
        self.change(|content| {
            let aggregate =
                content.existing_mut(object, object_id).ok_or_else(|| missing(object, object_id))?;
            let is_known = aggregate.stream(stream_id).is_some();
            let document = aggregate.document.as_mut().ok_or_else(|| missing(object, object_id))?;
            if is_known || is_terminated(document, stream_id) {
                let text = format!("`{object}` `{object_id}` has a stream `{stream_id}` already");
                return Err(Error::new(ErrorKind::Conflict, text));
            }
            let active = document.active_stream.clone();
            let closed = document.terminated_streams.iter_mut().find(|closed| closed.stream_id == active);
            let closed = closed.ok_or_else(|| {
                let text = format!("stream `{active}` of `{object}` `{object_id}` is active");
                Error::new(ErrorKind::Conflict, text).with_help("terminate it first")
            })?;
            closed.continued_by = Some(stream_id.to_owned());
            stream_id.clone_into(&mut document.active_stream);
            document.version = None;
            document.chunks.clear();
            document.snapshots.clear();
            Ok(())
        })
    }

    /// Divides the events of the active stream of an aggregate into chunks of `length` events. The last chunk grows with
    /// the stream.
    ///
    /// # Errors
    /// The aggregate has no document, or `length` is 0.
    pub fn divide(&self, object: &str, object_id: &str, length: u64) -> Result<()> {
        if length == 0 {
            return Err(Error::new(ErrorKind::Configuration, "a chunk must contain at least one event"));
        }
        self.change(|content| {
            let aggregate =
                content.existing_mut(object, object_id).ok_or_else(|| missing(object, object_id))?;
            let document = aggregate.document.as_mut().ok_or_else(|| missing(object, object_id))?;
            let end = document.version.map_or(0, |version| version + 1);
            let chunk = |number: u64| {
                let first_version = number * length;
                let last_version = (first_version + length).min(end).checked_sub(1);
                StreamChunk { number, first_version, last_version }
            };
            document.chunks = (0..end.div_ceil(length)).map(chunk).collect();
            Ok(())
        })
    }

    /// Adds a snapshot of an aggregate at the last version of its active stream, which it returns.
    ///
    /// # Errors
    /// The stream has no events, there is a snapshot at this version already, or the store has no snapshots.
    pub fn add_snapshot(&self, object: &str, object_id: &str, name: &str, state: JsonText) -> Result<u64> {
        self.change(|content| {
            let stream_id = self.active_stream(content, object, object_id)?;
            let aggregate =
                content.existing_mut(object, object_id).ok_or_else(|| missing(object, object_id))?;
            let version = aggregate.stream(&stream_id).and_then(Stream::version);
            let version = version.ok_or_else(|| missing(object, object_id))?;
            let snapshot = StreamSnapshot {
                object_id: object_id.to_owned(),
                stream_id,
                version,
                number: Some(count(aggregate.snapshots.len()) + 1),
                name: Some(name.to_owned()),
                timestamp: Some(Timestamp::now().to_string()),
                payload: state,
            };
            changes::add_snapshot(content, self.capabilities, object, snapshot)?;
            let aggregate =
                content.existing_mut(object, object_id).and_then(|stored| stored.document.as_mut());
            if let Some(document) = aggregate {
                document.snapshots.push(version);
            }
            Ok(version)
        })
    }

    /// Removes everything of an aggregate.
    pub fn remove(&self, object: &str, object_id: &str) -> RemovedObject {
        let mut content = self.content.lock();
        changes::remove(Arc::make_mut(&mut content), object, object_id)
    }

    /// Returns the events of all streams of an aggregate, in the order in which the streams were created.
    pub fn events(&self, object: &str, object_id: &str) -> Vec<StreamEvent> {
        let content = self.content.current();
        let streams = content.aggregate(object, object_id).into_iter().flat_map(|stored| &stored.streams);
        streams.flat_map(|stream| &stream.events).map(|event| StreamEvent::clone(event)).collect()
    }

    /// Returns the id of the stream to which events are appended.
    fn active_stream(&self, content: &mut Content, object: &str, object_id: &str) -> Result<String> {
        let Some(aggregate) = content.aggregate(object, object_id) else {
            if self.capabilities.documents {
                let document = new_document(object_id, object_id);
                changes::put_document(content, self.capabilities, object, document)?;
            }
            return Ok(object_id.to_owned());
        };
        let Aggregate { document, streams, .. } = aggregate.as_ref();
        let last = || streams.last().map_or(object_id, |stream| &stream.id);
        let active = document.as_ref().map_or_else(last, |document| &document.active_stream);
        if document.as_ref().is_some_and(|document| is_terminated(document, active)) {
            let text = format!("stream `{active}` of `{object}` `{object_id}` was terminated");
            return Err(Error::new(ErrorKind::Conflict, text).with_help("continue it with another stream"));
        }
        Ok(active.to_owned())
    }

    /// Changes a copy of the content, which replaces the content if `change` succeeds.
    fn change<T>(&self, change: impl FnOnce(&mut Content) -> Result<T>) -> Result<T> {
        let mut content = self.content.lock();
        let mut changed = Content::clone(&content);
        let result = change(&mut changed)?;
        *content = Arc::new(changed);
        Ok(result)
    }
}

fn missing(object: &str, object_id: &str) -> Error {
    let text = format!("the event store in memory has no events or no document of `{object}` `{object_id}`");
    Error::new(ErrorKind::NotFound, text).with_help("append events to it first")
}

#[async_trait]
impl EventStore for MemoryEvents {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn capabilities(&self) -> EventStoreCapabilities {
        self.capabilities
    }

    fn consistency(&self) -> Consistency {
        Consistency::Snapshot
    }

    async fn reader(&self) -> Result<Box<dyn EventReader>> {
        Ok(Box::new(MemoryReader::new(self.content.current())))
    }

    async fn begin_restore(&self, intent: SessionIntent) -> Result<Box<dyn EventStoreSession>> {
        Ok(Box::new(MemoryEventSession::new(self.content.clone(), self.capabilities, intent)))
    }
}
