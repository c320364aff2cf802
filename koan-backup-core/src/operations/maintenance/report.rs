//! What a run of maintenance did.

use serde::Serialize;

use crate::catalog::{UnlistedArchive, UnreadableManifest};
use crate::foundation::id::BackupId;
use crate::operations::prune::PruneReport;

/// What a run of maintenance did, by storage profile.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
#[must_use = "failures of maintenance are in its report"]
pub struct MaintenanceReport {
    /// In the order of the profiles.
    pub profiles: Vec<ProfileMaintenance>,
}

/// What was done in one storage profile.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ProfileMaintenance {
    /// Its name.
    pub profile: String,
    /// What retention removed, if there is a retention.
    pub pruned: Option<PruneReport>,
    /// The backup whose turn it was to be verified.
    pub verified: Option<BackupId>,
    /// What is wrong with it, if something is.
    pub damage: Option<String>,
    /// Files of crashed runs that are gone now.
    pub removed_files: Vec<String>,
    /// Their bytes.
    pub freed_bytes: u64,
    /// Archives that crashed runs had begun to upload: of these the store had parts, which nobody sees, and
    /// they are gone now. How many bytes they were is not known.
    pub aborted_uploads: Vec<String>,
    /// Complete archives that no manifest names, and damaged ones that are not merely incomplete. They stay;
    /// [`recover`](crate::builders::Catalog::recover) publishes their manifests again. Empty where leftovers
    /// are not looked for.
    pub unlisted: Vec<UnlistedArchive>,
    /// Manifests that cannot be read. Their backups stay. Empty where neither leftovers nor a retention were
    /// asked for.
    pub unreadable: Vec<UnreadableManifest>,
    /// What somebody else was doing already.
    pub skipped: Vec<String>,
    /// What could not be done, and why.
    pub failures: Vec<String>,
}

impl MaintenanceReport {
    /// Whether nothing failed, nothing is damaged, no archive is unlisted, and every manifest can be read.
    /// What somebody else was doing already is in [`skipped`](ProfileMaintenance::skipped).
    pub fn is_clean(&self) -> bool {
        self.profiles.iter().all(|profile| {
            profile.failures.is_empty()
                && profile.damage.is_none()
                && profile.unlisted.is_empty()
                && profile.unreadable.is_empty()
        })
    }
}
