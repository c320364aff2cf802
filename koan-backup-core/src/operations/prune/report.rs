//! The report of a prune.

use serde::Serialize;

use crate::foundation::id::{BackupId, BackupName};

/// The report of a prune: what was removed, and what was verified before.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PruneReport {
    /// The removed backups, oldest first.
    pub removed: Vec<RemovedBackup>,
    /// The newest valid backup of each series, entity and set of which backups were removed. These backups
    /// stay.
    pub verified: Vec<BackupId>,
    /// Newer backups that are damaged, with a description of the damage. They stay too.
    pub damaged: Vec<(BackupId, String)>,
}

/// A backup that was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RemovedBackup {
    /// The id of the backup.
    pub id: BackupId,
    /// The name of the backup.
    pub name: BackupName,
    /// The size of its archive and its manifest.
    pub freed_bytes: u64,
}

impl PruneReport {
    /// Returns how many bytes were freed.
    pub fn freed_bytes(&self) -> u64 {
        self.removed.iter().map(|backup| backup.freed_bytes).sum()
    }
}
