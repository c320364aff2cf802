//! The report of a prune.

use serde::Serialize;

use crate::foundation::id::{BackupId, BackupName};

/// The report of a prune: the removed backups, and the backups that were verified before the removal.
///
/// ```
/// use koan_backup::Retention;
/// # koan_backup_shop::run(async |koan| {
/// let retention = koan.retention(Retention::new().keep_last(1));
/// let report = retention.apply(&retention.plan().await?).await?;
/// for removed in &report.removed {
///     println!("{} {}: {} bytes", removed.name, removed.id, removed.freed_bytes);
/// }
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
#[must_use = "the report lists the backups that were removed"]
pub struct PruneReport {
    /// The removed backups, oldest first.
    pub removed: Vec<RemovedBackup>,
    /// The newest verified backup of each affected group (series, or entity and set). These backups are kept.
    pub verified: Vec<BackupId>,
    /// Damaged backups that are newer than the verified backup of their group, each with a description of the
    /// damage. They are kept as well.
    pub damaged: Vec<(BackupId, String)>,
    /// Files in the directories of backups that were removed from a directory tree which koan-backup did not write, by
    /// their paths in the tree. They are kept. The list is empty for a storage profile.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub foreign_files: Vec<String>,
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
    /// The total size of its archive and its manifest, or of its files in a directory tree.
    pub freed_bytes: u64,
}

impl PruneReport {
    /// Returns the total size of the removed files.
    pub fn freed_bytes(&self) -> u64 {
        self.removed.iter().map(|backup| backup.freed_bytes).sum()
    }
}
