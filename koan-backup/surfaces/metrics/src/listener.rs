//! The effect of events on the metrics.

use std::time::Duration;

use jiff::Timestamp;
use koan_backup_core::Event;
use koan_backup_core::catalog::SeriesName;

use crate::outcome::{OperationKind, Outcome};
use crate::state::State;

impl State {
    /// Changes the metrics according to an event.
    pub(crate) fn observe(&mut self, event: &Event) {
        match event {
            Event::BackupStarted { id, name, .. } => {
                self.started(OperationKind::Backup, *id, SeriesName::of(name).to_string());
            }
            Event::BackupFinished { id, status } => {
                let Some(running) = self.ended(OperationKind::Backup, *id) else { return };
                self.run_ended(&running.series, Outcome::of(*status), running.since.elapsed());
            }
            Event::RestoreStarted { id, .. } => {
                self.started(OperationKind::Restore, *id, String::new());
            }
            Event::RestoreFinished { id, .. } => {
                self.ended(OperationKind::Restore, *id);
            }
            _ => {}
        }
    }

    fn run_ended(&mut self, series: &str, outcome: Outcome, duration: Duration) {
        match self.series(series) {
            Some(series) => series.ended(outcome, duration, Timestamp::now()),
            None => self.count_other(outcome),
        }
    }
}
