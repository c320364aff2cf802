//! What pruning did.

use serde::Serialize;

use crate::foundation::id::{BackupId, BackupName};

/// What was removed, and what was looked at before.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PruneReport {
    /// The backups that are gone, in the order in which they went: oldest first.
    pub removed: Vec<RemovedBackup>,
    /// Of each series, entity and set of which something was removed, the newest backup that was found to be whole; it stays.
    pub verified: Vec<BackupId>,
    /// Newer ones that are damaged, and how. They stay too.
    pub damaged: Vec<(BackupId, String)>,
}

/// A backup that is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RemovedBackup {
    /// Its id.
    pub id: BackupId,
    /// Its name.
    pub name: BackupName,
    /// Bytes of its archive and its manifest.
    pub freed_bytes: u64,
}

impl PruneReport {
    /// Bytes that are free now.
    pub fn freed_bytes(&self) -> u64 {
        self.removed.iter().map(|backup| backup.freed_bytes).sum()
    }
}
