//! The moment from which the new archive counts.

use std::time::Duration;

use object_store::path::Path;
use tokio::time::timeout;

use crate::archive::{ArchiveFile, Manifest, manifest_fits, manifest_path};
use crate::catalog::removal_record::{self, RemovalRecord};
use crate::catalog::{self, StoredBackup};
use crate::environment::Environment;
use crate::error::{Error, ErrorKind, Result};
use crate::lease::{self, Subject};
use crate::storage::Storage;

/// Makes the new archive the one that counts, unless the manifest changed meanwhile. If it is not known which of the two counts,
/// both stay.
///
/// A durable record that the old archive is to be removed is written first, and withdrawn if the manifest stays.
pub(super) async fn publish(
    storage: &Storage,
    before: &serde_json::Value,
    renewed: &Manifest,
    record: &RemovalRecord,
    archive: &Path,
    patience: Duration,
) -> Result<()> {
    let path = manifest_path(&renewed.id);
    let content = renewed.published().to_json();
    if !manifest_fits(&content) {
        storage.discard(archive).await;
        let text = format!(
            "the manifest of backup {} would be larger than any that is read; encrypt for fewer recipients",
            renewed.id
        );
        return Err(Error::new(ErrorKind::Unsupported, text));
    }
    let now = catalog::published(storage, &renewed.id).await;
    if !matches!(&now, Ok(Some(now)) if now == before) {
        storage.discard(archive).await;
        return Err(now.err().unwrap_or_else(|| {
            let text = format!(
                "backup {} was changed meanwhile by somebody else; it is as they left it",
                renewed.id
            );
            Error::new(ErrorKind::Conflict, text)
        }));
    }
    if let Err(error) = record.write(storage).await {
        storage.discard(archive).await;
        return Err(error.context(format!(
            "backup {} is as it was, because the removal of its old archive could not be recorded",
            renewed.id
        )));
    }
    let replaced = timeout(patience, storage.replace(&path, content.clone())).await;
    let is_answered = replaced.is_ok();
    let replaced = replaced.unwrap_or_else(|_| {
        let text =
            format!("storage `{}` did not answer in time when `{path}` was written", storage.location());
        Err(Error::new(ErrorKind::Storage, text))
    });
    let Err(error) = replaced else { return Ok(()) };
    // It may have been written all the same, and the answer was lost.
    match catalog::published(storage, &renewed.id).await {
        Ok(Some(now)) if serde_json::from_slice(&content).is_ok_and(|new: serde_json::Value| new == now) => Ok(()),
        // What was not answered may be written yet.
        Ok(Some(now)) if is_answered && &now == before => {
            removal_record::withdraw_or_log(storage, &record.archive).await;
            storage.discard(archive).await;
            Err(error)
        }
        Ok(_) | Err(_) => Err(error.context(format!(
            "whether backup {} is sealed for the new recipients is not known; both archives were kept, and the one that its \
             manifest names counts",
            renewed.id
        ))),
    }
}

/// Removes the archive that does not count any more, unless somebody restores from it.
pub(super) async fn remove_old(
    environment: &Environment,
    backup: &StoredBackup<'_>,
    archive: &ArchiveFile,
) -> Result<()> {
    let restored = Subject::Restore(backup.manifest.id);
    match lease::held_by(backup.storage, &environment.clock, &restored).await? {
        Some(lease) => Err(lease.busy(backup.storage)),
        None => {
            let path = Path::from(archive.file.as_str());
            backup.storage.remove(&path).await?;
            backup.storage.require_gone(&path).await?;
            removal_record::withdraw_or_log(backup.storage, &archive.file).await;
            Ok(())
        }
    }
}
