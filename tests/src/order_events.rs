//! Events of orders, with a value in every field that a store can keep.

use koan_backup::event_store::{JsonText, NewEvent};

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
