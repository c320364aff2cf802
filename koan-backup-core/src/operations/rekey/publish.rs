//! Publishes the manifest of the new archive, and removes the old archive.

use object_store::path::Path;

use crate::archive::{ArchiveFile, Manifest, discard_unpublished, manifest_fits, manifest_path};
use crate::catalog;
use crate::catalog::removal_record::{self, RemovalRecord};
use crate::environment::Environment;
use crate::environment::lease::{self, Lease, Subject};
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::storage::Storage;

/// Replaces the manifest with the manifest of the new archive, unless the manifest has changed meanwhile.
/// `previous` is the manifest before the rekey. If it is unknown to which archive the manifest refers, both
/// archives are kept.
///
/// A durable removal record of the old archive is written first, and withdrawn if the manifest is not
/// replaced.
pub(super) async fn publish(
    lease: &Lease,
    storage: &Storage,
    previous: &serde_json::Value,
    rewritten: &Manifest,
    record: &RemovalRecord,
    archive: &Path,
) -> Result<()> {
    let path = manifest_path(&rewritten.id);
    let content = rewritten.published().to_json();
    if !manifest_fits(&content) {
        discard_unpublished(storage, rewritten.id, archive).await;
        let text = format!(
            "the manifest of backup {} exceeds what a reader accepts; encrypt for fewer recipients",
            rewritten.id
        );
        return Err(Error::new(ErrorKind::Unsupported, text));
    }
    let stop = lease.stop_token();
    let current = until_cancelled(&stop, catalog::published(storage, &rewritten.id)).await;
    if !matches!(&current, Ok(Some(current)) if current == previous) {
        discard_unpublished(storage, rewritten.id, archive).await;
        return Err(current.err().unwrap_or_else(|| {
            let text =
                format!("another process changed backup {} meanwhile, so it was not rekeyed", rewritten.id);
            Error::new(ErrorKind::Conflict, text)
        }));
    }
    if let Err(error) = until_cancelled(&stop, record.write(storage)).await {
        removal_record::withdraw_or_log(storage, &record.archive).await;
        discard_unpublished(storage, rewritten.id, archive).await;
        return Err(error.context(format!(
            "backup {} is unchanged, because the removal of its old archive could not be recorded",
            rewritten.id
        )));
    }
    let held = match lease.confirm().await {
        Ok(held) => held,
        Err(error) => {
            removal_record::withdraw_or_log(storage, &record.archive).await;
            discard_unpublished(storage, rewritten.id, archive).await;
            return Err(error);
        }
    };
    let replaced = async { Ok(storage.replace(&path, content.clone()).await) };
    let (has_response, error) = match held.within(&format!("`{path}` was written"), replaced).await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => (true, error),
        Err(no_response) => (false, no_response),
    };
    // The manifest may have been written although the response was lost.
    match catalog::published_in_time(storage, &rewritten.id).await {
        Ok(Some(current))
            if storage.confirms_by_reading(&error)
                && serde_json::from_slice(&content).is_ok_and(|new: serde_json::Value| new == current) =>
        {
            Ok(())
        }
        // Without a response, the manifest may still be written later, so the new archive is kept.
        Ok(Some(current)) if has_response && &current == previous => {
            removal_record::withdraw_or_log(storage, &record.archive).await;
            discard_unpublished(storage, rewritten.id, archive).await;
            Err(error)
        }
        // The removal record is kept. Before maintenance removes an archive, it makes the manifest durable,
        // or finds that the manifest refers to the old archive.
        Ok(_) | Err(_) => Err(error.context(format!(
            "it is not known whether backup {} is encrypted for the new recipients; both archives stay, \
             and the archive to which its manifest refers is the valid one",
            rewritten.id
        ))),
    }
}

/// Removes the old archive, unless another process restores from it. The manifest must refer to the new
/// archive, and the lease is confirmed right before the removal.
pub(super) async fn remove_old(
    lease: &Lease,
    environment: &Environment,
    rewritten: &Manifest,
    storage: &Storage,
    archive: &ArchiveFile,
) -> Result<()> {
    let id = rewritten.id;
    let checked = async {
        if let Some(held) = lease::find_held(storage, &environment.clock, &Subject::Restore(id)).await? {
            return Err(held.busy_error(storage));
        }
        catalog::published(storage, &id).await
    };
    let current = until_cancelled(&lease.stop_token(), checked).await?;
    let current_file = current
        .as_ref()
        .and_then(|current| current.pointer("/archive/file"))
        .and_then(serde_json::Value::as_str);
    if current_file.is_none()
        || current_file != rewritten.archive.as_ref().map(|archive| archive.file.as_str())
    {
        let text = format!("the manifest of backup {id} no longer refers to its new archive");
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
