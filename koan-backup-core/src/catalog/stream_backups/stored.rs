//! The `.meta` files of a storage profile.

use std::collections::BTreeSet;
use std::sync::Arc;

use object_store::path::Path;

use super::StreamBackupHandle;
use crate::archive::stream_file::{
    MAX_META_BYTES, StreamFolder, StreamMeta, is_removal_path, is_stream_content, meta_id, meta_path,
};
use crate::encryption::Identities;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::storage::{ListedFile, STREAMS_FOLDER, Storage};

/// A single backup in a storage profile.
#[derive(Clone, Debug)]
pub(crate) struct StoredStreamBackup<'a> {
    pub(crate) profile: &'a str,
    pub(crate) storage: &'a Storage,
    pub(crate) meta_path: Path,
    pub(crate) meta: StreamMeta,
}

impl StoredStreamBackup<'_> {
    /// Returns the description of the backup, without its encrypted part if no identity decrypts it.
    ///
    /// # Errors
    /// The encrypted part is damaged.
    pub(crate) async fn handle(&self, identities: &Arc<Identities>) -> Result<StreamBackupHandle> {
        let subject = self.meta.open_subject(identities).await;
        let subject = subject.map_err(|error| damaged_meta(self.storage, &self.meta_path, error))?;
        Ok(StreamBackupHandle::new(self.profile, self.meta_path.clone(), self.meta.clone(), subject))
    }
}

/// The files in a storage profile that belong to single backups, beside their contents.
#[derive(Debug, Default)]
pub(crate) struct ListedStreamFiles {
    /// The `.meta` files, with their ids, newest first.
    pub(crate) metas: Vec<(BackupId, Path)>,
    /// The removal records whose `.meta` does not exist.
    pub(crate) removals: Vec<Path>,
    /// The contents that are in no other folder.
    pub(crate) contents: Vec<ListedFile>,
    /// Files whose name ends with `.meta` and is not that of a single backup.
    pub(crate) foreign: Vec<Path>,
}

/// Lists the files of single backups, of one object name or of all.
///
/// # Errors
/// The storage cannot be listed.
pub(crate) async fn list(storage: &Storage, object: Option<&str>) -> Result<ListedStreamFiles> {
    let folder = match object {
        None => Path::from(STREAMS_FOLDER),
        Some(object) => StreamFolder::of_object(object)?,
    };
    let files = storage.list(&folder).await.map_err(|source| storage.failed(&folder, "listed in", source))?;
    let mut listed = ListedStreamFiles::default();
    for file in files {
        match meta_id(&file.path) {
            Some(id) => listed.metas.push((id, file.path)),
            None if is_removal_path(&file.path) => listed.removals.push(file.path),
            None if file.path.as_ref().ends_with(".meta") => listed.foreign.push(file.path),
            None if is_stream_content(file.path.as_ref()) => listed.contents.push(file),
            None => {}
        }
    }
    listed.metas.sort_unstable_by(|a, b| b.cmp(a));
    let metas: BTreeSet<_> = listed.metas.iter().map(|(_, path)| path).collect();
    listed.removals.retain(|removal| meta_path(removal).is_none_or(|meta| !metas.contains(&meta)));
    Ok(listed)
}

/// Reads a `.meta`. Returns `None` if it does not exist.
///
/// # Errors
/// The file cannot be read, is damaged, or belongs to a newer version.
pub(crate) async fn read<'a>(
    profile: &'a str,
    storage: &'a Storage,
    path: &Path,
) -> Result<Option<StoredStreamBackup<'a>>> {
    let Some(bytes) = storage.read(path, MAX_META_BYTES).await? else { return Ok(None) };
    let meta = StreamMeta::parse(&bytes).map_err(|error| damaged_meta(storage, path, error))?;
    let is_in_its_folder =
        StreamFolder::of_object(&meta.object_name).is_ok_and(|folder| path.prefix_matches(&folder));
    if meta_id(path) != Some(meta.backup_id) || !is_in_its_folder {
        let error = Error::new(ErrorKind::Corrupt, "the `.meta` describes another backup than its path says");
        return Err(damaged_meta(storage, path, error));
    }
    Ok(Some(StoredStreamBackup { profile, storage, meta_path: path.clone(), meta }))
}

/// Finds the backup with an id.
///
/// # Errors
/// There is no such backup, its `.meta` is damaged, or the storage cannot be read.
pub(crate) async fn find<'a>(
    profile: &'a str,
    storage: &'a Storage,
    id: BackupId,
) -> Result<StoredStreamBackup<'a>> {
    find_listed(profile, storage, &list(storage, None).await?, id).await
}

/// Finds the backup with an id among listed files.
///
/// # Errors
/// As for [`find`].
pub(crate) async fn find_listed<'a>(
    profile: &'a str,
    storage: &'a Storage,
    listed: &ListedStreamFiles,
    id: BackupId,
) -> Result<StoredStreamBackup<'a>> {
    for (_, path) in listed.metas.iter().filter(|(found, _)| *found == id) {
        if let Some(found) = read(profile, storage, path).await? {
            return Ok(found);
        }
    }
    Err(not_found(profile, storage, id))
}

/// Returns the error of a single backup that does not exist.
pub(crate) fn not_found(profile: &str, storage: &Storage, id: BackupId) -> Error {
    let text = format!("storage profile `{profile}` ({}) contains no single backup {id}", storage.location());
    Error::new(ErrorKind::NotFound, text)
        .with_help("`koan.stream_backups()` lists them; select another profile with `.from_profile(…)`")
}

fn damaged_meta(storage: &Storage, path: &Path, error: Error) -> Error {
    error.context(format!("`{path}` in storage `{}` cannot be used", storage.location()))
}
