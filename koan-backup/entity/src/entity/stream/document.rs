//! The document of an aggregate: what its store records about its streams.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What an event store records about the streams of one aggregate.
///
/// In an archive, a document is one line of JSON with the fields of this type in camelCase. Empty lists and absent
/// values are omitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamDocument {
    /// The id of the aggregate.
    pub object_id: String,
    /// The id of the stream to which events are appended.
    pub active_stream: String,
    /// The version of the last event of the active stream. `None` if the stream has no events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The chunks of the active stream, in the order of their versions. The list is empty if the store does not divide
    /// streams.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chunks: Vec<StreamChunk>,
    /// The versions of the snapshots of the active stream, in ascending order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<u64>,
    /// The streams that were closed, in the order in which they were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub terminated_streams: Vec<TerminatedStream>,
    /// Other attributes that the store records, sorted by name.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<String, Value>,
}

/// A part of a stream that its store keeps separately.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamChunk {
    /// The number of the chunk.
    pub number: u64,
    /// The version of its first event.
    pub first_version: u64,
    /// The version of its last event. `None` if the chunk has no events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_version: Option<u64>,
}

/// A stream that was closed, and may be continued by another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TerminatedStream {
    /// The id of the stream.
    pub stream_id: String,
    /// The version of its last event. `None` if the stream has no events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// When the stream was closed, as the store writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminated_at: Option<String>,
    /// Why the stream was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The id of the stream that continues it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continued_by: Option<String>,
}
