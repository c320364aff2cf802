//! The end of a restore, which is announced exactly once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::options::RestoreOptions;
use crate::archive::Manifest;
use crate::catalog::{BackupRef, SeriesName};
use crate::environment::Environment;
use crate::environment::event::{Event, Listener};
use crate::foundation::error::Error;
use crate::foundation::id::{BackupId, BackupName};

use crate::provider::SessionIntent;

/// Emits [`Event::RestoreFinished`] exactly once: when the restore ends, or when this value is dropped because the
/// future of the restore was dropped.
#[derive(Debug)]
pub(super) struct RestoreEnd {
    listener: Listener,
    intent: SessionIntent,
    started: Instant,
    known: Mutex<KnownRestore>,
    is_emitted: AtomicBool,
}

/// What is known about a restore before it ends.
#[derive(Clone, Debug, Default)]
struct KnownRestore {
    id: Option<BackupId>,
    name: Option<BackupName>,
    series: Option<SeriesName>,
    /// Whether the restore is committed, whatever happens to the operation afterwards.
    is_committed: bool,
}

/// Announces a restore that was refused before it was run.
pub(crate) fn announce_refusal(
    environment: &Environment,
    wanted: &BackupRef,
    options: &RestoreOptions,
    error: &Error,
) {
    let end = RestoreEnd::new(environment.listener(&options.listener), wanted, options.intent);
    end.announce::<()>(Err(error));
}

impl RestoreEnd {
    pub(super) fn new(listener: Listener, wanted: &BackupRef, intent: SessionIntent) -> Self {
        let name = match wanted {
            BackupRef::Name(name) | BackupRef::LatestNamed(name) => BackupName::new(name.clone()).ok(),
            _ => None,
        };
        let known = Mutex::new(KnownRestore { name, ..KnownRestore::default() });
        Self { listener, intent, started: Instant::now(), known, is_emitted: AtomicBool::new(false) }
    }

    pub(super) fn listener(&self) -> &Listener {
        &self.listener
    }

    /// Records the backup that was found.
    pub(super) fn identify(&self, manifest: &Manifest) {
        self.change(|known| {
            known.id = Some(manifest.id);
            known.name = Some(manifest.name.clone());
            known.series = Some(manifest.series_name());
        });
    }

    /// Records that the restore is committed.
    pub(super) fn commit(&self) {
        self.change(|known| known.is_committed = true);
    }

    /// Announces the end of the restore, unless it was announced before.
    pub(super) fn announce<T>(&self, outcome: Result<T, &Error>) {
        self.emit(outcome.err().map(Error::chain));
    }

    fn emit(&self, error: Option<String>) {
        if self.is_emitted.swap(true, Ordering::Relaxed) {
            return;
        }
        let KnownRestore { id, name, series, .. } = self.change(|known| known.clone());
        self.listener.emit(|| Event::RestoreFinished {
            id,
            name,
            series,
            intent: self.intent,
            error,
            duration: self.started.elapsed(),
        });
    }

    fn change<T>(&self, change: impl FnOnce(&mut KnownRestore) -> T) -> T {
        change(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Announces the end of a restore whose future was dropped.
impl Drop for RestoreEnd {
    fn drop(&mut self) {
        let is_committed = self.change(|known| known.is_committed);
        self.emit((!is_committed).then(|| Error::cancelled().chain()));
    }
}
