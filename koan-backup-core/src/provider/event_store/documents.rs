//! The rules for the documents of aggregates, for stores that keep events and documents apart.

use super::{OpenedStream, OpenedStreams, StreamHead, StreamState};
use crate::entity::stream::StreamDocument;
use crate::foundation::error::{Error, ErrorKind, Result};

impl OpenedStreams {
    /// Opens an aggregate whose streams with events are `heads`, in the order in which they were created.
    ///
    /// Without a document, the stream that was created last is the active one.
    ///
    /// # Errors
    /// The document contradicts the events, as in [`check_document`].
    pub fn of_aggregate(
        object: &str,
        object_id: &str,
        heads: &[StreamHead],
        document: Option<StreamDocument>,
        snapshot_count: u64,
    ) -> Result<Self> {
        let opened = |stream_id: &str, state| OpenedStream {
            stream_id: stream_id.to_owned(),
            state,
            version: heads.iter().find(|head| head.stream_id == stream_id).map(|head| head.version),
        };
        let streams = if let Some(document) = &document {
            check_document(document, heads)
                .map_err(|error| error.context(format!("`{object}` `{object_id}` cannot be opened")))?;
            let closed = document.terminated_streams.iter().map(|closed| closed.stream_id.as_str());
            let active = Some(document.active_stream.as_str()).filter(|id| !is_terminated(document, id));
            let closed = closed.map(|id| opened(id, StreamState::Terminated));
            closed.chain(active.map(|id| opened(id, StreamState::Active))).collect()
        } else {
            let last = heads.len().saturating_sub(1);
            let state = |index| if index == last { StreamState::Active } else { StreamState::Terminated };
            heads.iter().enumerate().map(|(index, head)| opened(&head.stream_id, state(index))).collect()
        };
        Ok(Self {
            object: object.to_owned(),
            object_id: object_id.to_owned(),
            streams,
            document,
            snapshot_count,
        })
    }
}

/// Returns whether a document says that a stream was closed.
pub fn is_terminated(document: &StreamDocument, stream_id: &str) -> bool {
    document.terminated_streams.iter().any(|closed| closed.stream_id == stream_id)
}

/// Records in a document that a stream now ends at `version`, as a store does that appends events. The last chunk of the
/// active stream grows or shrinks with it.
pub fn record_version(document: &mut StreamDocument, stream_id: &str, version: Option<u64>) {
    for closed in &mut document.terminated_streams {
        if closed.stream_id == stream_id {
            closed.version = version;
        }
    }
    if document.active_stream != stream_id {
        return;
    }
    document.version = version;
    let end = version.map_or(0, |version| version.saturating_add(1));
    document.chunks.retain(|chunk| chunk.first_version < end);
    if let Some(last) = document.chunks.last_mut() {
        last.last_version = version;
    }
}

/// Checks that a document and the streams with events do not contradict each other: the document names each stream and its
/// last version, and the chunks contain all events of the active stream.
///
/// # Errors
/// They contradict each other.
pub fn check_document(document: &StreamDocument, heads: &[StreamHead]) -> Result<()> {
    let closed = document.terminated_streams.iter().map(|closed| (closed.stream_id.as_str(), closed.version));
    let named: Vec<_> =
        closed.chain(std::iter::once((document.active_stream.as_str(), document.version))).collect();
    for (id, version) in &named {
        let stored = heads.iter().find(|head| head.stream_id == *id).map(|head| head.version);
        if stored != *version {
            let (version, stored) = (version_text(*version), version_text(stored));
            return Err(contradiction(format!(
                "the document says that stream `{id}` ends at {version}, but its events end at {stored}"
            )));
        }
    }
    if let Some(other) = heads.iter().find(|head| named.iter().all(|(id, _)| *id != head.stream_id)) {
        let text = format!("the document does not name stream `{}`, which has events", other.stream_id);
        return Err(contradiction(text));
    }
    let mut next = 0;
    for chunk in &document.chunks {
        if chunk.first_version != next || chunk.last_version.is_some_and(|last| last < next) {
            return Err(contradiction(format!("chunk {} does not begin at version {next}", chunk.number)));
        }
        next = chunk.last_version.map_or(next, |last| last.saturating_add(1));
    }
    let end = document.version.map_or(0, |version| version.saturating_add(1));
    if !document.chunks.is_empty() && next != end {
        return Err(contradiction(format!("the chunks contain {next} of {end} events")));
    }
    Ok(())
}

fn contradiction(text: String) -> Error {
    Error::new(ErrorKind::Corrupt, text).with_help("restore the events and the document of the same backup")
}

fn version_text(version: Option<u64>) -> String {
    version.map_or_else(|| "no event".to_owned(), |version| format!("version {version}"))
}
