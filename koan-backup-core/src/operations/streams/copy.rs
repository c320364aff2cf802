//! Copies a single backup into another storage profile. The bytes of its content are not changed, and its `.meta` is
//! created last.

use std::sync::Arc;

use object_store::path::Path;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::new_content::{ContentRecord, new_content_path};
use super::publish::{UnpublishedContent, publish};
use super::read::{identities_for, locate};
use super::verify::verify_stored;
use crate::archive::stream_file::{StreamMeta, StreamTransfer};
use crate::catalog::stream_backups::{StoredStreamBackup, StreamBackupHandle, StreamBackupRef, read};
use crate::encryption::{ArchiveEncryption, Identities};
use crate::environment::Environment;
use crate::environment::lease::{Lease, LeasedWork, Subject};
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::storage::Storage;

/// The report of the copy of a single backup.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use = "the report shows whether the copy already existed"]
#[non_exhaustive]
pub struct StreamCopyReport {
    /// The copy.
    pub backup: StreamBackupHandle,
    /// Whether the copy existed before, so that nothing was done.
    pub already_existed: bool,
    /// Why only the hash of the copy was compared.
    pub note: Option<String>,
}

/// Copies a single backup into the profile `to`.
///
/// # Errors
/// The backup does not exist or is damaged, another backup with its id is in the target, a storage fails, or the work was
/// cancelled. No file of the copy remains then.
pub(crate) async fn run(
    environment: &Environment,
    profile: Option<&str>,
    backup: &StreamBackupRef,
    to: &str,
    cancel: &CancellationToken,
) -> Result<StreamCopyReport> {
    let target = environment.storage(Some(to))?;
    let source = until_cancelled(cancel, locate(environment, profile, backup)).await?;
    require_copyable(&source, to, target)?;
    let identities = until_cancelled(cancel, identities_for(environment, &source)).await?;
    let run = StreamCopy { environment, source: &source, profile: to, target, identities };
    if let Some(existing) = until_cancelled(cancel, run.existing()).await? {
        return run.report(&existing, None).await;
    }
    let id = source.meta.backup_id;
    let work = LeasedWork { backup: Some(id), archive: None };
    let lease = Lease::acquire(environment, target, Subject::Copy(id), work, cancel).await?;
    let copied = run.copy(&lease).await;
    let copied = copied.map_err(|error| lease.explain(error, cancel));
    lease.release().await;
    copied
}

/// Refuses a target that must not contain the backup.
fn require_copyable(source: &StoredStreamBackup<'_>, to: &str, target: &Storage) -> Result<()> {
    let id = source.meta.backup_id;
    if source.profile == to || source.storage.is_same_location(target) {
        let (from, to) = (source.storage.location(), target.location());
        let text = format!(
            "single backup {id} is in `{from}`, and `{to}` has the same location, so it would not be stored a second time"
        );
        return Err(Error::new(ErrorKind::Configuration, text).with_help("select another target profile"));
    }
    if target.encryption() == ArchiveEncryption::Always && source.meta.encryption.is_none() {
        let text = format!(
            "everything in storage `{}` must be encrypted, but single backup {id} is not",
            target.location()
        );
        let help = "copy it into another profile, or make a new backup in this one";
        return Err(Error::new(ErrorKind::Encryption, text).with_help(help));
    }
    Ok(())
}

struct StreamCopy<'a> {
    environment: &'a Environment,
    source: &'a StoredStreamBackup<'a>,
    profile: &'a str,
    target: &'a Storage,
    identities: Arc<Identities>,
}

impl StreamCopy<'_> {
    /// Returns the copy if it exists.
    ///
    /// # Errors
    /// The target contains a backup with this id and another content, or a copy whose content is missing.
    async fn existing(&self) -> Result<Option<StoredStreamBackup<'_>>> {
        let source = self.source;
        let Some(existing) = read(self.profile, self.target, &source.meta_path).await? else {
            return Ok(None);
        };
        let (id, location) = (source.meta.backup_id, self.target.location());
        let moved = StreamMeta { path: source.meta.path.clone(), ..existing.meta.clone() };
        if moved != source.meta {
            let text = format!(
                "single backup {id} exists in storage `{location}` with another content, perhaps encrypted for other \
                 recipients; it was not changed"
            );
            return Err(Error::new(ErrorKind::Conflict, text));
        }
        let content = Path::parse(&existing.meta.path).map_err(|source| {
            Error::with_source(ErrorKind::Corrupt, "the `.meta` contains no path", source)
        })?;
        if self.target.size(&content).await? != Some(existing.meta.size_bytes) {
            let text =
                format!("single backup {id} exists in storage `{location}`, but its content is not complete");
            let help = "delete it there, and copy it again";
            return Err(Error::new(ErrorKind::Corrupt, text).with_help(help));
        }
        Ok(Some(existing))
    }

    /// Writes the content, verifies it, and creates the `.meta`.
    async fn copy(&self, lease: &Lease) -> Result<StreamCopyReport> {
        let (source, target, cancel) = (self.source, self.target, &lease.stop_token());
        let path = new_content_path(self.environment, &source.meta)?;
        let meta = StreamMeta { path: path.to_string(), ..source.meta.clone() };
        let candidate = StoredStreamBackup {
            profile: self.profile,
            storage: target,
            meta_path: source.meta_path.clone(),
            meta,
        };
        let transfer =
            until_cancelled(cancel, StreamTransfer::unchanged(source.storage, &source.meta)).await?;
        let record =
            ContentRecord::create(self.environment, target, &source.meta_path, &candidate.meta).await?;
        let written = async {
            transfer.write(target, path.clone(), cancel).await?;
            let verified = verify_stored(self.environment, &candidate, &self.identities, cancel).await?;
            if let Some(problem) = verified.problem {
                let text =
                    format!("the copy of single backup {} is damaged: {problem}", source.meta.backup_id);
                return Err(
                    Error::new(ErrorKind::Corrupt, text).with_help("verify the backup that was copied")
                );
            }
            let document = candidate.meta.to_document()?;
            let held = until_cancelled(cancel, lease.confirm()).await?;
            Ok((verified.note, document, held))
        };
        let (note, document, held) = match written.await {
            Ok(written) => written,
            Err(error) => {
                record.discard().await;
                return Err(error);
            }
        };
        // From here on cancellation has no effect: a published copy must not be reported as cancelled.
        let content = UnpublishedContent::new(target, path);
        let publishing = publish(content, target, source.meta_path.clone(), document);
        if let Err(error) = held.within(&format!("`{}` was written", source.meta_path), publishing).await {
            // Another process may have made the same copy.
            let Ok(Some(existing)) = self.existing().await else { return Err(error) };
            if existing.meta.path == candidate.meta.path {
                return Err(error);
            }
            record.discard().await;
            return self.report(&existing, None).await;
        }
        record.withdraw().await;
        tracing::info!(
            target: "koan::backup", backup = %candidate.meta.backup_id, profile = %self.profile,
            "a single backup of an event stream was copied"
        );
        let report = self.report(&candidate, note).await?;
        Ok(StreamCopyReport { already_existed: false, ..report })
    }

    async fn report(&self, copy: &StoredStreamBackup<'_>, note: Option<String>) -> Result<StreamCopyReport> {
        Ok(StreamCopyReport { backup: copy.handle(&self.identities).await?, already_existed: true, note })
    }
}
