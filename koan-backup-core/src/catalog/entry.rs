//! One backup in the catalog.

use std::sync::Arc;

use crate::archive::{BackupStatus, Manifest};
use crate::foundation::id::BackupId;

/// A backup, and the storage profile it is in. Cheap to clone.
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

    /// The storage profile.
    pub fn profile(&self) -> &str {
        &self.profile
    }

    /// Its manifest; of an archive that is sealed as a whole, the envelope.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Its id.
    pub fn id(&self) -> BackupId {
        self.manifest.id
    }

    /// Bytes of its archive; 0 if it has none.
    pub fn size_bytes(&self) -> u64 {
        self.manifest.archive.as_ref().map_or(0, |archive| archive.size_bytes)
    }

    /// What the last verification by maintenance, or by a retention that was applied, found wrong with it. `None` if nothing was
    /// wrong, or if it was never verified: that alone does not prove that it is whole.
    pub fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    /// What was warned of. `None` if that is not known: the archive is sealed as a whole, and its warnings are in it. That there
    /// are some is known all the same, by its [status](Manifest::status).
    pub fn warnings(&self) -> Option<&[String]> {
        let is_hidden =
            self.manifest.is_sealed() && self.manifest.status == BackupStatus::CompletedWithWarnings;
        (!is_hidden).then_some(self.manifest.warnings.as_slice())
    }

    /// Whether everything asked for is in it, nobody was warned of anything, and no [damage](Self::damage) is known.
    pub fn is_healthy(&self) -> bool {
        let manifest = &self.manifest;
        manifest.status == BackupStatus::Completed && manifest.warnings.is_empty() && self.damage.is_none()
    }
}
