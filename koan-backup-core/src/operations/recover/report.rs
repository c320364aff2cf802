//! The report of a recovery.

use serde::Serialize;

use crate::catalog::RemovalReason;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;

/// The report of a recovery of unlisted archives.
///
/// ```
/// # koan_backup_shop::run(async |koan| {
/// let report = koan.catalog().recover().await?.require_all()?;
/// assert_eq!(report.recovered().count(), 0, "no manifest is missing");
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
#[must_use = "archives that were not recovered are in the report"]
pub struct RecoveryReport {
    /// The archives, by profile, newest first.
    pub archives: Vec<ArchiveRecovery>,
}

/// The recovery of one archive to which no readable manifest referred.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ArchiveRecovery {
    /// The storage profile.
    pub profile: String,
    /// The path of the archive.
    pub archive: String,
    /// The id of the backup, if the archive or a removal record contains it.
    pub id: Option<BackupId>,
    /// The outcome of the recovery.
    pub outcome: RecoveryOutcome,
}

/// The outcome of the recovery of an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum RecoveryOutcome {
    /// The archive was verified, and its manifest was published again.
    Recovered,
    /// The archive was skipped because it has a removal record. Maintenance removes it.
    ToBeRemoved {
        /// Why the archive is to be removed.
        reason: RemovalReason,
    },
    /// The archive was skipped because another archive of the same backup is listed and valid.
    Superseded {
        /// The path of the other archive.
        by: String,
    },
    /// The archive is truncated: the process that wrote or copied it was interrupted.
    Incomplete,
    /// The archive is damaged, so it was not recovered. It is kept.
    Damaged {
        /// A description of the damage.
        problem: String,
    },
    /// The archive is encrypted, and none of the keys of this context decrypts it. Add a key and recover
    /// again.
    NeedsKey {
        /// The ids of the keys that decrypt it. The list is empty if the archive is encrypted as a whole,
        /// because then the ids are encrypted too.
        key_ids: Vec<String>,
    },
    /// Another process is writing the archive.
    InUse,
    /// The archive could not be read, or its manifest could not be published.
    Failed {
        /// The reason, and what to do.
        problem: String,
    },
}

impl RecoveryReport {
    /// Returns the backups whose manifests were published again.
    pub fn recovered(&self) -> impl Iterator<Item = BackupId> {
        let recovered = self.archives.iter().filter(|archive| archive.outcome == RecoveryOutcome::Recovered);
        recovered.filter_map(|archive| archive.id)
    }

    /// Returns the report if no archive needs attention.
    ///
    /// # Errors
    /// An archive is damaged, needs a key, or failed. The error contains the first problem and the number of
    /// other problems. Archives that are incomplete, in use, superseded, or to be removed are not errors.
    pub fn require_all(self) -> Result<Self> {
        let problem = |archive: &ArchiveRecovery| {
            let (kind, problem) = match &archive.outcome {
                RecoveryOutcome::Damaged { problem } => (ErrorKind::Corrupt, problem.clone()),
                RecoveryOutcome::Failed { problem } => (ErrorKind::Storage, problem.clone()),
                RecoveryOutcome::NeedsKey { key_ids } => (ErrorKind::Encryption, missing_key(key_ids)),
                _ => return None,
            };
            Some((kind, format!("archive `{}` in profile `{}`: {problem}", archive.archive, archive.profile)))
        };
        let mut problems = self.archives.iter().filter_map(problem);
        let Some((kind, first)) = problems.next() else { return Ok(self) };
        let more = match problems.count() {
            0 => String::new(),
            others => format!(" (other archives that were not recovered: {others})"),
        };
        Err(Error::new(kind, format!("not every archive was recovered: {first}{more}")))
    }
}

fn missing_key(key_ids: &[String]) -> String {
    match key_ids {
        [] => "it is encrypted as a whole, and none of the given keys decrypts it".to_owned(),
        ids => format!("it is encrypted, and needs key `{}`", ids.join("` or `")),
    }
}
