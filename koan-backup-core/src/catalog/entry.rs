//! One backup in the catalog.

use std::sync::Arc;

use crate::archive::Manifest;
use crate::id::BackupId;

/// A backup, and the storage profile it is in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CatalogEntry {
    profile: Arc<str>,
    manifest: Arc<Manifest>,
}

impl CatalogEntry {
    pub(super) fn new(profile: Arc<str>, manifest: Arc<Manifest>) -> Self {
        Self { profile, manifest }
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

    /// Whether everything asked for is in it, and nobody was warned of anything.
    pub fn is_healthy(&self) -> bool {
        self.manifest.status.is_complete() && self.manifest.warnings.is_empty()
    }
}
