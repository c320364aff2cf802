//! Removes one single backup.
//!
//! A removal record is created first, so that a removal that was interrupted can be finished by the id of the backup.
//! Then the `.meta` is removed, and the content last. A restore first writes its lease and then checks that the `.meta`
//! exists; a removal first removes the `.meta` and then reads the leases. Therefore a content that is being restored is
//! not removed.

use object_store::path::Path;
use serde::Serialize;

use crate::archive::stream_file::{MAX_META_BYTES, StreamMeta, meta_path, removal_path};
use crate::catalog::stream_backups::{StoredStreamBackup, StreamBackupHandle};
use crate::environment::Environment;
use crate::environment::lease::{self, LeaseFile, Subject};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::storage::Storage;

/// A single backup that was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RemovedStreamBackup {
    /// The id of the backup.
    pub id: BackupId,
    /// The object name.
    pub object: String,
    /// The object id, if it is known.
    pub object_id: Option<String>,
    /// The storage profile.
    pub profile: String,
    /// The size of the content that was removed.
    pub freed_bytes: u64,
}

impl RemovedStreamBackup {
    pub(super) fn of(handle: &StreamBackupHandle) -> Self {
        Self {
            id: handle.id,
            object: handle.object.clone(),
            object_id: handle.object_id.clone(),
            profile: handle.profile.clone(),
            freed_bytes: handle.size_bytes,
        }
    }
}

/// Removes a backup.
///
/// # Errors
/// The backup is being restored and was not removed, or the storage fails. If the `.meta` was removed and the content
/// was not, the error says so; the removal can be repeated by the id.
pub(super) async fn remove(environment: &Environment, stored: &StoredStreamBackup<'_>) -> Result<()> {
    let (storage, id, meta) = (stored.storage, stored.meta.backup_id, &stored.meta_path);
    if let Some(lease) = held(environment, storage, id).await? {
        return Err(in_use(id, &lease));
    }
    let record = removal_path(meta)
        .ok_or_else(|| Error::new(ErrorKind::Internal, "the `.meta` of a single backup has another name"))?;
    let document = stored.meta.to_document()?;
    if storage.size(&record).await?.is_none() {
        storage.create(&record, document).await?;
    }
    storage.remove_durably(meta).await?;
    storage.require_gone(meta).await?;
    finish(environment, storage, &record, &stored.meta).await
}

/// Finishes a removal that was interrupted after its `.meta` was removed. Returns the backup.
///
/// # Errors
/// The record cannot be read, the content is being restored, or the storage fails.
pub(super) async fn finish_record(
    environment: &Environment,
    storage: &Storage,
    record: &Path,
) -> Result<Option<StreamMeta>> {
    let Some(bytes) = storage.read(record, MAX_META_BYTES).await? else { return Ok(None) };
    let meta = StreamMeta::parse(&bytes)
        .map_err(|error| error.context(format!("removal record `{record}` cannot be used")))?;
    let is_there = match meta_path(record) {
        Some(path) => storage.size(&path).await?.is_some(),
        None => true,
    };
    if is_there {
        let text = format!("single backup {} still exists", meta.backup_id);
        return Err(Error::new(ErrorKind::Conflict, text).with_help("delete it by its id"));
    }
    finish(environment, storage, record, &meta).await?;
    Ok(Some(meta))
}

/// Removes the content, and then the removal record.
async fn finish(
    environment: &Environment,
    storage: &Storage,
    record: &Path,
    meta: &StreamMeta,
) -> Result<()> {
    let id = meta.backup_id;
    let content = Path::parse(&meta.path)
        .map_err(|source| Error::with_source(ErrorKind::Corrupt, "the `.meta` contains no path", source))?;
    let removed = async {
        if let Some(lease) = held(environment, storage, id).await? {
            return Err(in_use(id, &lease));
        }
        storage.remove_durably(&content).await?;
        storage.require_gone(&content).await
    };
    removed.await.map_err(|error| {
        let text = format!("single backup {id} was removed, but its content `{content}` was not");
        error.context(text).with_help("delete the backup again by its id, which removes its content")
    })?;
    storage.remove_durably(record).await
}

async fn held(environment: &Environment, storage: &Storage, id: BackupId) -> Result<Option<LeaseFile>> {
    lease::find_held(storage, &environment.clock, &Subject::Restore(id)).await
}

fn in_use(id: BackupId, lease: &LeaseFile) -> Error {
    let text = format!("single backup {id} is being restored {}", lease.holder);
    Error::new(ErrorKind::Busy, text).with_help("try again later")
}
