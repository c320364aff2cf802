//! A backup of a tree with the descriptions of its entities, whose records were not read. The functions block.

use std::path::Path;

use super::metadata::{LoadedEntity, load};
use super::stage_entity::{open_file, verify_bytes, verify_unencrypted};
use crate::archive::Manifest;
use crate::archive::tree::{TreeBackup, TreeEntity};
use crate::foundation::error::Result;

/// A backup of a tree with the descriptions of its entities.
#[derive(Debug)]
pub(super) struct DescribedBackup {
    pub(super) entry: TreeBackup,
    /// The manifest of the backup. It contains the entities whose descriptions could be read.
    pub(super) manifest: Manifest,
    /// The first fault that was found, if there is any.
    pub(super) damage: Option<String>,
    /// The size of the files of the backup.
    pub(super) size_bytes: u64,
}

/// Reads the descriptions of a backup, and the sizes of its data files. A fault is recorded and not returned.
pub(super) fn describe(root: &Path, entry: TreeBackup) -> DescribedBackup {
    let (mut entities, mut damage, mut size_bytes) = (Vec::new(), None, 0u64);
    for entity in &entry.entities {
        let described = load(root, &entry, entity).and_then(|loaded| {
            let LoadedEntity { directory, metadata, .. } = &loaded;
            metadata.sets.iter().try_for_each(|set| open_file(&directory.join(&set.file), set).map(drop))?;
            Ok(loaded)
        });
        match described {
            Ok(LoadedEntity { metadata, .. }) => {
                let sealed = metadata.sealed_metadata.iter().map(|file| file.size_bytes);
                let files = metadata.sets.iter().map(|set| set.data_file.size_bytes).chain(sealed);
                size_bytes = files.fold(size_bytes, u64::saturating_add);
                size_bytes = size_bytes.saturating_add(entity.metadata_file.size_bytes);
                entities.extend(metadata.sets.iter().map(|set| metadata.entity_manifest(set)));
            }
            Err(error) => {
                damage.get_or_insert(error.chain());
            }
        }
    }
    let manifest = entry.manifest(entities, entry.encryption.clone());
    DescribedBackup { entry, manifest, damage, size_bytes }
}

/// Compares the data files of one entity with their descriptions. The records of encrypted files are not decrypted.
///
/// # Errors
/// A file is missing or was changed. The error contains its path.
pub(super) fn verify_entity(root: &Path, backup: &TreeBackup, entity: &TreeEntity) -> Result<()> {
    let LoadedEntity { directory, metadata, .. } = load(root, backup, entity)?;
    metadata.sets.iter().try_for_each(|set| {
        let path = directory.join(&set.file);
        match set.content_hash {
            Some(_) => verify_unencrypted(&path, set),
            None => verify_bytes(&path, set),
        }
    })
}
