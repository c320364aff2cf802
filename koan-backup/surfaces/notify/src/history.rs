//! How the last backup of each series ended, and which backups are running.

use std::collections::BTreeSet;

use koan_backup_core::catalog::CatalogEntry;
use koan_backup_core::{ApplicationIdentity, BackupId};

/// How the last backup of each series ended, and which backups are running.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// The application, once a context is attached.
    pub(crate) identity: Option<ApplicationIdentity>,
    /// The series whose last backup failed.
    failed: BTreeSet<String>,
    /// The series of which a backup ended in this process. The catalog says nothing newer about them.
    observed: BTreeSet<String>,
    running: BTreeSet<BackupId>,
}

/// Whether a completed backup follows a failed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Previous {
    Failed,
    NotFailed,
}

impl History {
    /// Reads how the last backup of each series ended from the catalog, newest backup first.
    pub(crate) fn read<'a>(&mut self, entries: impl IntoIterator<Item = &'a CatalogEntry>) {
        let mut known = self.observed.clone();
        for entry in entries {
            let series = entry.manifest().series_name().to_string();
            if known.insert(series.clone()) {
                if entry.manifest().status.is_complete() {
                    self.failed.remove(&series);
                } else {
                    self.failed.insert(series);
                }
            }
        }
    }

    pub(crate) fn started(&mut self, id: BackupId) {
        self.running.insert(id);
    }

    pub(crate) fn ended(&mut self, id: BackupId) {
        self.running.remove(&id);
    }

    pub(crate) fn is_running(&self, id: BackupId) -> bool {
        self.running.contains(&id)
    }

    /// Records that a backup failed.
    pub(crate) fn failed(&mut self, series: &str) {
        self.observed.insert(series.to_owned());
        self.failed.insert(series.to_owned());
    }

    /// Records that a backup was completed, and returns whether the previous one had failed.
    pub(crate) fn completed(&mut self, series: &str) -> Previous {
        self.observed.insert(series.to_owned());
        if self.failed.remove(series) { Previous::Failed } else { Previous::NotFailed }
    }
}
