//! An archive that is open for reading: its directory and documents are checked, and its encrypted entries
//! are decrypted as far as the given identities allow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::blocks::Block;
use super::documents::Checksums;
use super::layout::{contains_records, entry};
use super::manifest::{ArchiveFile, EntityManifest, EntityStatus, Manifest};
use super::object::ArchiveObject;
use super::open_documents::OpenDocuments;
use super::reader::ArchiveReader;
use super::unlock::{decrypt_metadata, encryption_fault};
use crate::encryption::Identities;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::storage::Storage;

/// An archive in a storage profile, together with its published manifest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PublishedArchive<'a> {
    pub(crate) storage: &'a Storage,
    pub(crate) archive: &'a ArchiveFile,
    pub(crate) manifest: &'a Manifest,
    /// The manifest as it was published, including members that this version does not support.
    pub(crate) published: &'a serde_json::Value,
}

/// An archive whose directory and documents were read and checked.
#[derive(Debug)]
pub(crate) struct OpenArchive {
    reader: Arc<ArchiveReader>,
    documents: OpenDocuments,
}

impl OpenArchive {
    /// Opens an archive and checks its complete content except the records.
    ///
    /// # Errors
    /// Returns [`ErrorKind::Corrupt`] or [`ErrorKind::Incompatible`] if the archive is damaged, and another
    /// kind if it cannot be read.
    pub(crate) async fn open(source: PublishedArchive<'_>, identities: &Arc<Identities>) -> Result<Self> {
        let PublishedArchive { storage, archive, manifest, published } = source;
        let object = ArchiveObject::find(storage, &archive.file).await?;
        let damaged = |fault: String| {
            Error::new(
                ErrorKind::Corrupt,
                format!("archive `{}` is damaged: {fault}; restore from another backup", archive.file),
            )
        };
        if let Some(fault) = size_fault(&object, archive) {
            return Err(damaged(fault));
        }
        let object = match manifest.is_encrypted_as_a_whole() {
            true => object
                .decrypted(identities)
                .await?
                .ok_or_else(|| damaged("it cannot be decrypted".to_owned()))?,
            false => object,
        };
        let mut reader = ArchiveReader::open(object).await?;
        let inner: serde_json::Value = reader.json(entry::MANIFEST).await?;
        if !same_manifest(&inner, published) {
            return Err(damaged(
                "the published manifest differs from the manifest in the archive".to_owned(),
            ));
        }
        let Checksums(checksums) = reader.json(entry::CHECKSUMS).await?;
        if manifest.verification.overall_checksum.as_ref() != Some(&Checksums(checksums.clone()).overall()) {
            return Err(damaged(
                "its checksums do not match the overall checksum in its manifest".to_owned(),
            ));
        }
        let listed: BTreeSet<_> = checksums.keys().map(String::as_str).collect();
        let present: BTreeSet<_> =
            reader.names().filter(|name| ![entry::CHECKSUMS, entry::MANIFEST].contains(name)).collect();
        if let Some(unmatched) = listed.symmetric_difference(&present).next() {
            return Err(damaged(format!(
                "entry `{unmatched}` is only in the archive or only in its checksums"
            )));
        }
        for (name, hash) in &checksums {
            if contains_records(name) {
                continue;
            }
            if &crate::foundation::digest::sha256(&reader.document(name).await?) != hash {
                return Err(damaged(format!(
                    "the hash of entry `{name}` differs from the hash in its checksums"
                )));
            }
        }
        let mut documents = OpenDocuments {
            blocks: reader.json(entry::BLOCKS).await?,
            providers: reader.json(entry::PROVIDER_INFO).await?,
            schemas: reader.json(entry::SCHEMA_SNAPSHOTS).await?,
            checksums,
            ..OpenDocuments::default()
        };
        entities_match(&reader, manifest).map_err(damaged)?;
        totals_match(manifest).map_err(damaged)?;
        if let Some(fault) = encryption_fault(&reader, manifest).await? {
            return Err(damaged(fault));
        }
        decrypt_metadata(&mut reader, &mut documents, manifest, identities).await?;
        Ok(Self { reader: Arc::new(reader), documents })
    }

    /// Returns the reader of the entries.
    pub(crate) fn reader(&self) -> &Arc<ArchiveReader> {
        &self.reader
    }

    /// Returns the documents.
    pub(crate) fn documents(&self) -> &OpenDocuments {
        &self.documents
    }

    /// Returns the blocks of an entry with their numbers, in order.
    ///
    /// # Errors
    /// The blocks do not account for all bytes of the entry.
    pub(crate) fn blocks(&self, file: &str) -> Result<Vec<(usize, Block)>> {
        self.reader.check_blocks(file, &self.documents.blocks)?;
        Ok(self.documents.blocks.get(file).into_iter().flatten().copied().enumerate().collect())
    }

    /// Returns an error if the records of an entity are encrypted and none of the supplied keys
    /// decrypts them.
    ///
    /// # Errors
    /// No supplied key decrypts the records; the error contains the ids of the keys.
    pub(crate) fn require_decrypted(&self, entity: &EntityManifest) -> Result<()> {
        self.documents.require_decrypted(entity)
    }
}

/// Compares the size of an archive with the size in its manifest, and returns a description of the
/// difference, or `None` if both are equal.
pub(crate) fn size_fault(object: &ArchiveObject, archive: &ArchiveFile) -> Option<String> {
    let (found, expected) = (object.stored_bytes(), archive.size_bytes);
    (found != expected)
        .then(|| format!("its size is {found} bytes, but its manifest states {expected} bytes"))
}

/// Returns whether two manifests differ only in `archive`, which is null in the manifest inside the archive.
fn same_manifest(inner: &serde_json::Value, published: &serde_json::Value) -> bool {
    let (Some(inner), Some(published)) = (inner.as_object(), published.as_object()) else { return false };
    let same = |(name, value): (&String, &serde_json::Value)| match name.as_str() {
        "archive" => value.is_null(),
        name => published.get(name) == Some(value),
    };
    inner.contains_key("archive") && inner.keys().eq(published.keys()) && inner.iter().all(same)
}

/// Checks that each entry of records belongs to exactly one completed entity, and that each completed entity
/// has an entry.
fn entities_match(reader: &ArchiveReader, manifest: &Manifest) -> std::result::Result<(), String> {
    let mut files = BTreeMap::new();
    for entity in manifest.entities.iter().filter(|entity| entity.status == EntityStatus::Completed) {
        let Some(file) = entity.storage_file.as_deref() else {
            return Err(format!("its manifest contains no `storageFile` for entity `{}`", entity.entity));
        };
        if !reader.contains(file) {
            return Err(format!("entry `{file}` is missing"));
        }
        if files.insert(file, &entity.entity).is_some() {
            return Err(format!("two entities of its manifest refer to entry `{file}`"));
        }
    }
    match reader.names().find(|name| contains_records(name) && !files.contains_key(name)) {
        Some(stray) => Err(format!("entry `{stray}` does not belong to an entity of its manifest")),
        None => Ok(()),
    }
}

/// Checks that the totals in the manifest are the sums over its entities.
fn totals_match(manifest: &Manifest) -> std::result::Result<(), String> {
    let (entities, totals) = (&manifest.entities, &manifest.verification);
    let items = entities.iter().try_fold(0u64, |sum, entity| sum.checked_add(entity.item_count));
    let bytes = entities.iter().try_fold(0u64, |sum, entity| sum.checked_add(entity.size_bytes));
    if items == Some(totals.total_item_count) && bytes == Some(totals.total_size_bytes) {
        Ok(())
    } else {
        Err("the totals in its manifest differ from the sums over its entities".to_owned())
    }
}
