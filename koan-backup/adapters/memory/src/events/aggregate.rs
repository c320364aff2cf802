//! One aggregate: its events, its document and its snapshots.

use std::sync::Arc;

use koan_backup_core::Result;
use koan_backup_core::event_store::{
    OpenedStreams, RemovedObject, StreamDocument, StreamEvent, StreamHead, StreamSnapshot, check_document,
    record_version,
};
use serde_json::Map;

/// An aggregate. Its streams are in the order in which they were created.
#[derive(Clone, Debug, Default)]
pub(super) struct Aggregate {
    pub(super) streams: Vec<Stream>,
    pub(super) document: Option<StreamDocument>,
    /// The snapshots by stream, in the order of the streams, and then by version.
    pub(super) snapshots: Vec<StreamSnapshot>,
}

/// The events of a stream. The index of an event is its version.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) id: String,
    pub(super) events: Vec<Arc<StreamEvent>>,
}

impl Stream {
    /// Returns the version of the last event.
    pub(super) fn version(&self) -> Option<u64> {
        self.events.last().map(|event| event.version)
    }
}

impl Aggregate {
    /// Returns whether nothing is stored about the aggregate.
    pub(super) fn is_empty(&self) -> bool {
        self.streams.is_empty() && self.document.is_none() && self.snapshots.is_empty()
    }

    pub(super) fn stream(&self, id: &str) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.id == id)
    }

    /// Returns a stream, which is created if it does not exist.
    pub(super) fn stream_mut(&mut self, id: &str) -> &mut Stream {
        let index = self.streams.iter().position(|stream| stream.id == id).unwrap_or_else(|| {
            self.streams.push(Stream { id: id.to_owned(), events: Vec::new() });
            self.streams.len() - 1
        });
        &mut self.streams[index]
    }

    /// Returns the event with a version.
    pub(super) fn event(&self, stream_id: &str, version: u64) -> Option<&Arc<StreamEvent>> {
        self.stream(stream_id)?.events.get(usize::try_from(version).ok()?)
    }

    /// Records in the document that the last version of a stream has changed.
    pub(super) fn update_document(&mut self, stream_id: &str) {
        let version = self.stream(stream_id).and_then(Stream::version);
        if let Some(document) = &mut self.document {
            record_version(document, stream_id, version);
        }
    }

    /// Returns the streams that have events, in the order in which they were created.
    pub(super) fn heads(&self) -> Vec<StreamHead> {
        let head = |stream: &Stream| {
            stream.version().map(|version| StreamHead { stream_id: stream.id.clone(), version })
        };
        self.streams.iter().filter_map(head).collect()
    }

    /// Returns what is removed with the aggregate.
    pub(super) fn counts(&self) -> RemovedObject {
        RemovedObject {
            events: self.streams.iter().map(|stream| count(stream.events.len())).sum(),
            documents: u64::from(self.document.is_some()),
            snapshots: count(self.snapshots.len()),
        }
    }

    /// Returns the streams and their versions.
    pub(super) fn open(&self, object: &str, object_id: &str) -> Result<OpenedStreams> {
        let snapshots = count(self.snapshots.len());
        OpenedStreams::of_aggregate(object, object_id, &self.heads(), self.document.clone(), snapshots)
    }

    /// Checks that the document and the events do not contradict each other.
    pub(super) fn check(&self, object: &str, object_id: &str) -> Result<()> {
        self.document.as_ref().map_or(Ok(()), |document| {
            let checked = check_document(document, &self.heads());
            checked.map_err(|error| error.context(format!("`{object}` `{object_id}` is inconsistent")))
        })
    }
}

/// Returns the document of a stream without events.
pub(super) fn new_document(object_id: &str, stream_id: &str) -> StreamDocument {
    StreamDocument {
        object_id: object_id.to_owned(),
        active_stream: stream_id.to_owned(),
        version: None,
        chunks: Vec::new(),
        snapshots: Vec::new(),
        terminated_streams: Vec::new(),
        attributes: Map::new(),
    }
}

pub(super) fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
