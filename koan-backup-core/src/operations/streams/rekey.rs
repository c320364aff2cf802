//! Rewrites single backups for the current recipients.
//!
//! The new content is written under a new name and verified; then the `.meta` is replaced, and the old content is removed
//! last. Removal records name both contents before the `.meta` is replaced, so that the one to which the `.meta` does not
//! refer is removed later if the process is killed.

use std::sync::Arc;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::new_content::{ContentRecord, new_content_path};
use super::read::{identities_for, locate, open_content};
use super::verify::verify_stored;
use crate::archive::stream_file::{SealedSubject, StreamEncryption, StreamMeta, StreamTransfer};
use crate::catalog::Origin;
use crate::catalog::stream_backups::{
    StoredStreamBackup, StreamBackupRef, UnreadableStreamBackup, list, not_found, read,
};
use crate::encryption::{Identities, Recipients};
use crate::environment::Environment;
use crate::environment::lease::{self, Lease, LeasedWork, Subject};
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::storage::Storage;

/// The report of the rekey of one single backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use = "the old content may still exist, and the old keys decrypt it"]
#[non_exhaustive]
pub struct StreamRekeyReport {
    /// The id of the backup, which does not change.
    pub id: BackupId,
    /// The ids of the keys for which the backup was encrypted before. The list is empty if it is not encrypted.
    pub previous_key_ids: Vec<String>,
    /// The ids of the keys for which the backup is encrypted now. The list is empty if nothing was rewritten, because the
    /// backup is not encrypted.
    pub key_ids: Vec<String>,
    /// The path of the old content, if it could not be removed. The old keys still decrypt it.
    pub old_content: Option<String>,
    /// The warnings about the rekey.
    pub warnings: Vec<String>,
}

impl StreamRekeyReport {
    /// Returns whether the backup was rewritten. A backup that is not encrypted is unchanged.
    pub fn is_rewritten(&self) -> bool {
        !self.key_ids.is_empty()
    }

    /// Returns the report if the old content was removed.
    ///
    /// # Errors
    /// The old content could not be removed. The error contains its path.
    pub fn require_replaced(self) -> Result<Self> {
        let Some(content) = &self.old_content else { return Ok(self) };
        let text = format!(
            "single backup {} is encrypted for the new recipients, but its old content `{content}` was not removed, and \
             the old keys still decrypt it",
            self.id
        );
        Err(Error::new(ErrorKind::Storage, text).with_help("run maintenance, which removes it"))
    }
}

/// The summary of the rekey of all single backups of a profile.
#[derive(Debug, Default)]
#[must_use = "some backups may not have been encrypted for the new recipients"]
#[non_exhaustive]
pub struct StreamRekeySummary {
    /// The backups that are encrypted for the new recipients now.
    pub rekeyed: Vec<StreamRekeyReport>,
    /// The number of backups that are not encrypted, and therefore unchanged.
    pub unchanged: usize,
    /// The backups that may not be encrypted for the new recipients, with the errors.
    pub failed: Vec<(BackupId, Error)>,
    /// The number of backups of other applications, which are unchanged.
    pub other_applications: usize,
    /// The `.meta` files that cannot be read. It is unknown whether their backups are encrypted for the new recipients.
    pub unreadable: Vec<UnreadableStreamBackup>,
    /// The backups that are unchanged because the rekey was cancelled.
    pub cancelled: Vec<BackupId>,
    /// Why the backups could not be listed. None of them was changed then.
    pub not_listed: Option<Error>,
}

impl StreamRekeySummary {
    /// Returns the summary if each encrypted backup of this application was rewritten and its old content was removed.
    ///
    /// # Errors
    /// The backups could not be listed, a backup failed, a `.meta` or an old content remains, or the rekey was cancelled.
    pub fn require_all(mut self) -> Result<Self> {
        if let Some(error) = self.not_listed.take() {
            return Err(error.context("the single backups were not rewritten"));
        }
        if !self.failed.is_empty() {
            let (id, error) = self.failed.remove(0);
            let more = match self.failed.len() {
                0 => String::new(),
                others => format!(" (other single backups that failed: {others})"),
            };
            return Err(
                error.context(format!("it is not known whether single backup {id} was rewritten{more}"))
            );
        }
        if let Some(meta) = self.unreadable.first() {
            let text = format!(
                "it is not known whether the single backup of `{}` is encrypted for the new recipients: {}",
                meta.path, meta.problem
            );
            return Err(Error::new(ErrorKind::Corrupt, text));
        }
        if !self.cancelled.is_empty() {
            let count = self.cancelled.len();
            return Err(
                Error::cancelled().context(format!("single backups that were not rewritten: {count}"))
            );
        }
        self.rekeyed.iter().try_for_each(|report| report.clone().require_replaced().map(drop))?;
        Ok(self)
    }
}

/// Rewrites a single backup for the recipients of the context.
///
/// # Errors
/// The backup does not exist or is damaged, no key decrypts it, another process rewrites it, or the storage fails.
pub(crate) async fn run(
    environment: &Environment,
    profile: Option<&str>,
    backup: &StreamBackupRef,
    cancel: &CancellationToken,
) -> Result<StreamRekeyReport> {
    let stored = until_cancelled(cancel, locate(environment, profile, backup)).await?;
    rekey(environment, &stored, cancel).await
}

/// Rewrites all single backups of this application in a profile. A backup that fails does not prevent the others.
pub(crate) async fn run_all(
    environment: &Environment,
    profile: &str,
    storage: &Storage,
    cancel: &CancellationToken,
) -> StreamRekeySummary {
    let mut summary = StreamRekeySummary::default();
    let listed = match until_cancelled(cancel, list(storage, None)).await {
        Ok(listed) => listed,
        Err(error) => {
            summary.not_listed = Some(error);
            return summary;
        }
    };
    for (id, path) in listed.metas {
        if cancel.is_cancelled() {
            summary.cancelled.push(id);
            continue;
        }
        let stored = match read(profile, storage, &path).await {
            Ok(Some(stored)) => stored,
            // The backup was removed since it was listed.
            Ok(None) => continue,
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Incompatible) => {
                summary.unreadable.push(UnreadableStreamBackup::new(profile, &path, error.chain()));
                continue;
            }
            Err(error) => {
                summary.failed.push((id, error));
                continue;
            }
        };
        if stored.meta.producer.origin(&environment.identity) == Origin::Other {
            summary.other_applications += 1;
            continue;
        }
        match rekey(environment, &stored, cancel).await {
            Ok(report) if report.is_rewritten() => summary.rekeyed.push(report),
            Ok(_) => summary.unchanged += 1,
            Err(error) if error.kind() == ErrorKind::Cancelled => summary.cancelled.push(id),
            Err(error) => summary.failed.push((id, error)),
        }
    }
    summary
}

async fn rekey(
    environment: &Environment,
    stored: &StoredStreamBackup<'_>,
    cancel: &CancellationToken,
) -> Result<StreamRekeyReport> {
    let meta = &stored.meta;
    let report = StreamRekeyReport {
        id: meta.backup_id,
        previous_key_ids: meta.encryption.as_ref().map(|old| old.key_ids.clone()).unwrap_or_default(),
        key_ids: Vec::new(),
        old_content: None,
        warnings: Vec::new(),
    };
    if meta.encryption.is_none() {
        return Ok(report);
    }
    let recipients = environment.recipients.as_ref().ok_or_else(|| {
        let text = "no recipients are configured for the rekey";
        Error::new(ErrorKind::Encryption, text)
            .with_help("set them with `.encrypt_to(Recipients::keys([\"age1…\"])?)`")
    })?;
    recipients.check()?;
    let identities = until_cancelled(cancel, identities_for(environment, stored)).await?;
    let work = LeasedWork { backup: Some(meta.backup_id), archive: None };
    let subject = Subject::Rekey(meta.backup_id);
    let lease = Lease::acquire(environment, stored.storage, subject, work, cancel).await?;
    let rekey = LeasedRekey { environment, stored, identities, recipients, lease: &lease };
    let result = rekey.run(report).await;
    let result = result.map_err(|error| lease.explain(error, cancel));
    lease.release().await;
    result
}

/// The rekey of one backup while its lease is held, so that no other process rewrites it.
struct LeasedRekey<'a> {
    environment: &'a Environment,
    stored: &'a StoredStreamBackup<'a>,
    identities: Arc<Identities>,
    recipients: &'a Recipients,
    lease: &'a Lease,
}

impl LeasedRekey<'_> {
    async fn run(&self, mut report: StreamRekeyReport) -> Result<StreamRekeyReport> {
        let (stored, environment, cancel) = (self.stored, self.environment, &self.lease.stop_token());
        let (storage, meta) = (stored.storage, &stored.meta);
        until_cancelled(cancel, self.require_unchanged()).await?;
        let opened = async {
            let file = open_content(stored, &self.identities).await?;
            let subject = meta.open_subject(&self.identities).await?;
            let subject = subject.ok_or_else(|| {
                let text = "no key decrypts the description of the single backup";
                Error::new(ErrorKind::Encryption, text)
            })?;
            Ok((file, subject))
        };
        let (file, subject) = until_cancelled(cancel, opened).await?;
        let path = new_content_path(environment, meta)?;
        let mut rewritten = StreamMeta {
            path: path.to_string(),
            encryption: Some(StreamEncryption::of(self.recipients)),
            subject: SealedSubject::seal(meta.backup_id, subject, Some(self.recipients.clone())).await?,
            ..meta.clone()
        };
        let new = ContentRecord::create(environment, storage, &stored.meta_path, &rewritten).await?;
        let written = async {
            let transfer = StreamTransfer::for_recipients(&file, self.recipients.clone());
            let file = transfer.write(storage, path, cancel).await?;
            (rewritten.size_bytes, rewritten.sha256) = (file.size_bytes, file.sha256);
            let candidate = StoredStreamBackup { meta: rewritten.clone(), ..stored.clone() };
            report.warnings.extend(self.verify(&candidate, cancel).await?);
            let document = rewritten.to_document()?;
            let old = ContentRecord::create(environment, storage, &stored.meta_path, meta).await?;
            Ok((document, old))
        };
        let (document, old) = match written.await {
            Ok(written) => written,
            Err(error) => {
                new.discard().await;
                return Err(error);
            }
        };
        match self.publish(document).await {
            Ok(()) => {}
            // The records decide later which content is removed.
            Err(Unpublished::Unknown(error)) => {
                return Err(error.context(format!(
                    "it is not known whether single backup {} is encrypted for the new recipients; both contents stay, \
                     and the one to which its `.meta` refers is the valid one",
                    meta.backup_id
                )));
            }
            Err(Unpublished::Unchanged(error)) => {
                old.withdraw().await;
                new.discard().await;
                return Err(error);
            }
        }
        // From here on cancellation has no effect: a rewritten backup must not be reported as cancelled.
        new.withdraw().await;
        report.key_ids = self.recipients.key_ids();
        if let Err(error) = self.remove_old(old).await {
            report.old_content = Some(meta.path.clone());
            report.warnings.push(format!(
                "the old content `{}` still exists, and the old keys still decrypt it: {}; maintenance removes it",
                meta.path,
                error.chain()
            ));
        }
        tracing::info!(
            target: "koan::backup", backup = %meta.backup_id, object = %meta.object_name,
            "a single backup of an event stream was encrypted for other recipients"
        );
        Ok(report)
    }

    /// Verifies the new content, and returns a warning if no key decrypts it.
    async fn verify(
        &self,
        candidate: &StoredStreamBackup<'_>,
        cancel: &CancellationToken,
    ) -> Result<Option<String>> {
        let verified = verify_stored(self.environment, candidate, &self.identities, cancel).await?;
        match verified.problem {
            None => Ok(verified.note),
            Some(problem) => {
                let text =
                    format!("the new content of single backup {} is damaged: {problem}", verified.backup.id);
                Err(Error::new(ErrorKind::Corrupt, text).with_help("verify the backup, and try again"))
            }
        }
    }

    /// Checks that the `.meta` is still the one that was read.
    async fn require_unchanged(&self) -> Result<()> {
        let StoredStreamBackup { profile, storage, meta_path, meta } = self.stored;
        match read(profile, storage, meta_path).await? {
            Some(current) if current.meta == *meta => Ok(()),
            Some(_) => {
                let id = meta.backup_id;
                let text =
                    format!("another process changed single backup {id} meanwhile, so it was not rewritten");
                Err(Error::new(ErrorKind::Conflict, text).with_help("try again"))
            }
            None => Err(not_found(profile, storage, meta.backup_id)),
        }
    }

    async fn publish(&self, document: Vec<u8>) -> std::result::Result<(), Unpublished> {
        let StoredStreamBackup { profile, storage, meta_path, meta } = self.stored;
        until_cancelled(&self.lease.stop_token(), self.require_unchanged())
            .await
            .map_err(Unpublished::Unchanged)?;
        let held = self.lease.confirm().await.map_err(Unpublished::Unchanged)?;
        let replaced = async { Ok(storage.replace(meta_path, document.clone()).await) };
        let error = match held.within(&format!("`{meta_path}` was written"), replaced).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error,
            Err(no_response) => return Err(Unpublished::Unknown(no_response)),
        };
        // The `.meta` may have been written although the response was lost.
        match read(profile, storage, meta_path).await {
            Ok(Some(current))
                if storage.confirms_by_reading(&error)
                    && StreamMeta::parse(&document).is_ok_and(|new| new == current.meta) =>
            {
                Ok(())
            }
            Ok(Some(current)) if current.meta == *meta => Err(Unpublished::Unchanged(error)),
            _ => Err(Unpublished::Unknown(error)),
        }
    }

    /// Removes the old content, unless another process restores from it.
    async fn remove_old(&self, old: ContentRecord<'_>) -> Result<()> {
        let (storage, id) = (self.stored.storage, self.stored.meta.backup_id);
        let subject = Subject::Restore(id);
        if let Some(held) = lease::find_held(storage, &self.environment.clock, &subject).await? {
            return Err(held.busy_error(storage));
        }
        old.remove_content(self.lease).await
    }
}

/// Why a new `.meta` was not published.
enum Unpublished {
    /// The `.meta` is unchanged.
    Unchanged(Error),
    /// It is not known whether the `.meta` was replaced.
    Unknown(Error),
}
