//! Reads and checks the description of one entity of a tree. The functions block.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::files::{damaged, read_error, read_verified};
use super::leftovers::INCOMPLETE_MARK;
use crate::archive::tree::{
    EncryptedFile, METADATA_FILE, SEALED_METADATA_FILE, TREE_FORMAT_VERSION, TreeBackup, TreeEntity,
    TreeMetadata, data_file,
};
use crate::archive::{MAX_MANIFEST_BYTES, manifest_fits};
use crate::foundation::error::{Error, ErrorKind, Result};

/// One entity of a tree whose description was checked.
#[derive(Debug)]
pub(super) struct LoadedEntity {
    pub(super) directory: PathBuf,
    pub(super) metadata: TreeMetadata,
    /// The content of the encrypted part of the description.
    pub(super) sealed: Option<Vec<u8>>,
}

/// Reads the description of an entity, and checks it against the registry. The data files are only checked for
/// their names.
///
/// # Errors
/// A file is missing, was changed, or does not belong to the entity. The error contains its path.
pub(super) fn load(root: &Path, backup: &TreeBackup, entity: &TreeEntity) -> Result<LoadedEntity> {
    let directory = entity.directory.within(root);
    for path in [root.join(entity.directory.entity()), directory.clone()] {
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(damaged(&path, "it is not a directory, for example a symbolic link")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(damaged(&path, "the directory is missing"));
            }
            Err(source) => return Err(read_error(&path, source)),
        }
    }
    let path = directory.join(METADATA_FILE);
    if entity.metadata_file.size_bytes > MAX_MANIFEST_BYTES {
        return Err(damaged(&path, "its size in the registry is larger than that of any such file"));
    }
    let content = read_verified(&path, &entity.metadata_file)?;
    if !manifest_fits(&content) {
        return Err(damaged(&path, "it has more values than koan-backup writes"));
    }
    let metadata: TreeMetadata = serde_json::from_slice(&content).map_err(|source| {
        let text = format!("`{}` does not have the form of the description of an entity", path.display());
        Error::with_source(ErrorKind::Corrupt, text, source)
    })?;
    if metadata.format_version > TREE_FORMAT_VERSION {
        let text = format!("`{}` was written by a newer version of koan-backup", path.display());
        return Err(Error::new(ErrorKind::Incompatible, text).with_help("update koan-backup"));
    }
    if let Some(fault) = fault(&metadata, backup, entity) {
        return Err(damaged(&path, fault));
    }
    require_only_known_files(&directory, &metadata)?;
    let sealed = match &metadata.sealed_metadata {
        Some(record) if record.size_bytes > MAX_MANIFEST_BYTES => {
            return Err(damaged(&path, "a size in it is larger than that of any such file"));
        }
        Some(record) => Some(read_verified(&directory.join(SEALED_METADATA_FILE), record)?),
        None => None,
    };
    Ok(LoadedEntity { directory, metadata, sealed })
}

/// Returns a description of a contradiction between a description and the registry.
fn fault(metadata: &TreeMetadata, backup: &TreeBackup, entity: &TreeEntity) -> Option<&'static str> {
    let encrypted = metadata.policy.encrypt;
    let has_expected_name = |(file, set)| file == &data_file(set, EncryptedFile::of(encrypted));
    if metadata.backup_id != backup.id || metadata.entity != entity.entity {
        Some("it belongs to another backup or entity")
    } else if !metadata.sets.iter().map(|set| &set.set).eq(&entity.sets) {
        Some("its sets differ from those in the registry")
    } else if !metadata.sets.iter().map(|set| (&set.file, &set.set)).all(has_expected_name) {
        Some("the name of a data file does not match its set and its encryption policy")
    } else if encrypted != metadata.sealed_metadata.is_some()
        || metadata.sets.iter().any(|set| encrypted && (set.content_hash.is_some() || set.physical.is_some()))
    {
        Some("its encryption policy contradicts its other fields")
    } else if encrypted && backup.encryption.is_none() {
        Some("the registry does not list the recipients of its encrypted data files")
    } else {
        None
    }
}

/// Refuses a directory with a file that does not belong to the backup.
fn require_only_known_files(directory: &Path, metadata: &TreeMetadata) -> Result<()> {
    let mut known: BTreeSet<&str> = metadata.sets.iter().map(|set| set.file.as_str()).collect();
    known.extend([METADATA_FILE, INCOMPLETE_MARK]);
    if metadata.sealed_metadata.is_some() {
        known.insert(SEALED_METADATA_FILE);
    }
    for entry in fs::read_dir(directory).map_err(|source| read_error(directory, source))? {
        let entry = entry.map_err(|source| read_error(directory, source))?;
        if !entry.file_name().to_str().is_some_and(|name| known.contains(name)) {
            let text = format!("`{}` does not belong to the backup", entry.path().display());
            return Err(
                Error::new(ErrorKind::Corrupt, text).with_help("move the file out of the directory tree")
            );
        }
    }
    Ok(())
}
