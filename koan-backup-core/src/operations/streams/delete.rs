//! Deletes a single backup on request.

use super::read::{identities_for, locate};
use super::removal::{RemovedStreamBackup, finish_record, remove};
use crate::archive::stream_file::{meta_id, meta_path};
use crate::catalog::stream_backups::{StreamBackupHandle, StreamBackupRef, list};
use crate::environment::Environment;
use crate::foundation::error::{Error, ErrorKind, Result};

/// Deletes a single backup, or finishes a deletion that left its content.
///
/// # Errors
/// The backup does not exist or is being restored, or the storage fails.
pub(crate) async fn run(
    environment: &Environment,
    profile: Option<&str>,
    backup: &StreamBackupRef,
) -> Result<RemovedStreamBackup> {
    let stored = match locate(environment, profile, backup).await {
        Ok(stored) => stored,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return finish_interrupted(environment, profile, backup, error).await;
        }
        Err(error) => return Err(error),
    };
    let described = async { stored.handle(&identities_for(environment, &stored).await?).await };
    // Neither a key source that fails nor a damaged description prevents the removal.
    let handle = described.await.unwrap_or_else(|_| {
        StreamBackupHandle::new(stored.profile, stored.meta_path.clone(), stored.meta.clone(), None)
    });
    remove(environment, &stored).await?;
    tracing::info!(
        target: "koan::backup", backup = %handle.id, object = %handle.object,
        "a single backup of an event stream was deleted"
    );
    Ok(RemovedStreamBackup::of(&handle))
}

async fn finish_interrupted(
    environment: &Environment,
    profile: Option<&str>,
    backup: &StreamBackupRef,
    not_found: Error,
) -> Result<RemovedStreamBackup> {
    let profile = match backup {
        StreamBackupRef::Handle(handle) => profile.or(Some(handle.profile.as_str())),
        StreamBackupRef::Id(_) => profile,
    };
    let (name, storage) = (environment.profile_name(profile), environment.storage(profile)?);
    for record in list(storage, None).await?.removals {
        if meta_path(&record).and_then(|meta| meta_id(&meta)) != Some(backup.id()) {
            continue;
        }
        if let Some(meta) = finish_record(environment, storage, &record).await? {
            return Ok(RemovedStreamBackup::of(&StreamBackupHandle::new(name, record, meta, None)));
        }
    }
    Err(not_found)
}
