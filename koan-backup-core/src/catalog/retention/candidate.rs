//! A backup as retention considers it.

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
    /// Whether the backup contains everything that was selected.
    pub(crate) is_complete: bool,
    pub(crate) tags: Vec<String>,
    /// The entities in the backup by their current names, each set separately (`AuditLog#archive`), each with
    /// the declared number of days for which its backups are kept, if there is one.
    pub(crate) entities: Vec<(String, Option<u32>)>,
    /// Whether the backup is known to be damaged.
    pub(crate) is_damaged: bool,
    /// The reason why the backup must stay: that of its pin, or that it is in use.
    pub(crate) pinned: Option<String>,
    pub(crate) size_bytes: u64,
}
