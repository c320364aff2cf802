//! The decryption of the encrypted entries of an archive.

use std::sync::Arc;

use super::bounds::tree_fits;
use super::layout::entry;
use super::locked::{MissingKey, encrypted_entities, matching_key};
use super::manifest::{EntityStatus, Manifest};
use super::open_documents::OpenDocuments;
use super::reader::ArchiveReader;
use crate::encryption::Identities;
use crate::foundation::error::Result;

/// Decrypts `verification/sealed.json.age` and finds the keys of the encrypted entries of an archive. If no
/// identity can decrypt them, `documents.missing_key` contains the reason afterwards.
///
/// # Errors
/// An identity that the manifest lists does not decrypt the archive, `verification/sealed.json.age` is
/// damaged, or the storage cannot be read.
pub(crate) async fn decrypt_metadata(
    reader: &mut ArchiveReader,
    documents: &mut OpenDocuments,
    manifest: &Manifest,
    identities: &Arc<Identities>,
) -> Result<()> {
    let encrypted: Vec<_> = encrypted_entities(manifest).collect();
    if encrypted.is_empty() {
        return Ok(());
    }
    let encryption = manifest.encryption.as_ref();
    let missing_key = || Some(MissingKey::new(encryption, identities));
    if identities.is_empty() {
        documents.missing_key = missing_key();
        return Ok(());
    }
    let Some(content) = reader.decrypted_document(entry::ENCRYPTED_DOCUMENT, identities).await? else {
        return match matching_key(encryption, identities) {
            Some(id) => Err(reader.damaged_entry_error(
                entry::ENCRYPTED_DOCUMENT,
                &format!("its manifest lists key `{id}`, but this key does not decrypt the entry"),
            )),
            None => {
                documents.missing_key = missing_key();
                Ok(())
            }
        };
    };
    documents.encrypted = serde_json::from_slice(&content).map_err(|_| {
        reader.damaged_entry_error(entry::ENCRYPTED_DOCUMENT, "it does not have the expected JSON structure")
    })?;
    for (entity, file) in &encrypted {
        let Some(metadata) = documents.encrypted.get(*file) else {
            return Err(reader.damaged_entry_error(
                entry::ENCRYPTED_DOCUMENT,
                &format!("it does not describe entry `{file}`"),
            ));
        };
        documents.blocks.insert((*file).to_owned(), metadata.blocks.clone());
        if let (Some(physical), Some(info)) =
            (&metadata.physical, documents.providers.get_mut(&entity.provider))
        {
            if !tree_fits(physical.get().as_bytes()) {
                return Err(reader.damaged_entry_error(
                    entry::ENCRYPTED_DOCUMENT,
                    "a physical form in it exceeds the maximum number of values of a document",
                ));
            }
            let physical = serde_json::from_str(physical.get()).map_err(|_| {
                reader.damaged_entry_error(entry::ENCRYPTED_DOCUMENT, "a physical form in it is not JSON")
            })?;
            info.physical.insert((*file).to_owned(), physical);
        }
        if !reader.find_key(file, identities).await? {
            let fault =
                format!("the key that decrypts `{}` does not decrypt this entry", entry::ENCRYPTED_DOCUMENT);
            return Err(reader.damaged_entry_error(file, &fault));
        }
    }
    if documents.encrypted.len() != encrypted.len() {
        return Err(
            reader.damaged_entry_error(entry::ENCRYPTED_DOCUMENT, "it describes entries that do not exist")
        );
    }
    Ok(())
}

/// Checks that an entry is encrypted if, and only if, the manifest declares its entity as encrypted. Returns
/// a description of the fault, if there is one.
///
/// # Errors
/// The storage cannot be read.
pub(crate) async fn encryption_fault(reader: &ArchiveReader, manifest: &Manifest) -> Result<Option<String>> {
    for entity in manifest.entities.iter().filter(|entity| entity.status == EntityStatus::Completed) {
        let Some(file) = entity.storage_file.as_deref() else { continue };
        if entity.policy.encrypt != file.ends_with(".age") {
            return Ok(Some(format!("the name of entry `{file}` does not match its encryption policy")));
        }
        if entity.policy.encrypt && !reader.is_encrypted(file).await? {
            return Ok(Some(format!(
                "entity `{}` must be encrypted, but its entry `{file}` is not",
                entity.entity
            )));
        }
    }
    let has_encrypted_entities = encrypted_entities(manifest).next().is_some();
    let fault = if has_encrypted_entities && manifest.encryption.is_none() {
        Some("its manifest does not list the recipients of its encrypted entities")
    } else if has_encrypted_entities != reader.contains(entry::ENCRYPTED_DOCUMENT) {
        Some(
            "it has encrypted entities without `verification/sealed.json.age`, or that entry without \
             encrypted entities",
        )
    } else {
        None
    };
    Ok(fault.map(str::to_owned))
}
