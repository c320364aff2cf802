//! The streams of one aggregate at the version at which they were opened.

use crate::entity::stream::StreamDocument;

/// The streams of one aggregate, with the versions at which they were opened. What is appended later is not read.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenedStreams {
    /// The object name.
    pub object: String,
    /// The object id.
    pub object_id: String,
    /// The terminated streams in the order in which they were closed, and the active stream at the end.
    pub streams: Vec<OpenedStream>,
    /// The document, if the store has documents.
    pub document: Option<StreamDocument>,
    /// The number of snapshots, of all streams.
    pub snapshot_count: u64,
}

/// One stream at the version at which it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedStream {
    /// The id of the stream.
    pub stream_id: String,
    /// Whether the stream is active or terminated.
    pub state: StreamState,
    /// The version of the last event. `None` if the stream has no events.
    pub version: Option<u64>,
}

/// Whether events can be appended to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamState {
    /// Events can be appended.
    Active,
    /// The stream was closed.
    Terminated,
}

impl OpenedStream {
    /// Returns the number of events, which is known because versions have no gaps.
    pub fn event_count(&self) -> u64 {
        self.version.map_or(0, |version| version.saturating_add(1))
    }
}

impl OpenedStreams {
    /// Returns the active stream.
    pub fn active(&self) -> Option<&OpenedStream> {
        self.streams.iter().find(|stream| stream.state == StreamState::Active)
    }
}
