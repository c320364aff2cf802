//! The end of a single backup or of its restore, which is announced exactly once.

use std::time::Instant;

use crate::environment::Environment;
use crate::environment::event::{Event, Listener};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;

/// Emits [`Event::StreamBackupFinished`] or [`Event::StreamRestoreFinished`] exactly once: when the work ends, or when this
/// value is dropped because the future of the work was dropped.
#[derive(Debug)]
pub(super) struct StreamEnd {
    listener: Listener,
    started: Instant,
    /// What ends. `None` once the end was announced.
    work: Option<Work>,
}

/// What ends.
#[derive(Debug)]
enum Work {
    Backup { id: Option<BackupId>, object: String },
    Restore { id: BackupId, object: Option<String> },
}

impl StreamEnd {
    pub(super) fn of_backup(environment: &Environment, object: &str) -> Self {
        Self::new(environment, Work::Backup { id: None, object: object.to_owned() })
    }

    pub(super) fn of_restore(environment: &Environment, id: BackupId, object: Option<&str>) -> Self {
        Self::new(environment, Work::Restore { id, object: object.map(str::to_owned) })
    }

    fn new(environment: &Environment, work: Work) -> Self {
        let listener = environment.listener(&Listener::default());
        Self { listener, started: Instant::now(), work: Some(work) }
    }

    /// Records the object name of the backup that was found.
    pub(super) fn identify(&mut self, found: &str) {
        if let Some(Work::Restore { object, .. }) = &mut self.work {
            *object = Some(found.to_owned());
        }
    }

    /// Records the id of the backup that was made.
    pub(super) fn made(&mut self, made: BackupId) {
        if let Some(Work::Backup { id, .. }) = &mut self.work {
            *id = Some(made);
        }
    }

    /// Announces the end, unless it was announced before.
    pub(super) fn announce<T>(&mut self, result: &Result<T>) {
        self.emit(result.as_ref().err().map(Error::kind));
    }

    fn emit(&mut self, error: Option<ErrorKind>) {
        let Some(work) = self.work.take() else { return };
        let duration = self.started.elapsed();
        self.listener.emit(|| match work {
            Work::Backup { id, object } => Event::StreamBackupFinished { id, object, error, duration },
            Work::Restore { id, object } => Event::StreamRestoreFinished { id, object, error, duration },
        });
    }
}

/// Announces the end of work whose future was dropped.
impl Drop for StreamEnd {
    fn drop(&mut self) {
        self.emit(Some(ErrorKind::Cancelled));
    }
}
