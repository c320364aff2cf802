//! The report of a maintenance run.

use serde::Serialize;

use crate::catalog::stream_backups::{DamagedStreamBackup, UnlistedStreamContent, UnreadableStreamBackup};
use crate::catalog::{UnlistedArchive, UnreadableManifest};
use crate::foundation::id::BackupId;
use crate::operations::prune::PruneReport;
use crate::operations::streams::StreamCleanupReport;

/// The report of a maintenance run, by storage profile and directory tree.
///
/// ```
/// # koan_backup_shop::run(async |koan| {
/// let report = koan.maintenance().await?;
/// for profile in &report.profiles {
///     println!("{}: verified {:?}, {} bytes freed", profile.profile, profile.verified, profile.freed_bytes);
/// }
/// assert!(report.is_clean());
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
#[must_use = "failures of maintenance are in its report"]
pub struct MaintenanceReport {
    /// The reports of the profiles, in their order.
    pub profiles: Vec<ProfileMaintenance>,
    /// The reports of the directory trees that have a retention policy, in their order.
    pub directories: Vec<DirectoryMaintenance>,
}

/// The maintenance of one directory tree.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DirectoryMaintenance {
    /// The root of the tree.
    pub root: String,
    /// The report of the prune. `None` if it failed or was skipped.
    pub pruned: Option<PruneReport>,
    /// Why the prune was skipped: another operation is writing into the tree. A later run performs it.
    pub skipped: Option<String>,
    /// Why the prune failed.
    pub failure: Option<String>,
}

/// The maintenance of one storage profile.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ProfileMaintenance {
    /// The name of the profile.
    pub profile: String,
    /// The report of the prune. `None` without a retention policy, or if the prune failed.
    pub pruned: Option<PruneReport>,
    /// The backup that was verified in this run.
    pub verified: Option<BackupId>,
    /// The damage of the verified backup, if there is any.
    pub damage: Option<String>,
    /// Files of crashed processes that were removed.
    pub removed_files: Vec<String>,
    /// The size of the removed files.
    pub freed_bytes: u64,
    /// Archives whose incomplete multipart uploads were aborted, because the uploading processes crashed. The
    /// size of their parts is unknown.
    pub aborted_uploads: Vec<String>,
    /// Complete archives to which no manifest refers, and damaged archives that are not only truncated. They
    /// are kept; [`recover`](crate::builders::Catalog::recover) publishes their manifests again. The list is
    /// empty if the cleanup is disabled.
    pub unlisted: Vec<UnlistedArchive>,
    /// Manifests that cannot be read. Their backups are kept. The list is empty if neither cleanup nor
    /// retention is enabled.
    pub unreadable: Vec<UnreadableManifest>,
    /// The single backups of event streams.
    pub stream_backups: StreamMaintenance,
    /// Tasks that were skipped because another process was working on the same subject.
    pub skipped: Vec<String>,
    /// The names of the tasks that were skipped completely, because another process holds the lease of their subject:
    /// `cleanup`, `retention`, `verification`, `stream-expiry`, `stream-verification` or `catalog`. [`skipped`](Self::skipped) contains the reasons.
    pub busy_tasks: Vec<String>,
    /// Tasks that failed, with the reasons.
    pub failures: Vec<String>,
}

/// The maintenance of the single backups of event streams in one storage profile.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StreamMaintenance {
    /// The report of the removal of expired backups. `None` if they are not removed, or if the removal failed.
    pub expired: Option<StreamCleanupReport>,
    /// The number of backups that were verified in this run.
    pub verified: u64,
    /// The backups that were found to be damaged, or whose content is missing.
    pub damaged: Vec<DamagedStreamBackup>,
    /// Contents to which no `.meta` refers. They are kept. The list is empty if the cleanup is disabled.
    pub unlisted: Vec<UnlistedStreamContent>,
    /// The `.meta` files that cannot be read. Their backups are kept. The list is empty if the cleanup is disabled.
    pub unreadable: Vec<UnreadableStreamBackup>,
}

impl StreamMaintenance {
    fn is_clean(&self) -> bool {
        self.damaged.is_empty() && self.unlisted.is_empty() && self.unreadable.is_empty()
    }
}

impl MaintenanceReport {
    /// Returns whether nothing failed, no backup is damaged, no archive is unlisted, and every manifest can be
    /// read. [Skipped](ProfileMaintenance::skipped) tasks do not count; see [`is_busy`](Self::is_busy).
    pub fn is_clean(&self) -> bool {
        self.profiles.iter().all(|profile| {
            profile.failures.is_empty()
                && profile.damage.is_none()
                && profile.pruned.iter().all(|pruned| pruned.damaged.is_empty())
                && profile.unlisted.is_empty()
                && profile.unreadable.is_empty()
                && profile.stream_backups.is_clean()
        }) && self.directories.iter().all(|directory| {
            directory.failure.is_none() && directory.pruned.iter().all(|pruned| pruned.damaged.is_empty())
        })
    }

    /// Returns whether a task was skipped in a profile or a directory tree, because another process works on the same
    /// subject. A later run performs it.
    pub fn is_busy(&self) -> bool {
        self.profiles.iter().any(|profile| !profile.busy_tasks.is_empty())
            || self.directories.iter().any(|directory| directory.skipped.is_some())
    }
}
