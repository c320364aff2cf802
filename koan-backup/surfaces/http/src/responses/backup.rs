//! The result of a backup.

use jiff::Timestamp;
use koan_backup_core::archive::{BackupStatus, Manifest};
use koan_backup_core::report::BackupReport;
use serde::Serialize;
use utoipa::ToSchema;

use super::duration_text;

/// The result of a backup that was published.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BackupResult {
    /// The id of the backup.
    backup_id: String,
    /// The name of the backup.
    backup_name: String,
    /// When the backup started.
    timestamp: Timestamp,
    /// How the backup ended.
    #[schema(value_type = String)]
    status: BackupStatus,
    /// The number of records.
    entity_count: u64,
    /// The number of vectors. It is 0, because no entity has vectors yet.
    vector_count: u64,
    /// The duration as `hh:mm:ss.fff`.
    duration: String,
    /// The size of the archive.
    size_bytes: u64,
    /// The path of the archive in the storage profile.
    archive_file_name: Option<String>,
    /// When the backup was verified, if it was.
    verified_at: Option<Timestamp>,
    /// Warnings that matter for a restore.
    warnings: Vec<String>,
}

impl BackupResult {
    pub(crate) fn new(manifest: &Manifest, verified_at: Option<Timestamp>) -> Self {
        Self {
            backup_id: manifest.id.to_string(),
            backup_name: manifest.name.to_string(),
            timestamp: manifest.created_at,
            status: manifest.status,
            entity_count: manifest.verification.total_item_count,
            vector_count: 0,
            duration: duration_text(manifest.duration_ms),
            size_bytes: manifest.archive.as_ref().map_or(0, |archive| archive.size_bytes),
            archive_file_name: manifest.archive.as_ref().map(|archive| archive.file.clone()),
            verified_at,
            warnings: manifest.warnings.clone(),
        }
    }
}

impl From<&BackupReport> for BackupResult {
    fn from(report: &BackupReport) -> Self {
        Self::new(report.manifest(), report.verified_at())
    }
}
