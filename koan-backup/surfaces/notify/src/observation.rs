//! The notifications of events.

use koan_backup_core::Event;
use koan_backup_core::archive::BackupStatus;
use koan_backup_core::report::VerificationOutcome;

use crate::history::Previous;
use crate::notification::{Notification, NotificationKind, NotifiedOperation};
use crate::notifier::Notifier;

impl Notifier {
    /// Notifies of an event.
    pub(crate) fn observe(&self, event: &Event) {
        match event {
            Event::BackupStarted { id, name, series, .. } => {
                self.history().started(*id);
                let kinds = vec![NotificationKind::Start];
                let mut notification = Notification::new(kinds, series.to_string(), name.to_string());
                notification.backup_id = Some(*id);
                self.send(notification);
            }
            Event::BackupFinished { id, name, series, status, error, manifest, duration, .. } => {
                if let Some(id) = id {
                    self.history().ended(*id);
                }
                let Some(kinds) = self.kinds(*status, series.as_str()) else { return };
                let mut notification = Notification::new(kinds, series.to_string(), name.to_string());
                notification.backup_id = *id;
                notification.error.clone_from(error);
                notification.set_duration(*duration);
                if let Some(manifest) = manifest {
                    notification.set_content(manifest);
                }
                self.send(notification);
            }
            // The end of a backup that is still running says that its own verification found a fault.
            Event::VerificationFinished { id, name, series, outcome, .. }
                if !self.history().is_running(*id) =>
            {
                let (kind, problem) = match outcome {
                    VerificationOutcome::Damaged { problem } => (NotificationKind::Failure, problem),
                    VerificationOutcome::Unknown { error } => (NotificationKind::Warning, error),
                    _ => return,
                };
                let mut notification = Notification::new(vec![kind], series.to_string(), name.to_string());
                notification.operation = NotifiedOperation::Verification;
                notification.backup_id = Some(*id);
                notification.error = Some(problem.clone());
                self.send(notification);
            }
            _ => {}
        }
    }

    /// Records the end of a backup, and returns under which kinds a target can receive it, the most important first.
    /// A cancelled backup is not notified.
    fn kinds(&self, status: BackupStatus, series: &str) -> Option<Vec<NotificationKind>> {
        use NotificationKind::{Failure, Recovery, Success, Warning};
        let mut history = self.history();
        let recovery = |previous| (previous == Previous::Failed).then_some(Recovery);
        Some(match status {
            BackupStatus::Completed => {
                let previous = history.completed(series);
                recovery(previous).into_iter().chain([Success]).collect()
            }
            BackupStatus::CompletedWithWarnings => {
                let previous = history.completed(series);
                [Warning].into_iter().chain(recovery(previous)).chain([Success]).collect()
            }
            BackupStatus::Cancelled => return None,
            _ => {
                history.failed(series);
                vec![Failure]
            }
        })
    }
}
