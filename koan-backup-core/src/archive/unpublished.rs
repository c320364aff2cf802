//! An archive to which no manifest refers yet, and its removal if it is never published.

use object_store::path::Path;
use tokio::time::timeout;

use super::bounds::MAX_MANIFEST_BYTES;
use super::layout::manifest_path;
use crate::foundation::error::Result;
use crate::foundation::id::BackupId;
use crate::storage::{CLEANUP_TIMEOUT, Storage};

/// Removes the archive of a backup that failed, unless the manifest of the backup refers to the archive: the
/// writer may have lost its lease, and a recovery may have published the archive since then. If it is not
/// known whether the archive was published, the archive is kept, and maintenance classifies it later.
///
/// The removal waits for the storage for a limited time.
pub(crate) async fn discard_unpublished(storage: &Storage, id: BackupId, path: &Path) {
    match timeout(CLEANUP_TIMEOUT, may_be_published(storage, id, path)).await {
        Ok(Ok(false)) => storage.discard(path).await,
        Ok(Ok(true)) => {
            tracing::warn!(
                target: "koan::backup", backup = %id, archive = %path,
                "the archive of a failed backup was not removed, because another process has published it"
            );
        }
        Ok(Err(error)) => {
            tracing::warn!(
                target: "koan::backup", backup = %id, archive = %path, error = %error.chain(),
                "the archive of a failed backup was not removed, because it is not known whether it was \
                 published; maintenance reports it or removes it"
            );
        }
        Err(_) => {
            tracing::warn!(
                target: "koan::backup", backup = %id, archive = %path,
                "the archive of a failed backup was not removed, because the store did not respond in time; \
                 maintenance reports it or removes it"
            );
        }
    }
}

/// Returns whether the manifest of a backup may refer to an archive. Returns `true` if the manifest cannot be
/// parsed.
async fn may_be_published(storage: &Storage, id: BackupId, path: &Path) -> Result<bool> {
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

/// An archive to which no manifest refers yet. When this guard is dropped, the archive is removed, unless it
/// was published.
#[derive(Debug)]
pub(crate) struct UnpublishedArchive {
    id: BackupId,
    /// The storage and path of the archive. `None` if the archive must not be removed.
    removable: Option<(Storage, Path)>,
}

impl UnpublishedArchive {
    pub(crate) fn new(storage: &Storage, id: BackupId, path: Path) -> Self {
        Self { id, removable: Some((storage.clone(), path)) }
    }

    /// Removes the archive as [`discard_unpublished`] does.
    pub(crate) async fn discard(mut self) {
        if let Some((storage, path)) = self.removable.take() {
            discard_unpublished(&storage, self.id, &path).await;
        }
    }

    /// Leaves the archive in the storage.
    pub(crate) fn keep(mut self) {
        self.removable = None;
    }
}

impl Drop for UnpublishedArchive {
    fn drop(&mut self) {
        if let (Some((storage, path)), Ok(runtime)) =
            (self.removable.take(), tokio::runtime::Handle::try_current())
        {
            let id = self.id;
            // `drop` cannot wait for the removal, so it runs as a task.
            runtime.spawn(async move { discard_unpublished(&storage, id, &path).await });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_unpublished_archive_is_discarded_unless_the_manifest_of_its_backup_may_refer_to_it() {
        let id: BackupId = "01a20039-2e20-73ff-b80d-43944b669d73".parse().expect("the id is valid");
        let (path, other_path) = (Path::from("archives/backup-a.zip"), "archives/backup-b.zip");
        for (manifest, is_kept) in [
            (None, false),
            (Some(format!(r#"{{"archive":{{"file":"{other_path}"}}}}"#)), false),
            (Some(r#"{"archive":null}"#.to_owned()), false),
            (Some(format!(r#"{{"archive":{{"file":"{path}"}}}}"#)), true),
            (Some("{".to_owned()), true),
            (Some("{}".to_owned()), true),
        ] {
            let storage = Storage::memory();
            storage.create(&path, b"PK".to_vec()).await.expect("the archive is written");
            if let Some(manifest) = &manifest {
                let written = storage.create(&manifest_path(&id), manifest.clone().into_bytes()).await;
                written.expect("the manifest is written");
            }
            discard_unpublished(&storage, id, &path).await;
            let size = storage.size(&path).await.expect("the size is read");
            assert_eq!(size.is_some(), is_kept, "{manifest:?}");
        }
    }
}
