//! Progress as lines of a log, one for each entity.

use koan_backup_core::Event;

use super::label::label;
use crate::amounts::{count_of, size};
use crate::output::Output;

/// Writes the line of an event, if it has one.
pub(super) fn process(output: &Output, event: &Event) {
    match event {
        Event::EntityCompleted { entity, set, records, bytes } => {
            output.note(format!(
                "  {}: {}, {}",
                label(entity, set),
                count_of(*records, "record"),
                size(*bytes)
            ));
        }
        Event::EntityFailed { entity, set, error } => {
            output.note(format!("  {}: failed: {error}", label(entity, set)));
        }
        _ => {}
    }
}
