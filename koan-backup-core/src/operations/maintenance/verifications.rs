//! Verification records: sidecar files `verifications/{id}.json` with the time of the last verification.

use std::collections::BTreeMap;

use crate::catalog::sidecar::{self, SidecarFiles};
use crate::catalog::{SidecarCache, VerificationRecord};
use crate::foundation::error::Result;
use crate::foundation::id::BackupId;
use crate::storage::Storage;

const FOLDER: &str = "verifications";

/// What the user should do about a damaged record.
const REMEDY: &str = "remove the record; the backup is then verified again";

/// Creates a cache of verification records.
pub(crate) fn cache() -> SidecarCache<VerificationRecord> {
    SidecarCache::new(FOLDER, REMEDY)
}

/// Reads all verification records of a profile. A backup whose record cannot be read counts as never
/// verified.
///
/// # Errors
/// The storage cannot be read.
pub(crate) async fn read_all(storage: &Storage) -> Result<BTreeMap<BackupId, VerificationRecord>> {
    Ok(readable(sidecar::read_all(storage, FOLDER, REMEDY).await?))
}

/// Returns what [`read_all`] does. Records in the cache are not read again.
///
/// # Errors
/// The storage cannot be read.
pub(crate) async fn known(
    cache: &SidecarCache<VerificationRecord>,
    profile: &str,
    storage: &Storage,
) -> Result<BTreeMap<BackupId, VerificationRecord>> {
    Ok(readable(cache.all(profile, storage).await?))
}

/// Reads the verification records of some backups.
///
/// # Errors
/// The storage cannot be read.
pub(crate) async fn read(
    storage: &Storage,
    ids: Vec<BackupId>,
) -> Result<BTreeMap<BackupId, VerificationRecord>> {
    Ok(readable(sidecar::read_some(storage, FOLDER, REMEDY, ids).await?))
}

/// Returns the records that can be read, and logs the others.
fn readable(found: SidecarFiles<BackupId, VerificationRecord>) -> BTreeMap<BackupId, VerificationRecord> {
    for (id, problem) in found.unreadable {
        tracing::warn!(
            target: "koan::backup", backup = %id, %problem,
            "a verification record cannot be read"
        );
    }
    found.readable
}

/// Writes the verification record of a backup.
pub(crate) async fn write(storage: &Storage, id: BackupId, record: &VerificationRecord) -> Result<()> {
    sidecar::write(storage, FOLDER, &id, record).await
}

/// Removes the verification record of a backup.
pub(super) async fn remove(storage: &Storage, id: BackupId) -> Result<()> {
    sidecar::remove(storage, FOLDER, &id).await
}
