//! When each backup was verified: `verifications/{id}.json`.

use std::collections::BTreeMap;

use crate::catalog::{VerificationRecord, sidecar};
use crate::foundation::error::Result;
use crate::foundation::id::BackupId;
use crate::storage::Storage;

const FOLDER: &str = "verifications";

/// All verifications of a profile. A backup whose record cannot be read counts as never verified.
///
/// # Errors
/// The storage cannot be read.
pub(crate) async fn of(storage: &Storage) -> Result<BTreeMap<BackupId, VerificationRecord>> {
    let all = sidecar::all(storage, FOLDER, "remove it: its backup is verified again").await?;
    for (id, problem) in all.unreadable {
        tracing::warn!(target: "koan::backup", backup = %id, %problem, "when a backup was verified cannot be read");
    }
    Ok(all.known)
}

/// Keeps when a backup was verified.
pub(crate) async fn keep(storage: &Storage, id: BackupId, record: &VerificationRecord) -> Result<()> {
    sidecar::keep(storage, FOLDER, &id, record).await
}

/// Forgets a backup that is gone.
pub(super) async fn forget(storage: &Storage, id: BackupId) -> Result<()> {
    sidecar::forget(storage, FOLDER, &id).await
}
