//! What became of backups that were to be sealed for other recipients.

use serde::Serialize;

use crate::archive::{EncryptionScope, Manifest};
use crate::catalog::UnreadableManifest;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::foundation::names::names;
use crate::operations::verify::VerifyReport;

/// What became of a backup that was to be sealed for other recipients.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use = "the old archive may still be there, and its keys open it"]
#[non_exhaustive]
pub struct RekeyReport {
    /// The backup; its id stays.
    pub id: BackupId,
    /// What was rewritten. None if nothing in the backup is encrypted, or if it has no archive: it is as it was then.
    pub scope: Option<EncryptionScope>,
    /// The keys it was sealed for.
    pub previous_key_ids: Vec<String>,
    /// The keys it is sealed for now. Empty if nothing was rewritten.
    pub key_ids: Vec<String>,
    /// The encrypted entries that were rewritten.
    pub entries: Vec<String>,
    /// The verification of the new archive; none if nothing was rewritten.
    pub verification: Option<VerifyReport>,
    /// The old archive, if it could not be removed: the old keys still open it.
    pub old_archive: Option<String>,
    /// What did not hinder it and should be known.
    pub warnings: Vec<String>,
}

impl RekeyReport {
    /// The report of a backup that is as it was.
    pub(super) fn untouched(manifest: &Manifest) -> Self {
        Self {
            id: manifest.id,
            scope: None,
            previous_key_ids: manifest.encryption.as_ref().map(|old| old.key_ids.clone()).unwrap_or_default(),
            key_ids: Vec::new(),
            entries: Vec::new(),
            verification: None,
            old_archive: None,
            warnings: Vec::new(),
        }
    }

    /// The report, if the old archive was removed.
    ///
    /// # Errors
    /// The old archive could not be removed; the error names it.
    pub fn require_replaced(self) -> Result<Self> {
        match &self.old_archive {
            None => Ok(self),
            Some(archive) => Err(Error::new(
                ErrorKind::Storage,
                format!(
                    "backup {} is sealed for the new recipients, but its old archive `{archive}` was not removed, and the \
                     old keys still open it: remove it",
                    self.id
                ),
            )),
        }
    }
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
    /// Those of which it is not certain that they are sealed for the new recipients, and why.
    pub failed: Vec<(BackupId, Error)>,
    /// Those of other applications, which are as they were: name one by its id to seal it for the recipients of this application.
    pub others: Vec<BackupId>,
    /// Those of older versions that record no environment, which are as they were: see
    /// [`include_unidentified`](crate::builders::RekeyAllBuilder::include_unidentified).
    pub unidentified: Vec<BackupId>,
    /// Those among [`unidentified`](Self::unidentified) that are encrypted: the old keys still open them, and the new ones do not.
    pub unidentified_encrypted: Vec<BackupId>,
    /// Manifests that cannot be read: whether their backups are sealed for the new recipients is not known.
    pub unreadable: Vec<UnreadableManifest>,
    /// Those that are as they were because the work was cancelled.
    pub cancelled: Vec<BackupId>,
}

impl RekeySummary {
    /// What should be known of backups that were not looked at.
    pub fn notes(&self) -> Vec<String> {
        let unidentified = (!self.unidentified.is_empty()).then(|| {
            format!(
                "{} record no environment, and were not sealed for the new recipients, because another application may share them; \
                 `.include_unidentified()` includes them",
                names(self.unidentified.iter().map(BackupId::to_string))
            )
        });
        unidentified
            .into_iter()
            .chain(self.unreadable.iter().map(|manifest| manifest.problem.clone()))
            .collect()
    }

    /// Returns the summary if each backup of this application in the profile was rewritten, or contains nothing that is encrypted, and its
    /// old archive was removed. Old archives that an earlier run could not remove are not looked for.
    ///
    /// # Errors
    /// - A backup failed: the error is that of the first one and counts the others.
    /// - A manifest could not be read.
    /// - The work was cancelled before all backups were rewritten.
    /// - An old archive could not be removed.
    /// - Encrypted backups that record no environment were left as they were, and were not [accepted](Self::accept_unidentified).
    pub fn require_all(mut self) -> Result<Self> {
        if !self.failed.is_empty() {
            let (id, error) = self.failed.remove(0);
            let more = match self.failed.len() {
                0 => String::new(),
                others => format!(" (and {others} more)"),
            };
            return Err(error.context(format!("whether backup {id} was rewritten is not known{more}")));
        }
        if let Some(manifest) = self.unreadable.first() {
            let text = format!(
                "whether backup {} is sealed for the new recipients is not known: {}",
                manifest.id, manifest.problem
            );
            return Err(Error::new(ErrorKind::Corrupt, text));
        }
        if !self.cancelled.is_empty() {
            let left = self.cancelled.len();
            return Err(Error::cancelled().context(format!("backups that were not rewritten: {left}")));
        }
        self.rekeyed.iter().try_for_each(|report| report.clone().require_replaced().map(drop))?;
        if !self.unidentified_encrypted.is_empty() {
            let text = format!(
                "encrypted backups {} record no environment and were left as they were: the old keys open them, and the new ones do not; \
                 `.include_unidentified()` encrypts them for the new recipients as well, if no other application shares the profile, and \
                 `.accept_unidentified()` before `.require_all()` accepts that they stay",
                names(self.unidentified_encrypted.iter().map(BackupId::to_string))
            );
            return Err(Error::new(ErrorKind::Conflict, text));
        }
        Ok(self)
    }

    /// Accepts that encrypted backups that record no environment stay encrypted for the old keys, for example because they belong to
    /// another application. [`require_all`](Self::require_all) succeeds in spite of them; [`unidentified`](Self::unidentified) still
    /// names them.
    pub fn accept_unidentified(mut self) -> Self {
        self.unidentified_encrypted.clear();
        self
    }
}
