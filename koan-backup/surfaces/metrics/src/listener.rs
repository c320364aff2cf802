//! The effect of events on the metrics.

use std::time::Duration;

use jiff::Timestamp;
use koan_backup_core::Event;
use koan_backup_core::report::VerificationOutcome;

use crate::outcome::{OperationKind, Outcome};
use crate::state::State;

impl State {
    /// Changes the metrics according to an event.
    pub(crate) fn observe(&mut self, event: &Event) {
        match event {
            Event::BackupStarted { id, .. } => self.started(OperationKind::Backup, *id),
            Event::BackupFinished { id, series, status, manifest, duration, .. } => {
                if let Some(id) = id {
                    self.ended(OperationKind::Backup, *id);
                }
                self.run_ended(series.as_str(), Outcome::of(*status), *duration);
                if let (Some(manifest), Some(series)) = (manifest, self.series(series.as_str())) {
                    series.read(manifest);
                }
            }
            Event::RestoreStarted { id, .. } => self.started(OperationKind::Restore, *id),
            Event::RestoreFinished { id: Some(id), .. } => self.ended(OperationKind::Restore, *id),
            Event::VerificationFinished {
                series,
                is_complete: true,
                outcome: VerificationOutcome::Valid,
                ..
            } => {
                if let Some(series) = self.series(series.as_str()) {
                    series.verified(Timestamp::now());
                }
            }
            Event::StreamBackupFinished { object, error, .. } => self.streams.backup_ended(object, *error),
            Event::StreamRestoreFinished { object, error, .. } => {
                self.streams.restore_ended(object.as_deref(), *error);
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
