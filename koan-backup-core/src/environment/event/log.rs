//! The built-in listener, which logs backups and restores through `tracing`, inside spans.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tracing::Span;

use super::progress::Progress;
use super::{Event, Listener};
use crate::foundation::clock::Clock;
use crate::foundation::id::SetName;

/// The minimum interval in seconds between two progress messages.
const MIN_PROGRESS_INTERVAL_SECONDS: i64 = 10;

/// Whether backups and restores are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OperationLog {
    /// Backups and restores are logged.
    Emitted,
    /// Backups and restores are not logged, because the application has its own listeners.
    Off,
}

/// Returns the listener of one operation, which emits every event and the progress to `listener`, and logs
/// within `span`.
pub(crate) fn operation_listener(
    listener: Listener,
    log: OperationLog,
    clock: Arc<dyn Clock>,
    span: Span,
) -> Listener {
    if !listener.is_listening() && log == OperationLog::Off {
        return listener;
    }
    let state = Mutex::new(LogState {
        progress: Progress::default(),
        logged_at: clock.now(),
        entities: BTreeMap::new(),
    });
    Listener::new(move |event| {
        listener.emit(|| event.clone());
        // The lock is held until the progress is emitted, so that two threads cannot emit their progress in
        // the wrong order.
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((id, percent)) = state.progress.process(event) {
            listener.emit(|| Event::Progress { id, percent });
        }
        if log == OperationLog::Emitted {
            state.log(event, clock.now(), &span);
        }
    })
}

struct LogState {
    progress: Progress,
    logged_at: Timestamp,
    entities: BTreeMap<(String, SetName), Span>,
}

impl LogState {
    fn log(&mut self, event: &Event, now: Timestamp, operation: &Span) {
        match event {
            Event::BackupStarted { entries, records, .. } => operation.in_scope(|| {
                tracing::info!(target: "koan::backup", entries, records, "backup prepared");
            }),
            Event::RestorePrepared { entries, records, .. } => operation.in_scope(|| {
                tracing::info!(target: "koan::backup", entries, records, "restore prepared");
            }),
            Event::EntityStarted { entity, set, expected } => {
                self.entity_span(entity, set, operation).in_scope(|| {
                    tracing::info!(target: "koan::backup", expected, "entity started");
                });
            }
            Event::EntityPrepared { entity, set } => {
                self.entity_span(entity, set, operation).in_scope(|| {
                    tracing::info!(target: "koan::backup", "entity prepared");
                })
            }
            Event::BatchRead { entity, set, records } => {
                self.log_progress("read", (entity, set, *records), now, operation);
            }
            Event::BlockWritten { entity, set, records, .. } => {
                self.log_progress("written", (entity, set, *records), now, operation);
            }
            Event::BlockVerified { entity, set, records } => {
                self.log_progress("verified", (entity, set, *records), now, operation);
            }
            Event::BatchRestored { entity, set, records } => {
                self.log_progress("restored", (entity, set, *records), now, operation);
            }
            Event::EntityCompleted { entity, set, records, bytes } => {
                self.entity_span(entity, set, operation).in_scope(|| {
                    tracing::info!(target: "koan::backup", records, bytes, "entity completed");
                });
                self.entities.remove(&(entity.clone(), set.clone()));
            }
            Event::EntityFailed { entity, set, error } => {
                self.entity_span(entity, set, operation).in_scope(|| {
                    tracing::warn!(target: "koan::backup", error, "entity failed");
                });
                self.entities.remove(&(entity.clone(), set.clone()));
            }
            // The start and the end are logged by the operation, because an operation can start and end
            // without these events.
            Event::RestoreStarted { .. }
            | Event::RestoreFinished { .. }
            | Event::BackupFinished { .. }
            | Event::StreamBackupFinished { .. }
            | Event::StreamRestoreFinished { .. }
            | Event::VerificationStarted { .. }
            | Event::VerificationFinished { .. }
            | Event::ComparisonStarted { .. }
            | Event::BlockCompared { .. }
            | Event::ArchiveCopied { .. }
            | Event::Progress { .. } => {}
        }
    }

    fn log_progress(&mut self, phase: &str, count: (&str, &SetName, u64), now: Timestamp, operation: &Span) {
        if now.as_second() - self.logged_at.as_second() < MIN_PROGRESS_INTERVAL_SECONDS {
            return;
        }
        self.logged_at = now;
        let ((entity, set, records), percent) = (count, self.progress.percent());
        self.entity_span(entity, set, operation).in_scope(|| {
            tracing::info!(target: "koan::backup", percent, phase, records, "progress");
        });
    }

    fn entity_span(&mut self, entity: &str, set: &SetName, operation: &Span) -> Span {
        let span = || tracing::info_span!(target: "koan::backup", parent: operation, "entity", entity, %set);
        self.entities.entry((entity.to_owned(), set.clone())).or_insert_with(span).clone()
    }
}
