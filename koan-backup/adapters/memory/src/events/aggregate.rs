//! One aggregate: its events, its document and its snapshots.

use std::sync::Arc;

use koan_backup_core::event_store::{
    OpenedStream, OpenedStreams, RemovedObject, StreamDocument, StreamEvent, StreamHead, StreamHeads,
    StreamSnapshot, StreamState,
};
use koan_backup_core::{Error, ErrorKind, Result};
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

    /// Records in the document that the last version of a stream has changed, as a store does that appends.
    pub(super) fn update_document(&mut self, stream_id: &str) {
        let version = self.stream(stream_id).and_then(Stream::version);
        let Some(document) = &mut self.document else { return };
        if let Some(closed) =
            document.terminated_streams.iter_mut().find(|stream| stream.stream_id == stream_id)
        {
            closed.version = version;
        }
        if document.active_stream != stream_id {
            return;
        }
        document.version = version;
        let next = version.map_or(0, |version| version + 1);
        document.chunks.retain(|chunk| chunk.first_version < next);
        if let Some(last) = document.chunks.last_mut() {
            last.last_version = version;
        }
    }

    pub(super) fn heads(&self, object_id: &str) -> StreamHeads {
        let head = |stream: &Stream| {
            stream.version().map(|version| StreamHead { stream_id: stream.id.clone(), version })
        };
        let streams = self.streams.iter().filter_map(head).collect();
        StreamHeads { object_id: object_id.to_owned(), streams }
    }

    /// Returns what is removed with the aggregate.
    pub(super) fn counts(&self) -> RemovedObject {
        RemovedObject {
            events: self.streams.iter().map(|stream| count(stream.events.len())).sum(),
            documents: u64::from(self.document.is_some()),
            snapshots: count(self.snapshots.len()),
        }
    }

    /// Returns the streams and their versions: the terminated streams, and then the active stream.
    pub(super) fn open(&self, object: &str, object_id: &str) -> Result<OpenedStreams> {
        let opened = |stream_id: &str, state| OpenedStream {
            stream_id: stream_id.to_owned(),
            state,
            version: self.stream(stream_id).and_then(Stream::version),
        };
        let streams: Vec<_> = if let Some(document) = &self.document {
            self.check_document(document)
                .map_err(|error| error.context(format!("`{object}` `{object_id}` cannot be opened")))?;
            let closed = document.terminated_streams.iter().map(|closed| closed.stream_id.as_str());
            let active = std::iter::once(document.active_stream.as_str());
            let active = active.filter(|id| !is_terminated(document, id));
            let closed = closed.map(|id| opened(id, StreamState::Terminated));
            closed.chain(active.map(|id| opened(id, StreamState::Active))).collect()
        } else {
            // Without a document, the stream that was created last is the active one.
            let last = self.streams.len().saturating_sub(1);
            let state = |index| if index == last { StreamState::Active } else { StreamState::Terminated };
            let streams = self.streams.iter().enumerate();
            streams.map(|(index, stream)| opened(&stream.id, state(index))).collect()
        };
        Ok(OpenedStreams {
            object: object.to_owned(),
            object_id: object_id.to_owned(),
            streams,
            document: self.document.clone(),
            snapshot_count: count(self.snapshots.len()),
        })
    }

    /// Checks that the document and the events do not contradict each other.
    pub(super) fn check(&self, object: &str, object_id: &str) -> Result<()> {
        self.document.as_ref().map_or(Ok(()), |document| {
            let checked = self.check_document(document);
            checked.map_err(|error| error.context(format!("`{object}` `{object_id}` is inconsistent")))
        })
    }

    fn check_document(&self, document: &StreamDocument) -> Result<()> {
        let contradiction = |text: String| {
            let help = "restore the events and the document of the same backup";
            Err(Error::new(ErrorKind::Corrupt, text).with_help(help))
        };
        let closed = document.terminated_streams.iter().map(|closed| (&closed.stream_id, closed.version));
        let active = std::iter::once((&document.active_stream, document.version));
        for (id, version) in closed.clone().chain(active.clone()) {
            let stored = self.stream(id).and_then(Stream::version);
            if stored != version {
                let (version, stored) = (version_text(version), version_text(stored));
                return contradiction(format!(
                    "the document says that stream `{id}` ends at {version}, but its events end at {stored}"
                ));
            }
        }
        if let Some(other) = self
            .streams
            .iter()
            .find(|stream| closed.clone().chain(active.clone()).all(|(id, _)| *id != stream.id))
        {
            return contradiction(format!(
                "the document does not name stream `{}`, which has events",
                other.id
            ));
        }
        let mut next = 0;
        for chunk in &document.chunks {
            if chunk.first_version != next || chunk.last_version.is_some_and(|last| last < next) {
                return contradiction(format!("chunk {} does not begin at version {next}", chunk.number));
            }
            next = chunk.last_version.map_or(next, |last| last.saturating_add(1));
        }
        let end = document.version.map_or(0, |version| version.saturating_add(1));
        if !document.chunks.is_empty() && next != end {
            return contradiction(format!("the chunks contain {next} of {end} events"));
        }
        Ok(())
    }
}

/// Returns whether a document says that a stream was closed.
pub(super) fn is_terminated(document: &StreamDocument, stream_id: &str) -> bool {
    document.terminated_streams.iter().any(|closed| closed.stream_id == stream_id)
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

fn version_text(version: Option<u64>) -> String {
    version.map_or_else(|| "no event".to_owned(), |version| format!("version {version}"))
}
