//! Removes one backup. The manifest is removed first, so a backup never exists without its archive, even
//! after a crash.

use object_store::path::Path;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::holders::Holders;
use super::pins;
use super::report::RemovedBackup;
use super::survey::Survey;
use crate::archive::{MAX_MANIFEST_BYTES, Manifest, manifest_path};
use crate::catalog::removal_record::{self, RemovalRecord};
use crate::catalog::retention::{Group, GroupContent};
use crate::catalog::{self, RemovalReason, StoredBackup};
use crate::environment::Environment;
use crate::environment::lease::{self, ConfirmedLease, Lease, LeasedWork, Subject};
use crate::environment::manifest_durability;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::operations::recover;
use crate::storage::{CLEANUP_TIMEOUT, Storage};

/// Removes a backup by its id. The last valid backup that contains an entity is removed only if
/// `even_if_last` is set.
pub(crate) async fn remove_one(
    environment: &Environment,
    profile: Option<&str>,
    id: BackupId,
    even_if_last: bool,
) -> Result<RemovedBackup> {
    let storage = environment.storage(profile)?;
    let no_cancellation = CancellationToken::new();
    let lease =
        Lease::acquire(environment, storage, Subject::Prune, LeasedWork::default(), &no_cancellation).await?;
    let removed = remove_under_lease(&lease, environment, storage, id, even_if_last).await;
    let removed = removed.map_err(|error| lease.explain(error, &no_cancellation));
    lease.release().await;
    removed
}

async fn remove_under_lease(
    lease: &Lease,
    environment: &Environment,
    storage: &Storage,
    id: BackupId,
    even_if_last: bool,
) -> Result<RemovedBackup> {
    let backup = catalog::find_id(storage, id).await?;
    let survey = Survey::take(storage, &environment.clock).await?;
    recover::require_mostly_listed(environment, storage, &survey).await?;
    if backup.manifest.archive.is_some() && !even_if_last {
        require_other_holders(lease, environment, &survey, &backup).await?;
    }
    // The backups that are kept must survive a loss of power.
    manifest_durability::sync_backup_directories(storage).await?;
    remove(lease, environment, &backup, RemovalReason::Deleted).await
}

/// Refuses to remove `backup` if it is the last valid backup that contains an entity. Only backups of the
/// application that made it are considered.
async fn require_other_holders(
    lease: &Lease,
    environment: &Environment,
    survey: &Survey<'_>,
    backup: &StoredBackup<'_>,
) -> Result<()> {
    let id = backup.manifest.id;
    let mut holders = Holders::new(environment, survey, lease.stop_token());
    for Group { content, members } in survey.groups_of_same_application(environment, &backup.manifest) {
        if matches!(content, GroupContent::Series(_)) || !members.contains(&id) {
            continue;
        }
        let mut has_other = false;
        for other in members.into_iter().filter(|other| *other != id) {
            has_other = has_other || holders.problem(other).await? == Some(None);
        }
        if !has_other {
            let text = format!(
                "backup {id} was not removed, because no other backup {content} is valid; use \
                 `.even_if_last()` to remove it"
            );
            return Err(Error::new(ErrorKind::Conflict, text));
        }
    }
    Ok(())
}

/// Removes the manifest and the archive of a backup that is not in use, and checks that both no longer exist.
///
/// A durable removal record is written first, and withdrawn if the manifest is not removed or is put back.
/// The lease is confirmed right before each of the two removals. If the lease is lost, nothing more is
/// removed, and a manifest whose archive still exists is put back.
pub(super) async fn remove(
    lease: &Lease,
    environment: &Environment,
    backup: &StoredBackup<'_>,
    reason: RemovalReason,
) -> Result<RemovedBackup> {
    let (storage, manifest) = (backup.storage, &backup.manifest);
    let (id, stop) = (manifest.id, lease.stop_token());
    let not_removed =
        |error: Error, what: &str| error.context(format!("backup {id} was not removed: {what}"));
    let path = manifest_path(&id);
    let content = until_cancelled(&stop, async {
        require_unpinned(storage, id).await?;
        require_not_in_use(environment, storage, id).await?;
        storage.read(&path, MAX_MANIFEST_BYTES).await
    });
    let content = content.await?.ok_or_else(|| {
        Error::new(ErrorKind::Conflict, format!("another process removed backup {id} meanwhile"))
    })?;
    // The manifest may refer to another archive by now.
    if serde_json::from_slice::<serde_json::Value>(&content).ok().as_ref() != Some(&backup.published) {
        let text = format!("another process changed backup {id} meanwhile, so it was not removed");
        return Err(Error::new(ErrorKind::Conflict, text));
    }
    // Without the record, an archive that remains after a crash would be reported as unlisted.
    let record = removal_record(environment, backup, reason);
    if let Some(record) = &record
        && let Err(error) = until_cancelled(&stop, record.write(storage)).await
    {
        removal_record::withdraw_or_log(storage, &record.archive).await;
        return Err(not_removed(error, "it is unchanged, because its removal could not be recorded"));
    }
    let removal = match lease.confirm().await {
        Ok(held) => {
            held.within(&format!("manifest `{path}` was removed"), remove_manifest(storage, &path)).await
        }
        Err(lost) => {
            withdraw(storage, record.as_ref()).await;
            return Err(not_removed(lost, "it is unchanged"));
        }
    };
    if let Err(error) = removal {
        return match timeout(CLEANUP_TIMEOUT, storage.size(&path)).await {
            Ok(Ok(Some(_))) => {
                withdraw(storage, record.as_ref()).await;
                Err(not_removed(error, "it is unchanged, or its manifest is gone"))
            }
            // A manifest whose removal is not durable may reappear after a loss of power, so its archive must
            // be kept.
            Ok(Ok(None)) if !storage.confirms_by_reading(&error) => {
                let error = not_removed(error, "the removal of its manifest could not be made durable");
                let error = put_back(storage, manifest, content, error).await;
                withdraw(storage, record.as_ref()).await;
                Err(error)
            }
            _ => Err(not_removed(error, "it is unchanged, or its manifest is gone")),
        };
    }
    let mut freed_bytes = u64::try_from(content.len()).unwrap_or(0);
    let held = match until_cancelled(&stop, confirm_not_in_use(lease, environment, storage, id)).await {
        Ok(held) => held,
        Err(error) => {
            let error = put_back(storage, manifest, content, error).await;
            // If the manifest could not be put back, the archive is unlisted from now on, and is kept.
            withdraw(storage, record.as_ref()).await;
            return Err(error);
        }
    };
    if let Some(archive) = &manifest.archive {
        let path = Path::from(archive.file.as_str());
        let removed =
            held.within(&format!("archive `{path}` was removed"), remove_archive(storage, &path)).await;
        removed.map_err(|error| {
            let archive = &archive.file;
            not_removed(error, &format!("its manifest is removed, but its archive `{archive}` still exists"))
        })?;
        freed_bytes += archive.size_bytes;
        withdraw(storage, record.as_ref()).await;
    }
    tracing::info!(target: "koan::backup", backup = %id, name = %manifest.name, "backup was removed");
    Ok(RemovedBackup { id, name: manifest.name.clone(), freed_bytes })
}

/// Returns the removal record of a backup's archive, or `None` if it has no archive.
fn removal_record(
    environment: &Environment,
    backup: &StoredBackup<'_>,
    reason: RemovalReason,
) -> Option<RemovalRecord> {
    let archive = backup.manifest.archive.as_ref()?.file.clone();
    let (id, decided_at) = (backup.manifest.id, environment.clock.now());
    Some(RemovalRecord { archive, id, reason, replacement: None, decided_at })
}

async fn withdraw(storage: &Storage, record: Option<&RemovalRecord>) {
    if let Some(record) = record {
        removal_record::withdraw_or_log(storage, &record.archive).await;
    }
}

/// Checks that a backup whose manifest was removed is neither in use nor pinned, then confirms the lease.
///
/// A restore writes its lease before it checks that its backup exists, and a pin is written before the same
/// check. Therefore either this check finds the lease or the pin, or the other process finds that the backup
/// was removed.
async fn confirm_not_in_use(
    lease: &Lease,
    environment: &Environment,
    storage: &Storage,
    id: BackupId,
) -> Result<ConfirmedLease> {
    require_not_in_use(environment, storage, id).await?;
    require_unpinned(storage, id).await?;
    lease.confirm().await
}

/// Puts back the manifest of an archive that still exists, and returns the error to report.
async fn put_back(storage: &Storage, manifest: &Manifest, content: Vec<u8>, error: Error) -> Error {
    let id = manifest.id;
    let restored = async {
        if let Some(archive) = &manifest.archive
            && storage.size(&Path::from(archive.file.as_str())).await?.is_none()
        {
            let text = format!("another process removed archive `{}` meanwhile", archive.file);
            return Err(Error::new(ErrorKind::Conflict, text));
        }
        storage.create(&manifest_path(&id), content).await
    };
    let restored = timeout(CLEANUP_TIMEOUT, restored).await.unwrap_or_else(|_| Err(storage.timeout_error()));
    match restored {
        Ok(()) => error,
        Err(put_back_error) => {
            let text = format!(
                "backup {id} was not removed: its manifest is gone and could not be put back; \
                 `koan.catalog().recover()` publishes it again: {}",
                put_back_error.chain()
            );
            error.context(text)
        }
    }
}

/// Refuses a pinned backup. Only the pin of this backup is read.
async fn require_unpinned(storage: &Storage, id: BackupId) -> Result<()> {
    match pins::reason_of(storage, id).await? {
        None => Ok(()),
        Some(reason) => Err(Error::new(
            ErrorKind::Conflict,
            format!("backup {id} is pinned ({reason}); remove the pin with `koan.unpin`"),
        )),
    }
}

/// Refuses a backup that is being restored or rekeyed. Only the leases of this backup are read.
async fn require_not_in_use(environment: &Environment, storage: &Storage, id: BackupId) -> Result<()> {
    for subject in Subject::protecting(id) {
        if let Some(lease) = lease::find_held(storage, &environment.clock, &subject).await? {
            return Err(lease.busy_error(storage));
        }
    }
    Ok(())
}

/// Removes a manifest durably, so that it does not reappear after a loss of power.
async fn remove_manifest(storage: &Storage, path: &Path) -> Result<()> {
    storage.remove_durably(path).await?;
    storage.require_gone(path).await
}

async fn remove_archive(storage: &Storage, path: &Path) -> Result<()> {
    storage.remove(path).await?;
    storage.require_gone(path).await
}
