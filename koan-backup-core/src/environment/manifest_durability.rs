//! Makes a manifest, or its absence, durable before an archive is removed because of it.

use object_store::path::Path;
use tokio_util::sync::CancellationToken;

use crate::archive::{MAX_MANIFEST_BYTES, manifest_path};
use crate::environment::Environment;
use crate::environment::lease::{Lease, LeasedWork, Subject};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::storage::Storage;
use crate::storage::{archives_prefix, manifests_prefix};

/// The result of making a manifest, or its absence, durable.
pub(crate) enum Durability {
    /// The manifest, or its absence, now survives a loss of power.
    Durable,
    /// Another process works on the backup. The error identifies the process.
    Busy(Error),
    /// The manifest appeared or disappeared meanwhile.
    Changed,
}

/// Makes the current manifest of a backup, or its absence, durable.
///
/// In a directory, a manifest that can be read is not necessarily durable: the process that wrote it may have
/// been killed before the sync, or the sync failed. Therefore the manifest is rewritten as a new file.
/// Meanwhile the rekey lease of the backup is held, so no other process replaces the manifest; if another
/// process holds this lease, the manifest is not rewritten.
///
/// # Errors
/// The storage cannot be read or written, or cannot make the manifest durable. In these cases, nothing may be
/// removed because of this manifest.
pub(crate) async fn make_durable(
    environment: &Environment,
    storage: &Storage,
    id: BackupId,
    cancel: &CancellationToken,
) -> Result<Durability> {
    if storage.is_always_durable() {
        return Ok(Durability::Durable);
    }
    let path = manifest_path(&id);
    if storage.size(&path).await?.is_none() {
        storage.sync_folder(&manifests_prefix()).await?;
        return Ok(match storage.size(&path).await? {
            None => Durability::Durable,
            Some(_) => Durability::Changed,
        });
    }
    let work = LeasedWork { backup: Some(id), archive: None };
    let lease = match Lease::acquire(environment, storage, Subject::Rekey(id), work, cancel).await {
        Err(error) if error.kind() == ErrorKind::Busy => return Ok(Durability::Busy(error)),
        lease => lease?,
    };
    let durability = rewrite(&lease, storage, &path).await;
    lease.release().await;
    durability
}

async fn rewrite(lease: &Lease, storage: &Storage, path: &Path) -> Result<Durability> {
    let Some(content) = storage.read(path, MAX_MANIFEST_BYTES).await? else { return Ok(Durability::Changed) };
    lease.step(&format!("`{path}` was rewritten"), storage.replace(path, content)).await?;
    Ok(Durability::Durable)
}

/// Syncs the directories of all manifests and archives. Call this function before a backup is removed because
/// other backups replace it.
///
/// # Errors
/// The file system cannot sync the directories.
pub(crate) async fn sync_backup_directories(storage: &Storage) -> Result<()> {
    for folder in [archives_prefix(), manifests_prefix()] {
        storage.sync_folder(&folder).await?;
    }
    Ok(())
}
