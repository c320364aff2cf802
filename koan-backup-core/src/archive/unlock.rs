//! The decryption of the encrypted entries of an archive.

use std::sync::Arc;

use super::bounds::tree_fits;
use super::layout::entry;
use super::locked::{Locked, matching_key, sealed_entities};
use super::manifest::{EntityStatus, Manifest};
use super::open_documents::OpenDocuments;
use super::reader::ArchiveReader;
use crate::encryption::Identities;
use crate::foundation::error::Result;

/// Decrypts the sealed document of an archive and finds the keys of its encrypted entries. If no identity can
/// decrypt them, `documents.locked` contains the reason afterwards.
///
/// # Errors
/// An identity that the manifest lists does not decrypt the archive, the sealed document is damaged, or the
/// storage cannot be read.
pub(crate) async fn unlock(
    reader: &mut ArchiveReader,
    documents: &mut OpenDocuments,
    manifest: &Manifest,
    identities: &Arc<Identities>,
) -> Result<()> {
    let sealed: Vec<_> = sealed_entities(manifest).collect();
    if sealed.is_empty() {
        return Ok(());
    }
    let encryption = manifest.encryption.as_ref();
    let locked = || Some(Locked::new(encryption, identities));
    if identities.is_empty() {
        documents.locked = locked();
        return Ok(());
    }
    let Some(content) = reader.sealed_document(entry::SEALED, identities).await? else {
        return match matching_key(encryption, identities) {
            Some(id) => Err(reader.damaged_entry_error(
                entry::SEALED,
                &format!("its manifest lists key `{id}`, but this key does not decrypt the entry"),
            )),
            None => {
                documents.locked = locked();
                Ok(())
            }
        };
    };
    documents.sealed = serde_json::from_slice(&content).map_err(|_| {
        reader.damaged_entry_error(entry::SEALED, "it does not have the expected JSON structure")
    })?;
    for (entity, file) in &sealed {
        let Some(sealed_entity) = documents.sealed.get(*file) else {
            return Err(
                reader.damaged_entry_error(entry::SEALED, &format!("it does not describe entry `{file}`"))
            );
        };
        documents.blocks.insert((*file).to_owned(), sealed_entity.blocks.clone());
        if let (Some(physical), Some(info)) =
            (&sealed_entity.physical, documents.providers.get_mut(&entity.provider))
        {
            if !tree_fits(physical.get().as_bytes()) {
                return Err(reader.damaged_entry_error(
                    entry::SEALED,
                    "a physical form in it exceeds the limits of a document",
                ));
            }
            let physical = serde_json::from_str(physical.get()).map_err(|_| {
                reader.damaged_entry_error(entry::SEALED, "a physical form in it is not JSON")
            })?;
            info.physical.insert((*file).to_owned(), physical);
        }
        if !reader.unlock(file, identities).await? {
            let fault = format!("the key that decrypts `{}` does not decrypt this entry", entry::SEALED);
            return Err(reader.damaged_entry_error(file, &fault));
        }
    }
    if documents.sealed.len() != sealed.len() {
        return Err(reader.damaged_entry_error(entry::SEALED, "it describes entries that do not exist"));
    }
    Ok(())
}

/// Checks that an entry is encrypted if, and only if, the manifest declares its entity as encrypted. Returns
/// a description of the fault, if there is one.
///
/// # Errors
/// The storage cannot be read.
pub(crate) async fn sealing_fault(reader: &ArchiveReader, manifest: &Manifest) -> Result<Option<String>> {
    for entity in manifest.entities.iter().filter(|entity| entity.status == EntityStatus::Completed) {
        let Some(file) = entity.storage_file.as_deref() else { continue };
        if entity.policy.encrypt != file.ends_with(".age") {
            return Ok(Some(format!("the name of entry `{file}` does not match its encryption policy")));
        }
        if entity.policy.encrypt && !reader.is_sealed(file).await? {
            return Ok(Some(format!(
                "entity `{}` must be encrypted, but its entry `{file}` is not",
                entity.entity
            )));
        }
    }
    let has_sealed_entities = sealed_entities(manifest).next().is_some();
    let fault = if has_sealed_entities && manifest.encryption.is_none() {
        Some("its manifest does not list the recipients of its encrypted entities")
    } else if has_sealed_entities != reader.contains(entry::SEALED) {
        Some(
            "it has encrypted entities without `verification/sealed.json.age`, or that entry without \
             encrypted entities",
        )
    } else {
        None
    };
    Ok(fault.map(str::to_owned))
}
