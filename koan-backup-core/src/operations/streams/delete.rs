//! Deletes a single backup on request.

use object_store::path::Path;
use percent_encoding::percent_decode_str;

use super::read::{identities_for, locate};
use super::removal::{RemovedStreamBackup, finish_record, remove, require_unused};
use crate::archive::stream_file::{MAX_META_BYTES, is_stream_content, meta_id, meta_path};
use crate::catalog::stream_backups::{StreamBackupHandle, StreamBackupRef, list};
use crate::environment::Environment;
use crate::foundation::error::{Error, ErrorKind, Result};

/// Deletes a single backup, or finishes a deletion that left its content.
///
/// # Errors
/// The backup does not exist or is being restored, the storage fails, or its `.meta` is damaged and its content is not
/// found.
pub(crate) async fn run(
    environment: &Environment,
    profile: Option<&str>,
    backup: &StreamBackupRef,
) -> Result<RemovedStreamBackup> {
    let stored = match locate(environment, profile, backup).await {
        Ok(stored) => stored,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return finish_interrupted(environment, profile, backup, error).await;
        }
        Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Incompatible) => {
            return remove_unreadable(environment, profile, backup, error).await;
        }
        Err(error) => return Err(error),
    };
    let described = async { stored.handle(&identities_for(environment, &stored).await?).await };
    // Neither a key source that fails nor a damaged description prevents the removal.
    let handle = described.await.unwrap_or_else(|_| {
        StreamBackupHandle::new(stored.profile, stored.meta_path.clone(), stored.meta.clone(), None)
    });
    remove(environment, &stored).await?;
    tracing::info!(
        target: "koan::backup", backup = %handle.id, object = %handle.object,
        "a single backup of an event stream was deleted"
    );
    Ok(RemovedStreamBackup::of(&handle))
}

/// Removes a backup whose `.meta` cannot be read: first its content, whose name is that of the backup, and the `.meta`
/// last. No restore can use such a backup, and a removal that was interrupted can be repeated.
async fn remove_unreadable(
    environment: &Environment,
    profile: Option<&str>,
    backup: &StreamBackupRef,
    unreadable: Error,
) -> Result<RemovedStreamBackup> {
    let (profile, id) = (profile_of(profile, backup), backup.id());
    let (name, storage) = (environment.profile_name(profile), environment.storage(profile)?);
    let listed = list(storage, None).await?;
    let Some((_, meta)) = listed.metas.into_iter().find(|(found, _)| *found == id) else {
        return Err(unreadable);
    };
    require_unused(environment, storage, id).await?;
    let folder = folder_of(meta.as_ref());
    let is_of_backup = |path: &Path| {
        let is_in_folder = path.as_ref().strip_suffix(file_name(path)).is_some_and(|of| of.ends_with(folder));
        is_in_folder && is_stream_content(path.as_ref()) && file_name(path).starts_with(&format!("{id}."))
    };
    let beside = listed.contents.into_iter().map(|file| file.path);
    let stated = storage.read(&meta, MAX_META_BYTES).await?.and_then(|bytes| stated_content(&bytes));
    let Some(content) = beside.chain(stated).find(is_of_backup) else {
        let text = format!("its content was not found beside `{meta}`, so it was not deleted");
        return Err(unreadable
            .context(text)
            .with_help("find the content of the backup, and remove it and the `.meta` by hand"));
    };
    let freed_bytes = storage.size(&content).await?.unwrap_or_default();
    for path in [&content, &meta] {
        storage.remove_durably(path).await?;
        storage.require_gone(path).await?;
    }
    tracing::info!(
        target: "koan::backup", backup = %id, "a single backup whose description cannot be read was deleted"
    );
    let object = folder.trim_end_matches('/').rsplit('/').nth(1).unwrap_or_default();
    Ok(RemovedStreamBackup {
        id,
        object: percent_decode_str(object).decode_utf8_lossy().into_owned(),
        object_id: None,
        encrypted: content.as_ref().ends_with(".age"),
        profile: name.to_owned(),
        freed_bytes,
    })
}

/// Returns the path of the content that a `.meta` states, if that part of it can be read.
fn stated_content(meta: &[u8]) -> Option<Path> {
    let meta: serde_json::Value = serde_json::from_slice(meta).ok()?;
    Path::parse(meta.get("path")?.as_str()?).ok()
}

/// Returns the folder of a file, with the separator at its end.
fn folder_of(path: &str) -> &str {
    path.rfind('/').and_then(|end| path.get(..=end)).unwrap_or_default()
}

fn file_name(path: &Path) -> &str {
    path.filename().unwrap_or_default()
}

/// Returns the storage profile in which a backup is searched.
fn profile_of<'p>(profile: Option<&'p str>, backup: &'p StreamBackupRef) -> Option<&'p str> {
    match backup {
        StreamBackupRef::Handle(handle) => profile.or(Some(handle.profile.as_str())),
        StreamBackupRef::Id(_) => profile,
    }
}

async fn finish_interrupted(
    environment: &Environment,
    profile: Option<&str>,
    backup: &StreamBackupRef,
    not_found: Error,
) -> Result<RemovedStreamBackup> {
    let profile = profile_of(profile, backup);
    let (name, storage) = (environment.profile_name(profile), environment.storage(profile)?);
    for record in list(storage, None).await?.removals {
        if meta_path(&record).and_then(|meta| meta_id(&meta)) != Some(backup.id()) {
            continue;
        }
        if let Some(meta) = finish_record(environment, storage, &record).await? {
            return Ok(RemovedStreamBackup::of(&StreamBackupHandle::new(name, record, meta, None)));
        }
    }
    Err(not_found)
}
