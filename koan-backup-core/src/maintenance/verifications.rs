//! When each backup was verified, and what was found: `verifications/{id}.json`.

use std::collections::BTreeMap;

use crate::catalog::{VerificationRecord, beside};
use crate::error::Result;
use crate::id::BackupId;
use crate::storage::Storage;

const FOLDER: &str = "verifications";

/// All verifications of a profile.
///
/// # Errors
/// The storage cannot be read, or a record is damaged.
pub(crate) async fn of(storage: &Storage) -> Result<BTreeMap<BackupId, VerificationRecord>> {
    beside::all(storage, FOLDER, "remove it: its backup is verified again").await
}

/// Keeps what a verification found, in the place of what the one before found.
pub(super) async fn keep(storage: &Storage, id: BackupId, record: &VerificationRecord) -> Result<()> {
    storage.replace(&beside::path(FOLDER, &id), crate::archive::document(record)).await
}

/// Forgets a backup that is gone.
pub(super) async fn forget(storage: &Storage, id: BackupId) -> Result<()> {
    storage.remove(&beside::path(FOLDER, &id)).await
}
