//! Opening what is sealed, and why it stays closed.

use std::sync::Arc;

use super::Documents;
use crate::archive::{ArchiveReader, EncryptionSummary, EntityManifest, EntityStatus, Manifest, entry};
use crate::encryption::{Identities, PASSPHRASE_ID};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::names::names;

/// Why encrypted records cannot be read.
#[derive(Clone, Debug)]
pub(crate) struct Locked(String);

impl Locked {
    pub(super) fn new(encryption: Option<&EncryptionSummary>, given: &Identities) -> Self {
        let needed = encryption.map(|encryption| {
            let key = |(index, id): (usize, &String)| match encryption.recipients.get(index) {
                Some(public) => format!("`{id}` ({public})"),
                None => format!("`{id}`"),
            };
            encryption.key_ids.iter().enumerate().map(key).collect::<Vec<_>>().join(" or ")
        });
        let needed = needed.unwrap_or_default();
        Self(if given.is_empty() {
            format!("it takes key {needed}, and none was given: add it with `.keys(Keys::file(\"…\"))`")
        } else {
            let given = names(given.key_ids().iter());
            format!("it takes key {needed}, and what was given is {given}")
        })
    }

    /// The error of whoever needs the content.
    pub(crate) fn error(&self, what: &str) -> Error {
        Error::new(ErrorKind::Encryption, format!("{what} is encrypted: {}", self.0))
    }

    /// What a verification that read no records has to say.
    pub(super) fn note(&self, what: &str) -> String {
        format!("{what} is encrypted: its bytes were checked, its content was not; {}", self.0)
    }
}

/// Whether an entity of an archive is encrypted and in it.
pub(crate) fn sealed_entities(manifest: &Manifest) -> impl Iterator<Item = (&EntityManifest, &str)> {
    let completed = manifest.entities.iter().filter(|entity| entity.status == EntityStatus::Completed);
    completed
        .filter(|entity| entity.policy.encrypt)
        .filter_map(|entity| Some((entity, entity.storage_file.as_deref()?)))
}

/// A key that was given and for which a backup was sealed: it opens it, or the backup is damaged. Of passphrases nobody knows
/// whether they are the same.
pub(super) fn fitting_key(encryption: Option<&EncryptionSummary>, given: &Identities) -> Option<String> {
    let fits =
        |id: &String| id != PASSPHRASE_ID && encryption.is_some_and(|known| known.key_ids.contains(id));
    given.key_ids().into_iter().find(fits)
}

/// Opens what is sealed as far as the keys allow.
pub(crate) async fn unlock(
    reader: &mut ArchiveReader,
    documents: &mut Documents,
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
        return match fitting_key(encryption, identities) {
            Some(id) => {
                Err(reader
                    .broken(entry::SEALED, &format!("key `{id}` does not open it, as its manifest says")))
            }
            None => {
                documents.locked = locked();
                Ok(())
            }
        };
    };
    documents.sealed = serde_json::from_slice(&content)
        .map_err(|_| reader.broken(entry::SEALED, "it is not what the format says"))?;
    for (entity, file) in &sealed {
        let Some(inner) = documents.sealed.get(*file) else {
            return Err(reader.broken(entry::SEALED, &format!("it has nothing of `{file}`")));
        };
        documents.blocks.insert((*file).to_owned(), inner.blocks.clone());
        if let (Some(physical), Some(info)) = (&inner.physical, documents.providers.get_mut(&entity.provider))
        {
            if !crate::archive::tree_fits(physical.get().as_bytes()) {
                return Err(reader.broken(entry::SEALED, "it holds more than any that is written"));
            }
            let physical = serde_json::from_str(physical.get())
                .map_err(|_| reader.broken(entry::SEALED, "it is not what the format says"))?;
            info.physical.insert((*file).to_owned(), physical);
        }
        if !reader.unlock(file, identities).await? {
            return Err(reader.broken(file, &format!("what opens `{}` does not open it", entry::SEALED)));
        }
    }
    if documents.sealed.len() != sealed.len() {
        return Err(reader.broken(entry::SEALED, "it tells of entries that are not there"));
    }
    Ok(())
}

/// What is called encrypted lies encrypted, and nothing else does.
///
/// # Errors
/// The storage cannot be read. What is wrong is the value.
pub(crate) async fn sealing_fault(reader: &ArchiveReader, manifest: &Manifest) -> Result<Option<String>> {
    for entity in manifest.entities.iter().filter(|entity| entity.status == EntityStatus::Completed) {
        let Some(file) = entity.storage_file.as_deref() else { continue };
        if entity.policy.encrypt != file.ends_with(".age") {
            return Ok(Some(format!("entry `{file}` is not named as its policy asks")));
        }
        if entity.policy.encrypt && !reader.is_sealed(file).await? {
            return Ok(Some(format!("`{}` must be encrypted, and entry `{file}` is not", entity.entity)));
        }
    }
    let any = sealed_entities(manifest).next().is_some();
    let problem = if any && manifest.encryption.is_none() {
        Some("its manifest does not say for whom it is encrypted")
    } else if any != reader.contains(entry::SEALED) {
        Some("what is sealed of its encrypted entities is missing, or there are none")
    } else {
        None
    };
    Ok(problem.map(str::to_owned))
}
