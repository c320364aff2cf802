//! A backup as retention considers it.

use jiff::Timestamp;

use crate::foundation::id::{BackupId, BackupName};
use crate::foundation::series::SeriesName;

/// A backup, with what the plan needs to know about it.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) id: BackupId,
    pub(crate) name: BackupName,
    pub(crate) series: SeriesName,
    pub(crate) created_at: Timestamp,
    /// Whether everything that was asked for is in the backup.
    pub(crate) is_complete: bool,
    pub(crate) tags: Vec<String>,
    /// The entities in the backup by their current names, each set separately (`AuditLog#archive`), and for
    /// how many days the entity is kept, if that is declared.
    pub(crate) entities: Vec<(String, Option<u32>)>,
    /// Whether the backup is known to be damaged.
    pub(crate) is_damaged: bool,
    /// The reason of its pin, if it is pinned.
    pub(crate) pinned: Option<String>,
    pub(crate) size_bytes: u64,
}
