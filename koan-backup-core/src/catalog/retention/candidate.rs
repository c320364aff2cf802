//! The properties of a backup on which retention depends.

use jiff::Timestamp;

use crate::foundation::id::{BackupId, BackupName};
use crate::foundation::series::SeriesName;

/// The properties of a backup that a retention plan needs.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) id: BackupId,
    pub(crate) name: BackupName,
    pub(crate) series: SeriesName,
    pub(crate) created_at: Timestamp,
    /// Whether the backup contains all selected entities.
    pub(crate) is_complete: bool,
    pub(crate) tags: Vec<String>,
    /// The current names of the entities in the backup, with a separate item for each set
    /// (`AuditLog#archive`). Each has the declared number of days for which its backups are kept, if there is
    /// one.
    pub(crate) entities: Vec<(String, Option<u32>)>,
    /// Whether the backup is known to be damaged.
    pub(crate) is_damaged: bool,
    /// Why the backup must be kept: the reason of its pin, or the operation that uses it.
    pub(crate) protection_reason: Option<String>,
    pub(crate) size_bytes: u64,
}
