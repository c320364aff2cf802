//! An entry of the catalog.

use std::sync::Arc;

use crate::archive::{BackupStatus, Manifest};
use crate::foundation::id::BackupId;

/// A backup in a storage profile. It is cheap to clone.
///
/// ```
/// # koan_backup_shop::run(async |koan| {
/// for entry in koan.catalog().all().await? {
///     let manifest = entry.manifest();
///     println!("{} of {} in {}: {} bytes", manifest.name, manifest.created_at, entry.profile(), entry.size_bytes());
/// }
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct CatalogEntry {
    profile: Arc<str>,
    manifest: Arc<Manifest>,
    damage: Option<Arc<str>>,
}

impl CatalogEntry {
    pub(super) fn new(profile: Arc<str>, manifest: Arc<Manifest>) -> Self {
        Self { profile, manifest, damage: None }
    }

    pub(super) fn set_damage(&mut self, problem: &str) {
        self.damage = Some(problem.into());
    }

    /// Returns the name of the storage profile.
    pub fn profile(&self) -> &str {
        &self.profile
    }

    /// Returns the manifest of the backup; if its archive is encrypted as a whole, the envelope.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Returns the id of the backup.
    pub fn id(&self) -> BackupId {
        self.manifest.id
    }

    /// Returns the size of the archive; 0 if there is none.
    pub fn size_bytes(&self) -> u64 {
        self.manifest.archive.as_ref().map_or(0, |archive| archive.size_bytes)
    }

    /// Returns the damage that the last verification found, or `None` if it found no damage or the backup was
    /// never verified.
    pub fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    /// Returns the warnings of the backup, or `None` if they are unknown because they are in an archive that
    /// is encrypted as a whole. In this case, only the [status](Manifest::status) shows that there are
    /// warnings.
    pub fn warnings(&self) -> Option<&[String]> {
        let is_hidden = self.manifest.is_encrypted_as_a_whole()
            && self.manifest.status == BackupStatus::CompletedWithWarnings;
        (!is_hidden).then_some(self.manifest.warnings.as_slice())
    }

    /// Returns whether the backup contains all selected entities, has no warnings, and has no known
    /// [damage](Self::damage).
    pub fn is_healthy(&self) -> bool {
        let manifest = &self.manifest;
        manifest.status == BackupStatus::Completed && manifest.warnings.is_empty() && self.damage.is_none()
    }
}
