//! The moment from which the new archive counts.

use object_store::path::Path;

use crate::archive::{ArchiveFile, Manifest, discard_unpublished, manifest_fits, manifest_path};
use crate::catalog;
use crate::catalog::removal_record::{self, RemovalRecord};
use crate::environment::Environment;
use crate::environment::lease::{self, Lease, Subject};
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::storage::Storage;

/// Makes the new archive the one that counts, unless the manifest changed meanwhile. If it is not known which
/// of the two counts, both stay.
///
/// A durable record that the old archive is to be removed is written first, and withdrawn if the manifest
/// stays.
pub(super) async fn publish(
    lease: &Lease,
    storage: &Storage,
    before: &serde_json::Value,
    renewed: &Manifest,
    record: &RemovalRecord,
    archive: &Path,
) -> Result<()> {
    let path = manifest_path(&renewed.id);
    let content = renewed.published().to_json();
    if !manifest_fits(&content) {
        discard_unpublished(storage, renewed.id, archive).await;
        let text = format!(
            "the manifest of backup {} would be larger than any that is read; encrypt for fewer recipients",
            renewed.id
        );
        return Err(Error::new(ErrorKind::Unsupported, text));
    }
    let stop = lease.lost();
    let now = until_cancelled(&stop, catalog::published(storage, &renewed.id)).await;
    if !matches!(&now, Ok(Some(now)) if now == before) {
        discard_unpublished(storage, renewed.id, archive).await;
        return Err(now.err().unwrap_or_else(|| {
            let text = format!(
                "backup {} was changed meanwhile by somebody else; it is as they left it",
                renewed.id
            );
            Error::new(ErrorKind::Conflict, text)
        }));
    }
    if let Err(error) = until_cancelled(&stop, record.write(storage)).await {
        removal_record::withdraw_or_log(storage, &record.archive).await;
        discard_unpublished(storage, renewed.id, archive).await;
        return Err(error.context(format!(
            "backup {} is as it was, because the removal of its old archive could not be recorded",
            renewed.id
        )));
    }
    let held = match lease.confirm().await {
        Ok(held) => held,
        Err(error) => {
            removal_record::withdraw_or_log(storage, &record.archive).await;
            discard_unpublished(storage, renewed.id, archive).await;
            return Err(error);
        }
    };
    let replaced = async { Ok(storage.replace(&path, content.clone()).await) };
    let (is_answered, error) = match held.within(&format!("`{path}` was written"), replaced).await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => (true, error),
        Err(unanswered) => (false, unanswered),
    };
    // It may have been written all the same, and the answer was lost.
    match catalog::published_in_time(storage, &renewed.id).await {
        Ok(Some(now))
            if storage.confirms_by_reading(&error)
                && serde_json::from_slice(&content).is_ok_and(|new: serde_json::Value| new == now) =>
        {
            Ok(())
        }
        // What was not answered may be written yet.
        Ok(Some(now)) if is_answered && &now == before => {
            removal_record::withdraw_or_log(storage, &record.archive).await;
            discard_unpublished(storage, renewed.id, archive).await;
            Err(error)
        }
        // The record stays: maintenance makes the manifest durable, or sees that the old archive counts,
        // before anything goes.
        Ok(_) | Err(_) => Err(error.context(format!(
            "whether backup {} is sealed for the new recipients is not known; both archives were kept, and \
             the one that its manifest names counts",
            renewed.id
        ))),
    }
}

/// Removes the archive that does not count any more, unless somebody restores from it. The lease is confirmed
/// right before, and the manifest must name the new archive.
pub(super) async fn remove_old(
    lease: &Lease,
    environment: &Environment,
    renewed: &Manifest,
    storage: &Storage,
    archive: &ArchiveFile,
) -> Result<()> {
    let id = renewed.id;
    let looked = async {
        if let Some(held) = lease::find_held(storage, &environment.clock, &Subject::Restore(id)).await? {
            return Err(held.busy(storage));
        }
        catalog::published(storage, &id).await
    };
    let now = until_cancelled(&lease.lost(), looked).await?;
    let named = now.as_ref().and_then(|now| now.pointer("/archive/file")).and_then(serde_json::Value::as_str);
    if named.is_none() || named != renewed.archive.as_ref().map(|archive| archive.file.as_str()) {
        let text = format!("the manifest of backup {id} does not name its new archive any more");
        return Err(Error::new(ErrorKind::Conflict, text));
    }
    let what = format!("archive `{}` was removed", archive.file);
    let path = Path::from(archive.file.as_str());
    let removed = async {
        storage.remove(&path).await?;
        storage.require_gone(&path).await
    };
    lease.step(&what, removed).await?;
    removal_record::withdraw_or_log(storage, &archive.file).await;
    Ok(())
}
