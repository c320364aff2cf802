//! A loss of records from one backup of a series to the next.

use jiff::Timestamp;
use serde::Serialize;

use crate::foundation::id::{BackupId, SetName};
use crate::foundation::series::SeriesName;

/// An entity that has far fewer records than in the previous backup of the series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SizeDrop {
    /// The name of the entity.
    pub entity: String,
    /// The set.
    pub set: SetName,
    /// The series of the two backups.
    pub series: SeriesName,
    /// The newer backup.
    pub backup: BackupId,
    /// When the newer backup started.
    pub created_at: Timestamp,
    /// The previous backup.
    pub previous: BackupId,
    /// When the previous backup started.
    pub previous_created_at: Timestamp,
    /// The number of records in the previous backup.
    pub before: u64,
    /// The number of records in the newer backup.
    pub after: u64,
}

/// Returns whether more than `percent` percent of the records are missing.
pub(super) fn is_loss(before: u64, after: u64, percent: u8) -> bool {
    u128::from(after) * 100 < u128::from(before) * u128::from(100 - percent.min(100))
}
