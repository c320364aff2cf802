//! Removing one backup, so that no crash leaves half of it: once its manifest is gone, it does not exist.

use object_store::path::Path;

use super::pins;
use super::report::RemovedBackup;
use crate::archive::{Manifest, manifest_path};
use crate::catalog;
use crate::environment::Environment;
use crate::error::{Error, ErrorKind, Result};
use crate::id::BackupId;
use crate::storage::Storage;

/// Removes a backup that somebody named. The last one of its name that was completed goes only if `even_if_last`.
pub(crate) async fn remove_one(
    environment: &Environment,
    profile: Option<&str>,
    id: BackupId,
    even_if_last: bool,
) -> Result<RemovedBackup> {
    let storage = environment.storage(profile)?;
    let backup = catalog::find(environment, profile, &id.into(), |_| true).await?;
    require_unpinned(storage, id).await?;
    if backup.manifest.status.is_complete() && !even_if_last {
        let all = catalog::list(storage).await?;
        let is_other = |other: &Manifest| {
            other.id != id && other.name == backup.manifest.name && other.status.is_complete()
        };
        if !all.iter().any(|other| is_other(&other.manifest)) {
            let name = &backup.manifest.name;
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "backup {id} is the only one called `{name}` that was completed; remove it with `.even_if_last()`"
                ),
            ));
        }
    }
    remove(storage, &backup.manifest).await
}

/// Refuses what must stay.
pub(super) async fn require_unpinned(storage: &Storage, id: BackupId) -> Result<()> {
    match pins::of(storage).await?.remove(&id) {
        None => Ok(()),
        Some(why) => Err(Error::new(
            ErrorKind::Conflict,
            format!("backup {id} is pinned ({why}); `koan.unpin` lets it go"),
        )),
    }
}

/// Removes manifest and archive, and looks whether they are gone.
pub(super) async fn remove(storage: &Storage, manifest: &Manifest) -> Result<RemovedBackup> {
    let id = manifest.id;
    let failed = |error: Error, what: &str| error.context(format!("backup {id} was not removed: {what}"));
    let path = manifest_path(&id);
    let size = storage.size(&path).await.map_err(|error| failed(error, "it is as before"))?;
    gone(storage, &path).await.map_err(|error| failed(error, "it is as before, or its manifest is gone"))?;
    let mut freed_bytes = size.unwrap_or(0);
    if let Some(archive) = &manifest.archive {
        let path = Path::from(archive.file.as_str());
        gone(storage, &path).await.map_err(|error| {
            failed(
                error,
                &format!("it does not exist any more, but its archive `{}` is still there", archive.file),
            )
        })?;
        freed_bytes += archive.size_bytes;
    }
    Ok(RemovedBackup { id, name: manifest.name.clone(), freed_bytes })
}

async fn gone(storage: &Storage, path: &Path) -> Result<()> {
    storage.remove(path).await?;
    storage.require_gone(path).await
}
