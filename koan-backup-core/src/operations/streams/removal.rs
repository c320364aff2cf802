//! Removes one single backup.
//!
//! A removal record is created first, so that a removal that was interrupted can be finished by the id of the backup.
//! Then the `.meta` is removed, and the content last. A restore first writes its lease and then checks that the `.meta`
//! exists; a removal first removes the `.meta` and then reads the leases. Therefore a content that is being restored is
//! not removed.
//!
//! A rekey and a copy create such a record as well, for a content to which no `.meta` refers yet or any more. It has a name
//! of its own, and is withdrawn if the `.meta` of the backup refers to its content.

use object_store::path::Path;
use serde::Serialize;

use crate::archive::stream_file::{MAX_META_BYTES, StreamMeta, meta_id, meta_path, removal_path};
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
    /// Whether the backup was encrypted.
    pub encrypted: bool,
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
            encrypted: handle.is_encrypted(),
            profile: handle.profile.clone(),
            freed_bytes: handle.size_bytes,
        }
    }

    /// Describes a backup whose interrupted removal was finished.
    pub(super) fn of_meta(meta: &StreamMeta, profile: &str) -> Self {
        Self {
            id: meta.backup_id,
            object: meta.object_name.clone(),
            object_id: None,
            profile: profile.to_owned(),
            encrypted: meta.encryption.is_some(),
            freed_bytes: meta.size_bytes,
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
    require_unused(environment, storage, id).await?;
    let record = removal_path(meta)
        .ok_or_else(|| Error::new(ErrorKind::Internal, "the `.meta` of a single backup has another name"))?;
    let document = stored.meta.to_document()?;
    match storage.size(&record).await? {
        None => storage.create(&record, document).await?,
        // The record of a removal that did not happen may name an earlier content.
        Some(_) => storage.replace(&record, document).await?,
    }
    storage.remove_durably(meta).await?;
    storage.require_gone(meta).await?;
    finish(environment, storage, &record, &stored.meta).await
}

/// Finishes a removal that was interrupted: removes the content of a removal record, unless the `.meta` of its backup
/// refers to it. Returns the backup if the content was removed.
///
/// # Errors
/// The record cannot be read, the backup still exists or is in use, or the storage fails.
pub(crate) async fn finish_record(
    environment: &Environment,
    storage: &Storage,
    record: &Path,
) -> Result<Option<StreamMeta>> {
    let Some(bytes) = storage.read(record, MAX_META_BYTES).await? else { return Ok(None) };
    let meta = StreamMeta::parse(&bytes)
        .map_err(|error| error.context(format!("removal record `{record}` cannot be used")))?;
    // The leases are read before the `.meta`: a process that may still publish the content holds a lease.
    require_unused(environment, storage, meta.backup_id).await?;
    let is_of_deletion = meta_path(record).and_then(|path| meta_id(&path)) == Some(meta.backup_id);
    match current_meta(storage, record, meta.backup_id).await? {
        Some(current) if current.path != meta.path => {}
        None => {}
        Some(_) if is_of_deletion => {
            let text = format!("single backup {} still exists", meta.backup_id);
            return Err(Error::new(ErrorKind::Conflict, text).with_help("delete it by its id"));
        }
        Some(_) => {
            storage.remove_durably(record).await?;
            return Ok(None);
        }
    }
    finish(environment, storage, record, &meta).await?;
    Ok(Some(meta))
}

/// Reads the `.meta` of a backup beside a removal record.
async fn current_meta(storage: &Storage, record: &Path, id: BackupId) -> Result<Option<StreamMeta>> {
    let Some(path) = beside(record, &format!("{id}.meta")) else { return Ok(None) };
    match storage.read(&path, MAX_META_BYTES).await? {
        Some(bytes) => StreamMeta::parse(&bytes).map(Some),
        None => Ok(None),
    }
}

/// Returns the path of another file in the same folder.
pub(super) fn beside(path: &Path, name: &str) -> Option<Path> {
    let (folder, _) = path.as_ref().rsplit_once('/')?;
    Path::parse(format!("{folder}/{name}")).ok()
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
        require_unused(environment, storage, id).await?;
        storage.remove_durably(&content).await?;
        storage.require_gone(&content).await
    };
    removed.await.map_err(|error| {
        let text = format!("single backup {id} was removed, but its content `{content}` was not");
        error.context(text).with_help("delete the backup again by its id, which removes its content")
    })?;
    storage.remove_durably(record).await
}

/// Returns an error if a process restores, rewrites or copies the backup.
pub(super) async fn require_unused(environment: &Environment, storage: &Storage, id: BackupId) -> Result<()> {
    for subject in [Subject::Restore(id), Subject::Rekey(id), Subject::Copy(id)] {
        if let Some(lease) = lease::find_held(storage, &environment.clock, &subject).await? {
            return Err(in_use(id, &lease));
        }
    }
    Ok(())
}

fn in_use(id: BackupId, lease: &LeaseFile) -> Error {
    let action = match lease.subject {
        Subject::Rekey(_) => "rewritten for other recipients",
        Subject::Copy(_) => "copied",
        _ => "restored",
    };
    let text = format!("single backup {id} is being {action} {}", lease.holder);
    Error::new(ErrorKind::Busy, text).with_help("try again later")
}
