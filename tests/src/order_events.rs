//! Events of orders, with a value in every field that a store can keep.

use koan_backup::event_store::{JsonText, NewEvent, StreamEvent, StreamSnapshot};

/// Returns an event of a type, whose payload is this text of JSON.
pub fn event(event_type: &str, payload: &str) -> NewEvent {
    NewEvent::with_payload(event_type, json(payload))
        .schema_version("1.0")
        .external_sequencer("7")
        .action("test")
        .timestamp("2026-07-01T12:00:00.123456Z")
        .metadata(&["operator", "admin"])
        .expect("metadata")
}

/// Returns JSON whose exact text is preserved.
pub fn json(text: &str) -> JsonText {
    JsonText::exact(text).expect("JSON")
}

/// Returns an event of the aggregate `id` without optional values, in its only stream.
pub fn minimal_event(id: &str, version: u64) -> StreamEvent {
    NewEvent::with_payload("A", json("{}")).into_stream_event(id, id, version)
}

/// Returns a snapshot of the aggregate `id` without optional values, of its only stream.
pub fn minimal_snapshot(id: &str, version: u64) -> StreamSnapshot {
    StreamSnapshot {
        object_id: id.to_owned(),
        stream_id: id.to_owned(),
        version,
        number: None,
        name: None,
        timestamp: None,
        payload: json("{}"),
    }
}
