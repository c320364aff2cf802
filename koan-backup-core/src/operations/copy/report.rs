//! What became of a backup that was to be copied.

use serde::Serialize;

use crate::archive::ArchiveFile;
use crate::foundation::id::BackupId;
use crate::operations::verify::VerifyReport;

/// What became of a backup that was to be copied.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CopyReport {
    /// The backup; the copy has the same id.
    pub id: BackupId,
    /// Its archive in the other profile.
    pub archive: ArchiveFile,
    /// Whether it was there before, so that nothing was done. Only the size of its archive was looked at then.
    pub was_there: bool,
    /// The verification of the copy, read back; none if it was there before.
    pub verification: Option<VerifyReport>,
    /// What did not hinder it and should be known.
    pub warnings: Vec<String>,
}
