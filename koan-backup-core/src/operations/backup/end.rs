//! The end of a backup, which is announced exactly once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::options::BackupOptions;
use super::report::BackupReport;
use crate::archive::{BackupStatus, Manifest};
use crate::environment::Environment;
use crate::environment::event::{Event, Listener};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::{BackupId, BackupName};
use crate::foundation::series::SeriesName;

/// Emits [`Event::BackupFinished`] exactly once: when the backup ends, or when this value is dropped because the future
/// of the backup was dropped.
#[derive(Debug)]
pub(crate) struct BackupEnd {
    listener: Listener,
    name: BackupName,
    series: SeriesName,
    started: Instant,
    known: Mutex<KnownBackup>,
    is_emitted: AtomicBool,
}

/// What is known about a backup before it ends.
#[derive(Clone, Debug, Default)]
struct KnownBackup {
    id: Option<BackupId>,
    /// The manifest, once it is published.
    published: Option<Arc<Manifest>>,
}

/// Announces a backup that was refused before it was run.
pub(crate) fn announce_refusal(
    environment: &Environment,
    name: &BackupName,
    options: &BackupOptions,
    error: &Error,
) {
    BackupEnd::new(environment.listener(&options.listener), name, options).fail(error);
}

impl BackupEnd {
    pub(crate) fn new(listener: Listener, name: &BackupName, options: &BackupOptions) -> Self {
        Self {
            listener,
            name: name.clone(),
            series: options.series_of(name),
            started: Instant::now(),
            known: Mutex::default(),
            is_emitted: AtomicBool::new(false),
        }
    }

    pub(crate) fn listener(&self) -> &Listener {
        &self.listener
    }

    pub(crate) fn name(&self) -> &BackupName {
        &self.name
    }

    /// Records the id, which is known from now on.
    pub(crate) fn identify(&self, id: BackupId) {
        self.known().id = Some(id);
    }

    /// Records that the backup is published, whatever happens to the operation afterwards.
    pub(crate) fn publish(&self, manifest: &Manifest) {
        *self.known() = KnownBackup { id: Some(manifest.id), published: Some(Arc::new(manifest.clone())) };
    }

    /// Announces the end of a backup into a storage profile, unless its end was announced before.
    pub(super) fn announce(&self, outcome: &Result<BackupReport>) {
        match outcome {
            Ok(report) => self.emit(report.status(), None),
            Err(error) => self.fail(error),
        }
    }

    /// Announces that the backup ended with this status, unless its end was announced before.
    pub(crate) fn complete(&self, status: BackupStatus) {
        self.emit(status, None);
    }

    /// Announces that the operation failed, unless its end was announced before.
    pub(crate) fn fail(&self, error: &Error) {
        // A published backup was not cancelled: only its verification was.
        let is_cancelled = error.kind() == ErrorKind::Cancelled && self.known().published.is_none();
        let status = if is_cancelled { BackupStatus::Cancelled } else { BackupStatus::Failed };
        self.emit(status, Some(error.chain()));
    }

    fn emit(&self, status: BackupStatus, error: Option<String>) {
        if self.is_emitted.swap(true, Ordering::Relaxed) {
            return;
        }
        let KnownBackup { id, published } = self.known().clone();
        self.listener.emit(|| Event::BackupFinished {
            id,
            name: self.name.clone(),
            series: self.series.clone(),
            status,
            error,
            manifest: published,
            duration: self.started.elapsed(),
        });
    }

    fn known(&self) -> MutexGuard<'_, KnownBackup> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Announces the end of a backup whose future was dropped.
impl Drop for BackupEnd {
    fn drop(&mut self) {
        self.fail(&Error::cancelled());
    }
}
