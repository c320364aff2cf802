//! Removing one backup, so that no crash leaves half of it: once its manifest is gone, it does not exist.

use object_store::path::Path;
use tokio_util::sync::CancellationToken;

use super::pins;
use super::report::RemovedBackup;
use super::survey::Survey;
use crate::archive::{MAX_MANIFEST_BYTES, Manifest, manifest_path};
use crate::catalog::removal_record::{self, RemovalRecord};
use crate::catalog::{self, RemovalReason, StoredBackup};
use crate::environment::Environment;
use crate::error::{Error, ErrorKind, Result};
use crate::id::BackupId;
use crate::lease::{self, Lease, Subject, Work};
use crate::recover;
use crate::storage::Storage;
use crate::verify::{self, VerifyOptions};

/// Removes a backup that somebody named. The last one of its name that was completed goes only if `even_if_last`.
pub(crate) async fn remove_one(
    environment: &Environment,
    profile: Option<&str>,
    id: BackupId,
    even_if_last: bool,
) -> Result<RemovedBackup> {
    let storage = environment.storage(profile)?;
    let never = CancellationToken::new();
    let lease = Lease::acquire(environment, storage, Subject::Prune, Work::default(), &never).await?;
    let removed = remove_named(environment, storage, id, even_if_last).await;
    lease.release().await;
    removed
}

async fn remove_named(
    environment: &Environment,
    storage: &Storage,
    id: BackupId,
    even_if_last: bool,
) -> Result<RemovedBackup> {
    let backup = catalog::find(storage, &id.into(), |_| true).await?;
    recover::require_mostly_listed(environment, storage, &Survey::take(storage, &environment.clock).await?)
        .await?;
    if backup.manifest.status.is_complete() && !even_if_last {
        require_another(environment, storage, &backup.manifest).await?;
    }
    remove(environment, storage, &backup, RemovalReason::Deleted).await
}

/// Refuses to remove the only backup of a name that verifies.
async fn require_another(environment: &Environment, storage: &Storage, manifest: &Manifest) -> Result<()> {
    let is_other = |other: &Manifest| {
        other.id != manifest.id && other.name == manifest.name && other.status.is_complete()
    };
    let others = catalog::list(storage).await?;
    for other in others.iter().filter(|other| is_other(&other.manifest)) {
        if verify::problem(environment, other, &VerifyOptions::default()).await?.is_none() {
            return Ok(());
        }
    }
    let (id, name) = (manifest.id, &manifest.name);
    Err(Error::new(
        ErrorKind::Conflict,
        format!(
            "no other backup called `{name}` was completed and verifies; remove {id} with `.even_if_last()`"
        ),
    ))
}

/// Removes manifest and archive of a backup that nobody needs, and looks whether they are gone.
pub(super) async fn remove(
    environment: &Environment,
    storage: &Storage,
    backup: &StoredBackup<'_>,
    reason: RemovalReason,
) -> Result<RemovedBackup> {
    let manifest = &backup.manifest;
    let id = manifest.id;
    require_unpinned(storage, id).await?;
    require_unheld(environment, storage, id).await?;
    let failed = |error: Error, what: &str| error.context(format!("backup {id} was not removed: {what}"));
    let path = manifest_path(&id);
    let content = storage.read(&path, MAX_MANIFEST_BYTES).await?;
    let content = content.ok_or_else(|| {
        Error::new(ErrorKind::Conflict, format!("backup {id} was removed meanwhile by somebody else"))
    })?;
    // Its archive may be another by now.
    if serde_json::from_slice::<serde_json::Value>(&content).ok().as_ref() != Some(&backup.published) {
        let text = format!("backup {id} was changed meanwhile by somebody else, and is as they left it");
        return Err(Error::new(ErrorKind::Conflict, text));
    }
    // Without it, an archive that stays after a crash would be one that somebody may miss.
    let record = removal_record(environment, backup, reason);
    if let Some(record) = &record {
        let written = record.write(storage).await;
        written
            .map_err(|error| failed(error, "it is as before, because its removal could not be recorded"))?;
    }
    if let Err(error) = gone(storage, &path).await {
        if let (Some(record), Ok(Some(_))) = (&record, storage.size(&path).await) {
            removal_record::withdraw_or_log(storage, &record.archive).await;
        }
        return Err(failed(error, "it is as before, or its manifest is gone"));
    }
    let mut freed_bytes = u64::try_from(content.len()).unwrap_or(0);
    // A restore tells that it begins before it looks whether its backup is there, and so does a pin: one of the two sees the other.
    let needed = match require_unheld(environment, storage, id).await {
        Ok(()) => require_unpinned(storage, id).await,
        held => held,
    };
    if let Err(held) = needed {
        let put_back = storage.create(&path, content).await;
        // Without its manifest, the archive is unlisted from now on, and stays.
        if let Some(record) = &record {
            removal_record::withdraw_or_log(storage, &record.archive).await;
        }
        return Err(match put_back {
            Ok(()) => held,
            Err(error) => failed(
                error,
                "somebody needs it, and its manifest could not be put back; `koan.catalog().recover()` publishes it again",
            ),
        });
    }
    if let Some(archive) = &manifest.archive {
        let path = Path::from(archive.file.as_str());
        gone(storage, &path).await.map_err(|error| {
            let archive = &archive.file;
            failed(error, &format!("it does not exist any more, but its archive `{archive}` is still there"))
        })?;
        freed_bytes += archive.size_bytes;
        removal_record::withdraw_or_log(storage, &archive.file).await;
    }
    tracing::info!(target: "koan::backup", backup = %id, name = %manifest.name, "backup was removed");
    Ok(RemovedBackup { id, name: manifest.name.clone(), freed_bytes })
}

/// The record that its archive is to be removed; none if it has no archive.
fn removal_record(
    environment: &Environment,
    backup: &StoredBackup<'_>,
    reason: RemovalReason,
) -> Option<RemovalRecord> {
    let archive = backup.manifest.archive.as_ref()?.file.clone();
    let (id, decided_at) = (backup.manifest.id, environment.clock.now());
    Some(RemovalRecord { archive, id, reason, replacement: None, decided_at })
}

/// Refuses what was pinned. Only the pin of this backup is read.
async fn require_unpinned(storage: &Storage, id: BackupId) -> Result<()> {
    match pins::reason_of(storage, id).await? {
        None => Ok(()),
        Some(why) => Err(Error::new(
            ErrorKind::Conflict,
            format!("backup {id} is pinned ({why}); `koan.unpin` lets it go"),
        )),
    }
}

/// Refuses what is being restored, or sealed for others. Only leases of this backup are read.
async fn require_unheld(environment: &Environment, storage: &Storage, id: BackupId) -> Result<()> {
    for subject in Subject::holding(id) {
        if let Some(lease) = lease::held_by(storage, &environment.clock, &subject).await? {
            return Err(lease.busy(storage));
        }
    }
    Ok(())
}

async fn gone(storage: &Storage, path: &Path) -> Result<()> {
    storage.remove(path).await?;
    storage.require_gone(path).await
}
