//! What became of backups that were to be sealed for other recipients.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::id::BackupId;
use crate::verify::VerifyReport;

/// A backup that was sealed for other recipients.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RekeyReport {
    /// The backup; its id stays.
    pub id: BackupId,
    /// The keys it was sealed for.
    pub previous_key_ids: Vec<String>,
    /// The keys it is sealed for now.
    pub key_ids: Vec<String>,
    /// The encrypted entries. Empty if nothing in the backup is encrypted: it is as it was then.
    pub entries: Vec<String>,
    /// The verification of the new archive; none if nothing is encrypted.
    pub verification: Option<VerifyReport>,
    /// What did not hinder it and should be known: an old archive that was not removed can still be opened by its keys.
    pub warnings: Vec<String>,
}

/// What became of all backups of a profile.
#[derive(Debug, Default)]
#[must_use = "backups may not have been sealed for the new recipients"]
#[non_exhaustive]
pub struct RekeySummary {
    /// Those that are sealed for the new recipients now.
    pub rekeyed: Vec<RekeyReport>,
    /// Those in which nothing is encrypted, or that have no archive.
    pub untouched: Vec<BackupId>,
    /// Those that are as they were, and why.
    pub failed: Vec<(BackupId, Error)>,
}

impl RekeySummary {
    /// The summary, if no backup failed.
    ///
    /// # Errors
    /// One did: the error is that of the first and counts the others.
    pub fn require_all(mut self) -> Result<Self> {
        if self.failed.is_empty() {
            return Ok(self);
        }
        let (id, error) = self.failed.remove(0);
        let more = match self.failed.len() {
            0 => String::new(),
            others => format!(" (and {others} more)"),
        };
        Err(error.context(format!("backup {id} is sealed for the recipients it had{more}")))
    }
}
