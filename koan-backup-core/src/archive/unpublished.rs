//! An archive that no manifest names yet, and its removal when it is given up.

use object_store::path::Path;
use tokio::time::timeout;

use super::bounds::MAX_MANIFEST_BYTES;
use super::layout::manifest_path;
use crate::foundation::error::Result;
use crate::foundation::id::BackupId;
use crate::storage::{CLEANUP_TIMEOUT, Storage};

/// Removes an archive that was given up, unless the manifest of its backup names it: its writer may have lost its lease, and a recovery
/// may have published it since then. An archive of which that is not known stays, and maintenance finds out what it is.
///
/// It waits for the storage, though not for ever.
pub(crate) async fn discard_unpublished(storage: &Storage, id: BackupId, path: &Path) {
    match timeout(CLEANUP_TIMEOUT, is_published(storage, id, path)).await {
        Ok(Ok(false)) => storage.discard(path).await,
        Ok(Ok(true)) => {
            tracing::warn!(target: "koan::backup", backup = %id, archive = %path, "an archive that was given up had been published by somebody else; it stays");
        }
        Ok(Err(error)) => {
            tracing::warn!(target: "koan::backup", backup = %id, archive = %path, error = %error.chain(), "an archive that was given up stays, because it is not known whether it was published; maintenance judges it");
        }
        Err(_) => {
            tracing::warn!(target: "koan::backup", backup = %id, archive = %path, "an archive that was given up stays, because the store does not answer; maintenance judges it");
        }
    }
}

/// Whether the manifest of a backup may name an archive. One that cannot be understood may.
async fn is_published(storage: &Storage, id: BackupId, path: &Path) -> Result<bool> {
    let Some(bytes) = storage.read(&manifest_path(&id), MAX_MANIFEST_BYTES).await? else { return Ok(false) };
    let manifest: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
    let Some(manifest) = manifest else { return Ok(true) };
    Ok(match manifest.get("archive") {
        Some(archive) if archive.is_null() => false,
        Some(archive) => {
            archive.get("file").and_then(|file| file.as_str()).is_none_or(|file| file == path.as_ref())
        }
        None => true,
    })
}

/// An archive that no manifest names yet: it goes when this is dropped, unless it was published.
#[derive(Debug)]
pub(crate) struct UnpublishedArchive {
    id: BackupId,
    place: Option<(Storage, Path)>,
}

impl UnpublishedArchive {
    pub(crate) fn new(storage: &Storage, id: BackupId, path: Path) -> Self {
        Self { id, place: Some((storage.clone(), path)) }
    }

    /// Removes it as [`discard_unpublished`] does.
    pub(crate) async fn discard(mut self) {
        if let Some((storage, path)) = self.place.take() {
            discard_unpublished(&storage, self.id, &path).await;
        }
    }

    /// Lets it stay.
    pub(crate) fn keep(mut self) {
        self.place = None;
    }
}

impl Drop for UnpublishedArchive {
    fn drop(&mut self) {
        if let (Some((storage, path)), Ok(runtime)) =
            (self.place.take(), tokio::runtime::Handle::try_current())
        {
            let id = self.id;
            // Whoever dropped the work does not wait.
            runtime.spawn(async move { discard_unpublished(&storage, id, &path).await });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_archive_that_was_given_up_goes_unless_a_manifest_of_its_backup_may_name_it() {
        let id: BackupId = "01a20039-2e20-73ff-b80d-43944b669d73".parse().expect("an id");
        let (path, other) = (Path::from("archives/backup-a.zip"), "archives/backup-b.zip");
        for (manifest, stays) in [
            (None, false),
            (Some(format!(r#"{{"archive":{{"file":"{other}"}}}}"#)), false),
            (Some(r#"{"archive":null}"#.to_owned()), false),
            (Some(format!(r#"{{"archive":{{"file":"{path}"}}}}"#)), true),
            (Some("{".to_owned()), true),
            (Some("{}".to_owned()), true),
        ] {
            let storage = Storage::memory();
            storage.create(&path, b"PK".to_vec()).await.expect("written");
            if let Some(manifest) = &manifest {
                storage.create(&manifest_path(&id), manifest.clone().into_bytes()).await.expect("written");
            }
            discard_unpublished(&storage, id, &path).await;
            assert_eq!(storage.size(&path).await.expect("asked").is_some(), stays, "{manifest:?}");
        }
    }
}
