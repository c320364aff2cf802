//! The report of the restore of a single backup.

use serde::Serialize;

use super::options::StreamRestoreOptions;
use crate::catalog::stream_backups::StoredStreamBackup;
use crate::foundation::id::BackupId;

/// What the restore of a single backup did with the aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum StreamRestoreOutcome {
    /// The aggregate did not exist and was written.
    Restored,
    /// The aggregate existed and now contains what the backup contains.
    Replaced,
    /// The aggregate existed and was not changed.
    Kept,
}

/// The report of the restore of a single backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StreamRestoreReport {
    /// The id of the backup.
    pub backup: BackupId,
    /// The object name.
    pub object: String,
    /// The object id that was restored: that of the backup, or that of the clone.
    pub object_id: String,
    /// Whether the backup is encrypted.
    pub encrypted: bool,
    /// What was done with the aggregate.
    pub outcome: StreamRestoreOutcome,
    /// The number of events that were written, of all streams.
    pub events: u64,
    /// The number of snapshots that were written.
    pub snapshots: u64,
    /// The number of terminated streams that were written.
    pub terminated_streams: u64,
    /// Whether the document of the backup was written.
    pub document: bool,
    /// The number of terminated streams that existed, are not in the backup and were kept, because the backup does not
    /// include terminated streams.
    pub kept_terminated_streams: u64,
    /// The description of the restore.
    pub description: Option<String>,
}

impl StreamRestoreReport {
    pub(super) fn new(
        stored: &StoredStreamBackup<'_>,
        object: &str,
        object_id: &str,
        options: &StreamRestoreOptions,
    ) -> Self {
        Self {
            backup: stored.meta.backup_id,
            object: object.to_owned(),
            object_id: object_id.to_owned(),
            encrypted: stored.meta.encryption.is_some(),
            outcome: StreamRestoreOutcome::Restored,
            events: 0,
            snapshots: 0,
            terminated_streams: 0,
            document: false,
            kept_terminated_streams: 0,
            description: options.description.clone(),
        }
    }
}
