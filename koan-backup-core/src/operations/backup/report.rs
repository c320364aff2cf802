//! The report of a backup.

use jiff::Timestamp;

use crate::archive::{BackupStatus, Manifest};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::foundation::series::SeriesName;
use crate::operations::verify::VerifyReport;

/// The report of a backup that was published.
///
/// With `continue_on_error`, some entities may have failed: check [`status`](Self::status), or call
/// [`require_complete`](Self::require_complete).
///
/// ```
/// # koan_backup_shop::run(async |koan| {
/// let report = koan.backup("nightly").verify_after().await?.require_complete()?;
/// for warning in report.warnings() {
///     eprintln!("{warning}");
/// }
/// assert_eq!(report.item_count(), 6);
/// assert!(report.verified_at().is_some());
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use = "with `continue_on_error`, entities can have failed: call `require_complete`, or bind the report"]
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

    /// Returns when the backup was verified: read back from the storage after publication. It is `None`
    /// without [`verify_after`](crate::builders::BackupBuilder::verify_after).
    pub fn verified_at(&self) -> Option<Timestamp> {
        self.verification.as_ref().map(|(verified_at, _)| *verified_at)
    }

    /// Returns the report of the verification. For content that no key decrypted
    /// ([`undecrypted`](VerifyReport::undecrypted)), only bytes and hashes were checked.
    pub fn verification(&self) -> Option<&VerifyReport> {
        self.verification.as_ref().map(|(_, verification)| verification)
    }

    /// Returns the id of the backup.
    pub fn id(&self) -> BackupId {
        self.manifest.id
    }

    /// Returns the series of the backup. Retention, health and statistics treat the backups of a series
    /// together.
    pub fn series(&self) -> SeriesName {
        self.manifest.series_name()
    }

    /// Returns the status of the backup.
    pub fn status(&self) -> BackupStatus {
        self.manifest.status
    }

    /// Returns whether the backup contains all selected entities.
    pub fn is_complete(&self) -> bool {
        self.manifest.status.is_complete()
    }

    /// Returns the report if the backup contains all selected entities.
    ///
    /// # Errors
    /// An entity failed. The error contains its name.
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

    /// Returns the number of records in the archive.
    pub fn item_count(&self) -> u64 {
        self.manifest.verification.total_item_count
    }

    /// Returns the warnings about the backup, which are also in its manifest.
    pub fn warnings(&self) -> &[String] {
        &self.manifest.warnings
    }

    /// Returns the manifest as it was published.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }
}
