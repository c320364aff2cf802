//! Writing an event store within a restore.

use std::fmt;

use async_trait::async_trait;

use crate::entity::stream::{StreamDocument, StreamEvent, StreamSnapshot};
use crate::foundation::error::Result;

/// Writes an event store within a restore. It reads what the restore has written already.
///
/// The engine decides which streams are written: it never calls a method that adds something that exists. All methods take
/// values of one object name.
///
/// # What implementers must guarantee
/// - Other sessions do not change the streams that this session has read or written, or the commit fails.
/// - A method that returns a number returns what the store reported, and not what it was asked to do.
/// - An error leaves a session that can only be rolled back.
#[async_trait]
pub trait EventWriter: fmt::Debug + Send {
    /// Returns whether the store contains nothing with this object name, so that nothing can conflict.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn is_empty(&mut self, object: &str) -> Result<bool>;

    /// Returns the ids of the next aggregates, as [`EventReader::object_ids`](super::EventReader::object_ids) does.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn object_ids(&mut self, object: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>>;

    /// Returns the versions of the streams of those of these aggregates of which the store contains something, in any
    /// order.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn heads(&mut self, object: &str, object_ids: &[String]) -> Result<Vec<StreamHeads>>;

    /// Returns those of these events that exist, in any order.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn events_at(&mut self, object: &str, keys: &[EventKey]) -> Result<Vec<StreamEvent>>;

    /// Returns the existing events that have one of these positions, in any order. Events of other object names are
    /// included, because all events of the store share the positions. The default implementation is that of a store that
    /// assigns no [positions](super::EventStoreCapabilities::positions).
    ///
    /// # Errors
    /// The store cannot be read.
    async fn events_with_positions(
        &mut self,
        object: &str,
        positions: &[i64],
    ) -> Result<Vec<PositionedEvent>> {
        let _ = (object, positions);
        Ok(Vec::new())
    }

    /// Returns the documents of those of these aggregates that have one, in any order.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn documents_of(&mut self, object: &str, object_ids: &[String]) -> Result<Vec<StreamDocument>>;

    /// Returns the keys of all snapshots of these aggregates, in any order. Implementers do not read the payloads.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn snapshot_keys(&mut self, object: &str, object_ids: &[String]) -> Result<Vec<SnapshotKey>>;

    /// Returns those of these snapshots that exist, in any order.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn snapshots_at(&mut self, object: &str, keys: &[SnapshotKey]) -> Result<Vec<StreamSnapshot>>;

    /// Adds events, which do not exist, with their versions. The events of a stream are passed in the order of their
    /// versions and continue the existing ones. A position of `None` is assigned by the store. Returns the number of added
    /// events.
    ///
    /// # Errors
    /// An event exists, its position belongs to another event, or the store cannot represent a value of it.
    async fn append(&mut self, object: &str, events: Vec<StreamEvent>) -> Result<u64>;

    /// Removes the events of a stream from a version on. Returns the number of removed events.
    ///
    /// # Errors
    /// The store cannot be written.
    async fn truncate(&mut self, object: &str, object_id: &str, stream_id: &str, from: u64) -> Result<u64>;

    /// Removes everything of an aggregate: events of all its streams, document and snapshots.
    ///
    /// # Errors
    /// The store cannot be written.
    async fn remove(&mut self, object: &str, object_id: &str) -> Result<RemovedObject>;

    /// Adds or replaces the document of an aggregate. The chunks of the document are those of the restored stream.
    ///
    /// # Errors
    /// The store has no documents, or cannot represent this one.
    async fn put_document(&mut self, object: &str, document: StreamDocument) -> Result<()>;

    /// Removes the document of an aggregate. Returns whether it existed.
    ///
    /// # Errors
    /// The store cannot be written.
    async fn remove_document(&mut self, object: &str, object_id: &str) -> Result<bool>;

    /// Adds snapshots, which do not exist. Returns the number of added snapshots.
    ///
    /// # Errors
    /// The store has no snapshots, or cannot represent one of these.
    async fn add_snapshots(&mut self, object: &str, snapshots: Vec<StreamSnapshot>) -> Result<u64>;

    /// Removes snapshots. Returns the number of removed snapshots.
    ///
    /// # Errors
    /// The store cannot be written.
    async fn remove_snapshots(&mut self, object: &str, keys: &[SnapshotKey]) -> Result<u64>;
}

/// What identifies an event of one object name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey {
    /// The object id.
    pub object_id: String,
    /// The id of the stream.
    pub stream_id: String,
    /// The version of the event.
    pub version: u64,
}

/// An existing event that has one of the requested positions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PositionedEvent {
    /// The object name.
    pub object: String,
    /// The event.
    pub key: EventKey,
}

/// What identifies a snapshot of one object name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotKey {
    /// The object id.
    pub object_id: String,
    /// The id of the stream.
    pub stream_id: String,
    /// The version that the snapshot includes.
    pub version: u64,
}

impl From<&StreamSnapshot> for SnapshotKey {
    fn from(snapshot: &StreamSnapshot) -> Self {
        Self {
            object_id: snapshot.object_id.clone(),
            stream_id: snapshot.stream_id.clone(),
            version: snapshot.version,
        }
    }
}

/// The streams of an existing aggregate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamHeads {
    /// The object id.
    pub object_id: String,
    /// The streams that have events, in any order.
    pub streams: Vec<StreamHead>,
}

/// An existing stream with its last version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamHead {
    /// The id of the stream.
    pub stream_id: String,
    /// The version of its last event.
    pub version: u64,
}

/// What was removed with an aggregate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemovedObject {
    /// The number of events, of all streams.
    pub events: u64,
    /// The number of documents: 0 or 1.
    pub documents: u64,
    /// The number of snapshots.
    pub snapshots: u64,
}
