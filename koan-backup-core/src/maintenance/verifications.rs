//! When each backup was verified, and what was found: `verifications/{id}.json`.

use std::collections::BTreeMap;

use futures::{StreamExt as _, TryStreamExt as _};
use object_store::ObjectStore as _;
use object_store::path::Path;

use crate::catalog::VerificationRecord;
use crate::error::{Error, ErrorKind, Result};
use crate::id::BackupId;
use crate::storage::Storage;

/// The most bytes a record can have.
const MAX_BYTES: u64 = 1 << 20;

/// All verifications of a profile.
///
/// # Errors
/// The storage cannot be read, or a record is damaged.
pub(crate) async fn of(storage: &Storage) -> Result<BTreeMap<BackupId, VerificationRecord>> {
    let folder = Path::from("verifications");
    let listed = storage.store().list(Some(&folder)).try_collect::<Vec<_>>().await;
    let listed = listed.map_err(|source| storage.failed(&folder, "listed in", source))?;
    let read = |path: Path| async move {
        let Some(id) = id_of(&path) else { return Ok(None) };
        let Some(bytes) = storage.read(&path, MAX_BYTES).await? else { return Ok(None) };
        let record: VerificationRecord = serde_json::from_slice(&bytes).map_err(|_| {
            let text = format!(
                "`{path}` in storage `{}` is damaged; remove it: its backup is verified again",
                storage.location()
            );
            Error::new(ErrorKind::Corrupt, text)
        })?;
        Ok(Some((id, record)))
    };
    let mut read = futures::stream::iter(listed).map(|meta| read(meta.location)).buffer_unordered(64);
    let mut all = BTreeMap::new();
    while let Some(found) = read.try_next().await? {
        all.extend(found);
    }
    Ok(all)
}

/// Keeps what a verification found, in the place of what the one before found.
pub(super) async fn keep(storage: &Storage, id: BackupId, record: &VerificationRecord) -> Result<()> {
    storage.replace(&path(&id), crate::archive::document(record)).await
}

/// Forgets a backup that is gone.
pub(super) async fn forget(storage: &Storage, id: BackupId) -> Result<()> {
    storage.remove(&path(&id)).await
}

fn path(id: &BackupId) -> Path {
    Path::from(format!("verifications/{id}.json"))
}

fn id_of(path: &Path) -> Option<BackupId> {
    path.filename()?.strip_suffix(".json")?.parse().ok()
}
