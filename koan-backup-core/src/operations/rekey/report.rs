//! The reports of a rekey.

use serde::Serialize;

use crate::archive::{EncryptionScope, Manifest};
use crate::catalog::UnreadableManifest;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::foundation::names::names;
use crate::operations::streams::StreamRekeySummary;
use crate::operations::verify::VerifyReport;

/// The report of the rekey of one backup.
///
/// ```
/// # koan_backup_shop::run(async |koan| {
/// let report = koan.rekey("nightly").await?;
/// assert!(report.old_archive.is_none(), "the old archive was removed");
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use = "the old archive may still exist, and the old keys decrypt it"]
#[non_exhaustive]
pub struct RekeyReport {
    /// The id of the backup, which does not change.
    pub id: BackupId,
    /// The scope of the content that was rewritten. `None` if the backup was not changed, because nothing in
    /// it is encrypted or it has no archive.
    pub scope: Option<EncryptionScope>,
    /// The ids of the keys for which the backup was encrypted before the rekey.
    pub previous_key_ids: Vec<String>,
    /// The ids of the keys for which the backup is encrypted now. Empty if nothing was rewritten.
    pub key_ids: Vec<String>,
    /// The encrypted entries that were rewritten.
    pub entries: Vec<String>,
    /// The verification of the new archive; `None` if nothing was rewritten.
    pub verification: Option<VerifyReport>,
    /// The old archive, if it could not be removed. The old keys still decrypt it.
    pub old_archive: Option<String>,
    /// The warnings about the rekey.
    pub warnings: Vec<String>,
}

impl RekeyReport {
    /// Creates the report of a backup that is unchanged.
    pub(super) fn unchanged(manifest: &Manifest) -> Self {
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

    /// Returns the report if the old archive was removed.
    ///
    /// # Errors
    /// The old archive could not be removed. The error contains its path.
    pub fn require_replaced(self) -> Result<Self> {
        match &self.old_archive {
            None => Ok(self),
            Some(archive) => Err(Error::new(
                ErrorKind::Storage,
                format!(
                    "backup {} is encrypted for the new recipients, but its old archive `{archive}` was not \
                     removed, and the old keys still decrypt it: remove it",
                    self.id
                ),
            )),
        }
    }
}

/// The summary of the rekey of all backups of a profile.
///
/// ```
/// # koan_backup_shop::run(async |koan| {
/// let summary = koan.rekey_all().await?;
/// for (id, error) in &summary.failed {
///     eprintln!("{id}: {error}");
/// }
/// summary.require_all()?;
/// # Ok(())
/// # });
/// ```
#[derive(Debug, Default)]
#[must_use = "some backups may not have been encrypted for the new recipients"]
#[non_exhaustive]
pub struct RekeySummary {
    /// The backups that are encrypted for the new recipients now.
    pub rekeyed: Vec<RekeyReport>,
    /// The backups in which nothing is encrypted, or that have no archive.
    pub unchanged: Vec<BackupId>,
    /// The backups that may not be encrypted for the new recipients, with the errors.
    pub failed: Vec<(BackupId, Error)>,
    /// The backups of other applications, which are unchanged. To rekey such a backup, call
    /// [`Koan::rekey`](crate::Koan::rekey) with its id.
    pub other_applications: Vec<BackupId>,
    /// The backups of older versions that record no environment, which are unchanged; see
    /// [`include_unidentified`](crate::builders::RekeyAllBuilder::include_unidentified).
    pub unidentified: Vec<BackupId>,
    /// Those of the [`unidentified`](Self::unidentified) backups that are encrypted. The old keys still
    /// decrypt them, and the new keys do not.
    pub unidentified_encrypted: Vec<BackupId>,
    /// Manifests that cannot be read. It is unknown whether their backups are encrypted for the new
    /// recipients.
    pub unreadable: Vec<UnreadableManifest>,
    /// The backups that are unchanged because the rekey was cancelled.
    pub cancelled: Vec<BackupId>,
    /// The single backups of event streams.
    pub streams: StreamRekeySummary,
}

impl RekeySummary {
    /// Returns notes about backups that were not considered.
    pub fn notes(&self) -> Vec<String> {
        let unidentified = (!self.unidentified.is_empty()).then(|| {
            format!(
                "backups {} record no environment and were not rekeyed, because they may belong to another \
                 application; `.include_unidentified()` includes them",
                names(self.unidentified.iter().map(BackupId::to_string))
            )
        });
        unidentified
            .into_iter()
            .chain(self.unreadable.iter().map(|manifest| manifest.problem.clone()))
            .collect()
    }

    /// Returns the summary if each backup of this application in the profile either contains nothing that is
    /// encrypted, or was rewritten and its old archive was removed. Old archives that an earlier run could
    /// not remove are not checked.
    ///
    /// # Errors
    /// - A backup failed. The error is the error of the first failed backup, with the number of other failed
    ///   backups.
    /// - A manifest could not be read.
    /// - The rekey was cancelled before all backups were rewritten.
    /// - An old archive could not be removed.
    /// - Encrypted backups that record no environment are unchanged, and were not
    ///   [accepted](Self::accept_unidentified).
    /// - The same is true of a [single backup](StreamRekeySummary::require_all).
    pub fn require_all(mut self) -> Result<Self> {
        if !self.failed.is_empty() {
            let (id, error) = self.failed.remove(0);
            let more = match self.failed.len() {
                0 => String::new(),
                others => format!(" (other backups that failed: {others})"),
            };
            return Err(error.context(format!("it is not known whether backup {id} was rewritten{more}")));
        }
        if let Some(manifest) = self.unreadable.first() {
            let text = format!(
                "it is not known whether backup {} is encrypted for the new recipients: {}",
                manifest.id, manifest.problem
            );
            return Err(Error::new(ErrorKind::Corrupt, text));
        }
        if !self.cancelled.is_empty() {
            let count = self.cancelled.len();
            return Err(Error::cancelled().context(format!("backups that were not rewritten: {count}")));
        }
        self.rekeyed.iter().try_for_each(|report| report.clone().require_replaced().map(drop))?;
        if !self.unidentified_encrypted.is_empty() {
            let text = format!(
                "encrypted backups {} record no environment and are unchanged: the old keys decrypt them, \
                 and the new keys do not; use `.include_unidentified()` to rekey them as well, if no other \
                 application shares the profile, or `.accept_unidentified()` before `.require_all()` to \
                 accept that they are not rekeyed",
                names(self.unidentified_encrypted.iter().map(BackupId::to_string))
            );
            return Err(Error::new(ErrorKind::Conflict, text));
        }
        self.streams = self.streams.require_all()?;
        Ok(self)
    }

    /// Accepts that encrypted backups without a recorded environment remain encrypted for the old keys, for
    /// example because they belong to another application. [`require_all`](Self::require_all) then succeeds,
    /// and [`unidentified`](Self::unidentified) still contains their ids.
    pub fn accept_unidentified(mut self) -> Self {
        self.unidentified_encrypted.clear();
        self
    }
}
