//! Progress as messages in JSON.

use koan_backup_core::Event;
use serde::Serialize;

use crate::output::Output;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Started<'a> {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    entries: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Advanced {
    id: String,
    percent: u8,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EntityCompleted<'a> {
    entity: &'a str,
    set: &'a str,
    records: u64,
    bytes: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EntityFailed<'a> {
    entity: &'a str,
    set: &'a str,
    error: &'a str,
}

/// Writes the message of an event, if it has one.
pub(super) fn process(output: &Output, event: &Event) {
    match event {
        Event::BackupStarted { id, name, entries, records, .. } => {
            let name = Some(name.as_str());
            let started = Started { id: id.to_string(), name, entries: *entries, records: *records };
            output.message("started", started);
        }
        Event::RestorePrepared { id, entries, records } => {
            let records = Some(*records);
            output.message("started", Started { id: id.to_string(), name: None, entries: *entries, records });
        }
        Event::Progress { id, percent } => {
            output.message("progress", Advanced { id: id.to_string(), percent: *percent });
        }
        Event::EntityCompleted { entity, set, records, bytes } => {
            let completed = EntityCompleted { entity, set: set.as_str(), records: *records, bytes: *bytes };
            output.message("entityCompleted", completed);
        }
        Event::EntityFailed { entity, set, error } => {
            output.message("entityFailed", EntityFailed { entity, set: set.as_str(), error });
        }
        _ => {}
    }
}
