//! The events, documents and snapshots that the cases write.

use serde_json::Map;

use crate::entity::stream::{JsonText, StreamDocument, StreamEvent, StreamSnapshot};
use crate::foundation::error::{Error, ErrorKind, Result};

/// Returns an event of the stream that has the id of its aggregate.
pub(super) fn event(object_id: &str, version: u64) -> StreamEvent {
    event_of(object_id, object_id, version)
}

/// Returns an event of a stream.
pub(super) fn event_of(object_id: &str, stream_id: &str, version: u64) -> StreamEvent {
    StreamEvent {
        object_id: object_id.to_owned(),
        stream_id: stream_id.to_owned(),
        version,
        event_type: format!("Type{}", version % 3),
        schema_version: Some("1.0".to_owned()),
        external_sequencer: None,
        action: None,
        timestamp: None,
        position: None,
        metadata: Some(json(&format!(r#"{{"of":{version},"by":"operator"}}"#))),
        payload: json(&format!(r#"{{"number":{version},"text":"event {version}"}}"#)),
    }
}

/// Returns the first events of the stream that has the id of its aggregate.
pub(super) fn events(object_id: &str, length: u64) -> Vec<StreamEvent> {
    events_of(object_id, object_id, length)
}

/// Returns the first events of a stream.
pub(super) fn events_of(object_id: &str, stream_id: &str, length: u64) -> Vec<StreamEvent> {
    (0..length).map(|version| event_of(object_id, stream_id, version)).collect()
}

/// Returns the document of an aggregate with one stream.
pub(super) fn document(object_id: &str, length: u64) -> StreamDocument {
    StreamDocument {
        object_id: object_id.to_owned(),
        active_stream: object_id.to_owned(),
        version: length.checked_sub(1),
        chunks: Vec::new(),
        snapshots: Vec::new(),
        terminated_streams: Vec::new(),
        attributes: Map::new(),
    }
}

/// Returns a snapshot of the stream that has the id of its aggregate.
pub(super) fn snapshot(object_id: &str, version: u64, number: u64) -> StreamSnapshot {
    StreamSnapshot {
        object_id: object_id.to_owned(),
        stream_id: object_id.to_owned(),
        version,
        number: Some(number),
        name: None,
        timestamp: None,
        payload: json(&format!(r#"{{"state":{version}}}"#)),
    }
}

/// Returns JSON whose exact text is preserved.
pub(super) fn json(text: &str) -> JsonText {
    JsonText::exact(text).expect("the samples are JSON")
}

/// Returns events without the positions that a store assigned to those events whose expected position is `None`.
pub(super) fn without_assigned_positions(
    mut read: Vec<StreamEvent>,
    expected: &[StreamEvent],
) -> Vec<StreamEvent> {
    for (event, expected) in read.iter_mut().zip(expected) {
        event.position = event.position.filter(|_| expected.position.is_some());
    }
    read
}

/// Checks that exactly these events were read, in this order.
pub(super) fn require_events(read: Vec<StreamEvent>, expected: &[StreamEvent]) -> Result<()> {
    let (count, expected_count) = (read.len(), expected.len());
    ensure(count == expected_count, || {
        format!("{count} events were read, but {expected_count} were expected")
    })?;
    let read = without_assigned_positions(read, expected);
    match read.iter().zip(expected).find(|(event, expected)| event != expected) {
        None => Ok(()),
        Some((event, expected)) => Err(failed(format!("{event:?} was read, but {expected:?} was expected"))),
    }
}

/// Checks that two values are equal.
pub(super) fn require_equal<T: PartialEq + std::fmt::Debug>(
    subject: &str,
    found: &T,
    expected: &T,
) -> Result<()> {
    ensure(found == expected, || format!("{subject}: {found:?}, but {expected:?} was expected"))
}

/// Returns an error with the result of `problem` if the requirement is not fulfilled.
pub(super) fn ensure(is_fulfilled: bool, problem: impl FnOnce() -> String) -> Result<()> {
    if is_fulfilled { Ok(()) } else { Err(failed(problem())) }
}

pub(super) fn failed(problem: String) -> Error {
    Error::new(ErrorKind::Provider, problem)
}
