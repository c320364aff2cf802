//! What became of archives that no manifest named.

use serde::Serialize;

use crate::catalog::RemovalReason;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;

/// What became of the archives that no readable manifest named.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
#[must_use = "archives that were not recovered are in the report"]
pub struct RecoveryReport {
    /// One for each archive, by profile; the one that was written last comes first.
    pub archives: Vec<ArchiveRecovery>,
}

/// What became of one archive that no readable manifest named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ArchiveRecovery {
    /// The storage profile.
    pub profile: String,
    /// The path of the archive.
    pub archive: String,
    /// The backup, if the archive or a removal record names it.
    pub id: Option<BackupId>,
    /// What became of it.
    pub outcome: RecoveryOutcome,
}

/// What became of an archive that no readable manifest named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum RecoveryOutcome {
    /// It was verified, and its manifest was published again.
    Recovered,
    /// It is to be removed, so it was skipped: maintenance removes it.
    ToBeRemoved {
        /// Why.
        reason: RemovalReason,
    },
    /// Another archive of the same backup is listed and verifies, so it was skipped.
    Superseded {
        /// The path of the other archive.
        by: String,
    },
    /// It has no end: it was cut off while it was written or copied.
    Incomplete,
    /// It is damaged, so it was not recovered. It stays where it is.
    Damaged {
        /// What is wrong.
        problem: String,
    },
    /// It is encrypted and none of the keys of this context opens it. Add a key and recover again.
    NeedsKey {
        /// The ids of the keys that open it. Empty if the archive is encrypted as a whole: then its ids are inside.
        key_ids: Vec<String>,
    },
    /// Somebody is writing it.
    InUse,
    /// It could not be read, or its manifest could not be published.
    Failed {
        /// Why, and what to do.
        problem: String,
    },
}

impl RecoveryReport {
    /// The backups whose manifests were published again.
    pub fn recovered(&self) -> impl Iterator<Item = BackupId> {
        let recovered = self.archives.iter().filter(|archive| archive.outcome == RecoveryOutcome::Recovered);
        recovered.filter_map(|archive| archive.id)
    }

    /// The report, if no archive is left that needs somebody.
    ///
    /// # Errors
    /// An archive is damaged, needs a key, or failed: the error names the first and counts the others. Archives that are incomplete, in
    /// use, superseded, or to be removed are no errors.
    pub fn require_all(self) -> Result<Self> {
        let problem = |archive: &ArchiveRecovery| {
            let (kind, problem) = match &archive.outcome {
                RecoveryOutcome::Damaged { problem } => (ErrorKind::Corrupt, problem.clone()),
                RecoveryOutcome::Failed { problem } => (ErrorKind::Storage, problem.clone()),
                RecoveryOutcome::NeedsKey { key_ids } => (ErrorKind::Encryption, needed(key_ids)),
                _ => return None,
            };
            Some((kind, format!("archive `{}` in profile `{}`: {problem}", archive.archive, archive.profile)))
        };
        let mut problems = self.archives.iter().filter_map(problem);
        let Some((kind, first)) = problems.next() else { return Ok(self) };
        let more = match problems.count() {
            0 => String::new(),
            others => format!(" (and {others} more)"),
        };
        Err(Error::new(kind, format!("not every archive was recovered: {first}{more}")))
    }
}

fn needed(key_ids: &[String]) -> String {
    match key_ids {
        [] => "it is encrypted as a whole, and none of the given keys opens it".to_owned(),
        ids => format!("it is encrypted, and needs key `{}`", ids.join("` or `")),
    }
}
