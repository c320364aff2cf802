//! Progress as lines of a log, one for each entity.

use std::sync::atomic::{AtomicBool, Ordering};

use koan_backup_core::Event;
use koan_backup_core::provider::SessionIntent;

use super::label::label;
use crate::amounts::{count_of, size};
use crate::output::Output;

/// The lines of one operation.
#[derive(Debug)]
pub(super) struct Lines {
    output: Output,
    /// Whether records are only compared, so that no entity is completed.
    is_comparison: AtomicBool,
}

impl Lines {
    pub(super) fn new(output: Output) -> Self {
        Self { output, is_comparison: AtomicBool::new(false) }
    }

    /// Writes the line of an event, if it has one.
    pub(super) fn process(&self, event: &Event) {
        match event {
            Event::RestoreStarted { intent, .. } => {
                self.is_comparison.store(*intent == SessionIntent::Compare, Ordering::Relaxed);
            }
            Event::EntityCompleted { entity, set, records, bytes }
                if !self.is_comparison.load(Ordering::Relaxed) =>
            {
                let (label, records) = (label(entity, set), count_of(*records, "record"));
                self.output.note(format!("  {label}: {records}, {}", size(*bytes)));
            }
            Event::EntityFailed { entity, set, error } => {
                self.output.note(format!("  {}: failed: {error}", label(entity, set)));
            }
            _ => {}
        }
    }
}
