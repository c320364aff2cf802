//! Verification records: sidecar files `verifications/{id}.json` with the time of the last verification.

use std::collections::BTreeMap;

use crate::catalog::{VerificationRecord, sidecar};
use crate::foundation::error::Result;
use crate::foundation::id::BackupId;
use crate::storage::Storage;

const FOLDER: &str = "verifications";

/// Reads all verification records of a profile. A backup whose record cannot be read counts as never
/// verified.
///
/// # Errors
/// The storage cannot be read.
pub(crate) async fn read_all(storage: &Storage) -> Result<BTreeMap<BackupId, VerificationRecord>> {
    let all =
        sidecar::read_all(storage, FOLDER, "remove the record; the backup is then verified again").await?;
    for (id, problem) in all.unreadable {
        tracing::warn!(
            target: "koan::backup", backup = %id, %problem,
            "a verification record cannot be read"
        );
    }
    Ok(all.readable)
}

/// Writes the verification record of a backup.
pub(crate) async fn write(storage: &Storage, id: BackupId, record: &VerificationRecord) -> Result<()> {
    sidecar::write(storage, FOLDER, &id, record).await
}

/// Removes the verification record of a backup.
pub(super) async fn remove(storage: &Storage, id: BackupId) -> Result<()> {
    sidecar::remove(storage, FOLDER, &id).await
}
