//! The size of events and snapshots in memory, by which they are divided into batches.

use std::mem::size_of;

use koan_backup_core::entity::stream::{JsonText, StreamEvent, StreamSnapshot};

/// The size at which a batch ends.
pub const BATCH_BYTES: usize = 1 << 20;

/// Returns about how many bytes an event needs in memory.
pub fn event_bytes(event: &StreamEvent) -> usize {
    let optional = [&event.schema_version, &event.external_sequencer, &event.action, &event.timestamp]
        .into_iter()
        .flatten();
    size_of::<StreamEvent>()
        + event.object_id.len()
        + event.stream_id.len()
        + event.event_type.len()
        + optional.map(String::len).sum::<usize>()
        + event.metadata.as_ref().map_or(0, json_bytes)
        + json_bytes(&event.payload)
}

/// Returns about how many bytes a snapshot needs in memory.
pub fn snapshot_bytes(snapshot: &StreamSnapshot) -> usize {
    size_of::<StreamSnapshot>()
        + snapshot.object_id.len()
        + snapshot.stream_id.len()
        + snapshot.timestamp.as_ref().map_or(0, String::len)
        + json_bytes(&snapshot.payload)
}

fn json_bytes(json: &JsonText) -> usize {
    json.as_json().get().len() + json.other_text().map_or(0, str::len)
}
