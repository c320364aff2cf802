//! Makes sure that a manifest, or its absence, survives a loss of power, before an archive is removed on its
//! account.

use object_store::path::Path;
use tokio_util::sync::CancellationToken;

use crate::archive::{MAX_MANIFEST_BYTES, manifest_path};
use crate::environment::Environment;
use crate::environment::lease::{Lease, LeasedWork, Subject};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::storage::Storage;
use crate::storage::{archives_prefix, manifests_prefix};

/// Whether a manifest, or its absence, was made durable.
pub(crate) enum Durability {
    Durable,
    /// Somebody else works on the backup. The error says who.
    Busy(Error),
    /// The manifest appeared or disappeared meanwhile.
    Changed,
}

/// Makes the manifest of a backup durable as it is read now, or its absence, and says whether that was done.
///
/// In a directory, a manifest that can be read need not be durable: the process that wrote it may have died
/// before it was synced, or the sync failed. So the manifest is written again, as a new file. Nobody else
/// replaces it meanwhile, because the lease of those who rekey the backup is held; if somebody else holds it,
/// nothing is done.
///
/// # Errors
/// The storage cannot be read or written, or cannot make it durable. Nothing may be removed on account of
/// this manifest then.
pub(crate) async fn make_durable(
    environment: &Environment,
    storage: &Storage,
    id: BackupId,
    cancel: &CancellationToken,
) -> Result<Durability> {
    if storage.keeps_what_it_shows() {
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
    let settled = rewrite(&lease, storage, &path).await;
    lease.release().await;
    settled
}

async fn rewrite(lease: &Lease, storage: &Storage, path: &Path) -> Result<Durability> {
    let Some(content) = storage.read(path, MAX_MANIFEST_BYTES).await? else { return Ok(Durability::Changed) };
    lease.step(&format!("`{path}` was written again"), storage.replace(path, content)).await?;
    Ok(Durability::Durable)
}

/// Makes durable which manifests and archives there are now. Whoever removes a backup on account of others
/// does this first.
///
/// # Errors
/// The file system cannot do it.
pub(crate) async fn sync_names(storage: &Storage) -> Result<()> {
    for folder in [archives_prefix(), manifests_prefix()] {
        storage.sync_folder(&folder).await?;
    }
    Ok(())
}
