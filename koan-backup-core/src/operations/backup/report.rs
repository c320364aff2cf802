//! What a backup did.

use jiff::Timestamp;

use crate::archive::{BackupStatus, Manifest};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::foundation::series::SeriesName;
use crate::operations::verify::VerifyReport;

/// A backup that was published.
///
/// With `continue_on_error` it can be one that failed in part: look at [`status`](Self::status), or call
/// [`require_complete`](Self::require_complete).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BackupReport {
    manifest: Manifest,
    verification: Option<(Timestamp, VerifyReport)>,
}

impl BackupReport {
    pub(super) fn new(manifest: Manifest) -> Self {
        Self { manifest, verification: None }
    }

    pub(super) fn with_verification(self, verified_at: Timestamp, verification: VerifyReport) -> Self {
        Self { verification: Some((verified_at, verification)), ..self }
    }

    /// When it was verified: read back from the storage after it was published. `None` without
    /// [`verify_after`](crate::builders::BackupBuilder::verify_after).
    pub fn verified_at(&self) -> Option<Timestamp> {
        self.verification.as_ref().map(|(verified_at, _)| *verified_at)
    }

    /// What the verification found. What no key opened is [unopened](VerifyReport::unopened): of that, bytes and hashes were checked.
    pub fn verification(&self) -> Option<&VerifyReport> {
        self.verification.as_ref().map(|(_, verification)| verification)
    }

    /// The backup's id.
    pub fn id(&self) -> BackupId {
        self.manifest.id
    }

    /// The series it belongs to, which retention, health and statistics count together.
    pub fn series(&self) -> SeriesName {
        self.manifest.series_name()
    }

    /// How it ended.
    pub fn status(&self) -> BackupStatus {
        self.manifest.status
    }

    /// Whether everything asked for is in it.
    pub fn is_complete(&self) -> bool {
        self.manifest.status.is_complete()
    }

    /// The report, if everything asked for is in the backup.
    ///
    /// # Errors
    /// An entity failed; the error names it.
    pub fn require_complete(self) -> Result<Self> {
        if self.is_complete() {
            return Ok(self);
        }
        let failed = self.manifest.entities.iter().find_map(|entity| {
            entity.error.as_ref().map(|error| format!("`{}` failed: {error}", entity.entity))
        });
        Err(Error::new(
            ErrorKind::Record,
            format!(
                "backup {} is incomplete: {}",
                self.manifest.id,
                failed.unwrap_or_else(|| "see its manifest".to_owned())
            ),
        ))
    }

    /// Records in the archive.
    pub fn item_count(&self) -> u64 {
        self.manifest.verification.total_item_count
    }

    /// What whoever restores should know.
    pub fn warnings(&self) -> &[String] {
        &self.manifest.warnings
    }

    /// The manifest as it was published.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }
}
