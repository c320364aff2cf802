//! Copies one backup.

use bytes::Bytes;
use object_store::path::Path;
use serde_json::Value;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::report::CopyReport;
use crate::archive::{
    ArchiveFile, ArchiveObject, FinishedUpload, Manifest, PendingArchive, UnpublishedArchive, UploadWriter,
    manifest_path, rekeyed_path,
};
use crate::catalog::{self, StoredBackup};
use crate::encryption::ArchiveEncryption;
use crate::environment::Environment;
use crate::environment::event::{Event, Listener};
use crate::environment::lease::{ConfirmedLease, Lease, LeasedWork, Subject};
use crate::environment::manifest_durability;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::clock::new_backup_id;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::json::document;
use crate::operations::verify::{self, VerifyOptions, VerifyReport};
use crate::storage::{CLEANUP_TIMEOUT, Storage};

/// Copies a backup into `target`.
///
/// # Cancel safety
/// If the copy fails, is cancelled or is dropped, no file of the copy remains in `target`.
pub(crate) async fn run(
    environment: &Environment,
    backup: &StoredBackup<'_>,
    target: &Storage,
    cancel: &CancellationToken,
    listener: &Listener,
) -> Result<CopyReport> {
    let archive = require_copyable(backup, target)?;
    if backup.storage.is_same_location(target) {
        let (source, destination) = (backup.storage.location(), target.location());
        let text = format!(
            "`{source}` and `{destination}` have the same location, so backup {} would not be stored a \
             second time; select another target profile",
            backup.manifest.id
        );
        return Err(Error::new(ErrorKind::Configuration, text));
    }
    if let Some(archive) = until_cancelled(cancel, existing_copy(backup, target)).await? {
        return Ok(report(environment, backup, archive, None));
    }
    let path = rekeyed_path(&backup.manifest, &new_backup_id(&environment.clock));
    let id = backup.manifest.id;
    let work = LeasedWork { backup: Some(id), archive: Some(path.to_string()) };
    let lease = Lease::acquire(environment, target, Subject::Copy(id), work, cancel).await?;
    let run = LeasedCopy { lease: &lease, environment, backup, archive, target, listener };
    let copied = run.copy(path).await;
    let copied = copied.map_err(|error| lease.explain(error, cancel));
    lease.release().await;
    copied
}

/// The copy of one backup while its lease is held, so that maintenance does not remove the archive before its manifest
/// is published.
struct LeasedCopy<'a> {
    lease: &'a Lease,
    environment: &'a Environment,
    backup: &'a StoredBackup<'a>,
    archive: &'a ArchiveFile,
    target: &'a Storage,
    listener: &'a Listener,
}

impl LeasedCopy<'_> {
    /// Copies the archive to `path`, verifies the copy, and publishes its manifest.
    async fn copy(self, path: Path) -> Result<CopyReport> {
        let Self { lease, environment, backup, archive, target, listener } = self;
        let cancel = &lease.stop_token();
        let source = until_cancelled(cancel, ArchiveObject::find(backup.storage, &archive.file)).await?;
        let (writer, pending) =
            PendingArchive::begin_upload(target, backup.manifest.id, path.clone(), cancel).await?;
        let copied = |bytes| {
            listener.emit(|| Event::ArchiveCopied {
                id: backup.manifest.id,
                bytes,
                total: archive.size_bytes,
            });
        };
        let stream = copy_content(&source, archive, writer, copied);
        let ((), stored) = pending.store(stream, cancel).await?;

        let unpublished = UnpublishedArchive::new(target, backup.manifest.id, path);
        let copy = copied_backup(backup, target, &stored)?;
        let verification = match verify_copy(environment, &copy, cancel, listener).await {
            Ok(verification) => {
                until_cancelled(cancel, lease.confirm()).await.map(|held| (verification, held))
            }
            Err(error) => Err(error),
        };
        let (verification, held) = match verification {
            Ok(verified) => verified,
            Err(error) => {
                unpublished.discard().await;
                return Err(error.context(format!(
                    "the copy of backup {} in storage `{}` could not be verified and was removed",
                    backup.manifest.id,
                    target.location()
                )));
            }
        };
        // From here on cancellation has no effect: a published copy must not be reported as cancelled.
        let published = publish(held, backup, &copy, unpublished).await?;
        let verification = (published == stored).then_some(verification);
        Ok(report(environment, backup, published, verification))
    }
}

fn report(
    environment: &Environment,
    backup: &StoredBackup<'_>,
    archive: ArchiveFile,
    verification: Option<VerifyReport>,
) -> CopyReport {
    let mut warnings = backup.notes(&environment.identity);
    if verification.as_ref().is_some_and(|verification| !verification.undecrypted.is_empty()) {
        warnings.push(
            "no key decrypts the encrypted content, so the bytes of the copy were checked, but not its \
             records"
                .to_owned(),
        );
    }
    CopyReport {
        id: backup.manifest.id,
        archive,
        already_existed: verification.is_none(),
        verification,
        warnings,
    }
}

/// Returns the archive of a backup, if the backup may be copied to `target`.
fn require_copyable<'a>(backup: &'a StoredBackup<'_>, target: &Storage) -> Result<&'a ArchiveFile> {
    let manifest = &backup.manifest;
    let Some(archive) = &manifest.archive else {
        let reason = manifest.error.as_deref().unwrap_or("its manifest contains no archive");
        let text = format!("backup {} has no archive to copy: {reason}", manifest.id);
        return Err(Error::new(ErrorKind::Incompatible, text));
    };
    if target.encryption() == ArchiveEncryption::Always && !manifest.is_encrypted_as_a_whole() {
        return Err(Error::new(
            ErrorKind::Encryption,
            format!(
                "archives in storage `{}` must be encrypted as a whole, but the archive of backup {} is not; \
                 copy it into another profile, or make a new backup in this one",
                target.location(),
                manifest.id
            ),
        ));
    }
    Ok(archive)
}

/// Returns the archive of an existing copy with the same content, or `None` if there is no copy.
///
/// # Errors
/// A copy with different content exists, or the existing copy is damaged.
async fn existing_copy(backup: &StoredBackup<'_>, target: &Storage) -> Result<Option<ArchiveFile>> {
    let id = &backup.manifest.id;
    let Some(existing) = catalog::published(target, id).await? else { return Ok(None) };
    let Some(archive) = same_archive(&existing, &backup.published) else {
        return Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "backup {id} exists in storage `{}` with different content, perhaps encrypted for other \
                 recipients; it was not changed",
                target.location()
            ),
        ));
    };
    let damaged = |problem: &str| {
        Error::new(
            ErrorKind::Corrupt,
            format!(
                "backup {id} exists in storage `{}`, but its archive {problem}; remove its manifest there \
                 and copy it again",
                target.location()
            ),
        )
    };
    match ArchiveObject::find(target, &archive.file).await {
        Ok(object) if object.stored_bytes() == archive.size_bytes => {
            // The process that made the copy may have been killed before the copy was durable.
            manifest_durability::sync_backup_directories(target).await?;
            Ok(Some(archive))
        }
        Ok(_) => Err(damaged("has a different size")),
        Err(error) if error.kind() == ErrorKind::Corrupt => Err(damaged("is missing")),
        Err(error) => Err(error),
    }
}

/// Returns the archive of `existing`, if the two manifests differ only in the path of the archive.
fn same_archive(existing: &Value, original: &Value) -> Option<ArchiveFile> {
    let without_file = |manifest: &Value| {
        let mut manifest = manifest.clone();
        if let Some(file) = manifest.pointer_mut("/archive/file") {
            *file = Value::Null;
        }
        manifest
    };
    (without_file(existing) == without_file(original))
        .then(|| serde_json::from_value(existing.get("archive")?.clone()).ok())
        .flatten()
}

/// Copies the content of the archive, part by part, and compares its hash before the upload is completed. `copied`
/// receives the number of bytes, first 0, and then after each part.
async fn copy_content(
    source: &ArchiveObject,
    archive: &ArchiveFile,
    mut writer: UploadWriter,
    copied: impl Fn(u64),
) -> Result<((), FinishedUpload)> {
    let mut offset = 0;
    copied(offset);
    while offset < source.stored_bytes() {
        let step = u64::try_from(writer.part_bytes()).unwrap_or(u64::MAX);
        let end = source.stored_bytes().min(offset.saturating_add(step));
        let part: Bytes = source.stored(offset..end).await?;
        writer.send_part(part).await?;
        offset = end;
        copied(offset);
    }
    let written = writer.finish_parts();
    if written.sha256 != archive.sha256 || written.size_bytes != archive.size_bytes {
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!(
                "archive `{}` has a hash or size that differs from its manifest, so it was not copied; \
                 verify the backup",
                archive.file
            ),
        ));
    }
    Ok(((), written))
}

/// Returns the backup as it is stored in `target`: its manifest refers to the archive of the copy.
fn copied_backup<'a>(
    backup: &StoredBackup<'_>,
    target: &'a Storage,
    archive: &ArchiveFile,
) -> Result<StoredBackup<'a>> {
    let serialization_error = |source| {
        Error::with_source(ErrorKind::Internal, "the manifest of the copy could not be serialized", source)
    };
    let mut published = backup.published.clone();
    published["archive"] = serde_json::to_value(archive).map_err(serialization_error)?;
    let manifest: Manifest = serde_json::from_value(published.clone()).map_err(serialization_error)?;
    Ok(StoredBackup::new(target, manifest, published))
}

/// Verifies the copy with the manifest that will be published.
async fn verify_copy(
    environment: &Environment,
    copy: &StoredBackup<'_>,
    cancel: &CancellationToken,
    listener: &Listener,
) -> Result<VerifyReport> {
    let is_complete = copy.manifest.status.is_complete();
    let candidate = StoredBackup::new(copy.storage, copy.manifest.clone(), copy.published.clone());
    let opened = async {
        let identities = environment.identities_for(&candidate.manifest).await?;
        Ok((candidate.opened(&identities).await?, identities))
    };
    let (candidate, identities) = until_cancelled(cancel, opened).await?;
    let options =
        VerifyOptions { cancel: cancel.clone(), listener: listener.clone(), ..VerifyOptions::default() };
    let report = verify::run(environment, &candidate, &options, &identities).await?;
    if is_complete { report.require_valid() } else { report.require_intact() }
}

/// Publishes the copy, and returns the archive to which the published manifest refers. If another process has
/// made the same copy meanwhile, the archive of that copy is returned.
async fn publish(
    held: ConfirmedLease,
    backup: &StoredBackup<'_>,
    copy: &StoredBackup<'_>,
    unpublished: UnpublishedArchive,
) -> Result<ArchiveFile> {
    let (target, id) = (copy.storage, &copy.manifest.id);
    let path: Path = manifest_path(id);
    let created = async { Ok(target.create(&path, document(&copy.published)).await) };
    let (has_response, error) = match held.within(&format!("`{path}` was written"), created).await {
        Ok(created) => (true, created.err()),
        Err(no_response) => (false, Some(no_response)),
    };
    let existing = match error {
        None => Ok(Some(copy.published.clone())),
        // The manifest may have been written although the response was lost.
        Some(_) => catalog::published_in_time(target, id).await,
    };
    match (existing, error) {
        (Ok(Some(existing)), Some(error))
            if existing == copy.published && !target.confirms_by_reading(&error) =>
        {
            unpublished.keep();
            Err(error.context(format!(
                "it is not known whether backup {id} was copied to storage `{}`, because `{path}` could not \
                 be made durable; its original stays",
                target.location()
            )))
        }
        (Ok(Some(existing)), _) if existing == copy.published => {
            unpublished.keep();
            copy.manifest
                .archive
                .clone()
                .ok_or_else(|| Error::new(ErrorKind::Internal, "the copy has no archive"))
        }
        (Ok(Some(_)), _) => {
            unpublished.discard().await;
            let existing = timeout(CLEANUP_TIMEOUT, existing_copy(backup, target)).await;
            let existing = existing.unwrap_or_else(|_| Err(target.timeout_error()))?;
            existing.ok_or_else(|| {
                Error::new(
                    ErrorKind::Conflict,
                    format!(
                        "the copy of backup {id} in storage `{}` was removed by another process meanwhile; \
                         copy the backup again",
                        target.location()
                    ),
                )
            })
        }
        // Without a response, the manifest may still be written later, so the archive is kept.
        (Ok(None), Some(error)) if !has_response => {
            unpublished.keep();
            Err(error.context(format!(
                "it is not known whether backup {id} was copied to storage `{}`; if the copy exists later, \
                 it is complete",
                target.location()
            )))
        }
        (Ok(None), error) => {
            unpublished.discard().await;
            Err(error.unwrap_or_else(|| Error::new(ErrorKind::Internal, "the copy was not published")))
        }
        (Err(read_error), error) => {
            unpublished.keep();
            Err(error.unwrap_or(read_error).context(format!(
                "it is not known whether backup {id} was copied to storage `{}`, and `{path}` cannot be \
                 read; if the copy exists later, it is complete",
                target.location()
            )))
        }
    }
}
