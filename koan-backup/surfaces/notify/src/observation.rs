//! The notifications of events.

use koan_backup_core::Event;
use koan_backup_core::archive::BackupStatus;
use koan_backup_core::catalog::SeriesName;

use crate::history::Previous;
use crate::notification::{Notification, NotificationKind};
use crate::notifier::Notifier;

impl Notifier {
    /// Notifies of an event.
    pub(crate) fn observe(&self, event: &Event) {
        match event {
            Event::BackupStarted { id, name, .. } => {
                let (series, name) = (SeriesName::of(name).to_string(), name.to_string());
                self.history().started(*id, series.clone(), name.clone());
                let mut notification = Notification::new(vec![NotificationKind::Start], series, name);
                notification.backup_id = Some(*id);
                self.send(notification);
            }
            Event::BackupFinished { id, status } => {
                let Some(running) = self.history().ended(*id) else { return };
                let Some(kinds) = self.kinds(*status, &running.series) else { return };
                let duration = running.elapsed();
                let notification = Notification::new(kinds, running.series, running.name);
                let mut notification = notification.lasted(Some(duration));
                notification.backup_id = Some(*id);
                self.send(notification);
            }
            _ => {}
        }
    }

    /// Records the end of a backup, and returns under which kinds a target can receive it, the most important first. A
    /// cancelled backup is not notified.
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
