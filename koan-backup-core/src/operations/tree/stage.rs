//! Converts a backup of a tree into a staged archive, and verifies every file of the backup meanwhile.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::files::damaged;
use super::metadata::{LoadedEntity, load};
use super::stage_entity::{ExpectedRecords, verify_bytes, write_entry};
use crate::archive::tree::{SEALED_METADATA_FILE, SealedSets, TreeBackup, TreeMetadata, TreeSet};
use crate::archive::{
    ArchiveWriter, BlockTable, Checksums, Compression, Compressor, EncryptedDocument, EncryptedMetadata,
    EncryptionScope, EncryptionSummary, EntityManifest, FinishedUpload, Manifest, MissingKey, NewEntry,
    PendingArchive, ProviderDocument, SchemaSnapshots, archive_path, entity_file, entry, manifest_path,
    matching_key, records_file,
};
use crate::declaration::selection::Selection;
use crate::encryption::{DecryptableFile, Identities, Recipients};
use crate::environment::Environment;
use crate::foundation::blocking::blocking;
use crate::foundation::digest::sha256;
use crate::foundation::error::Result;
use crate::foundation::json::document;
use crate::storage::Storage;

/// A conversion of a backup of a tree into an archive.
pub(super) struct StagedConversion<'a> {
    /// The environment of the application, whose keys decrypt the tree.
    pub(super) environment: &'a Environment,
    pub(super) root: &'a Path,
    pub(super) backup: &'a TreeBackup,
    pub(super) selection: &'a Selection,
    /// The storage of the staged archive, which is encrypted as a whole.
    pub(super) storage: &'a Storage,
    pub(super) recipients: &'a Recipients,
}

/// One entity and the decrypted part of its description.
struct OpenEntity {
    loaded: LoadedEntity,
    sealed: SealedSets,
}

/// The documents of the staged archive.
#[derive(Default)]
struct Documents {
    entities: Vec<EntityManifest>,
    blocks: BlockTable,
    encrypted: EncryptedDocument,
    checksums: Checksums,
    providers: ProviderDocument,
    schemas: SchemaSnapshots,
}

impl StagedConversion<'_> {
    /// Writes and publishes the archive.
    pub(super) async fn run(&self, cancel: &CancellationToken) -> Result<()> {
        let (entities, identities) = self.open().await?;
        let (id, created_at) = (self.backup.id, self.backup.created_at);
        let path = archive_path(&self.backup.name, created_at, &id, self.storage.encryption());
        let recipients = Some(self.recipients.clone());
        let (writer, pending) =
            PendingArchive::begin(self.storage, id, path, recipients, created_at, cancel).await?;
        let written = Box::pin(self.write_entries(writer, &entities, &identities));
        let (mut manifest, archive) = pending.store(written, cancel).await?;
        manifest.archive = Some(archive);
        self.storage.create(&manifest_path(&id), manifest.published().to_json()).await
    }

    /// Reads the descriptions of all entities, and decrypts them. The files of an encrypted entity that cannot be
    /// decrypted and is not selected are only compared with their hashes.
    async fn open(&self) -> Result<(Vec<OpenEntity>, Arc<Identities>)> {
        let (root, backup) = (self.root.to_owned(), self.backup.clone());
        let loaded = blocking("reads the directory tree", move || {
            backup.entities.iter().map(|entity| load(&root, &backup, entity)).collect::<Result<Vec<_>>>()
        });
        let loaded = loaded.await??;
        let needs_keys = loaded.iter().any(|entity| entity.sealed.is_some());
        let identities =
            if needs_keys { self.environment.identities().await? } else { Identities::default() };
        let identities = Arc::new(identities);
        let mut entities = Vec::with_capacity(loaded.len());
        for loaded in loaded {
            let Some(sealed) = loaded.sealed.clone() else {
                entities.push(OpenEntity { loaded, sealed: SealedSets::new() });
                continue;
            };
            match self.unseal(&loaded, sealed, &identities).await? {
                Some(sealed) => entities.push(OpenEntity { loaded, sealed }),
                None if self.selects(&loaded.metadata)? => {
                    let missing = MissingKey::new(self.backup.encryption.as_ref(), &identities);
                    return Err(missing.error(&format!("`{}`", loaded.metadata.entity)));
                }
                None => {
                    let verified = blocking("reads the directory tree", move || {
                        let mut sets = loaded.metadata.sets.iter();
                        sets.try_for_each(|set| verify_bytes(&loaded.directory.join(&set.file), set))
                    });
                    verified.await??;
                }
            }
        }
        Ok((entities, identities))
    }

    /// Returns whether a restore would write the records of an entity.
    fn selects(&self, metadata: &TreeMetadata) -> Result<bool> {
        if !metadata.sets.iter().any(|set| self.selection.selects_set(&set.set)) {
            return Ok(false);
        }
        let name = &metadata.entity;
        match self.environment.entity(name) {
            Some(known) => self.environment.selects(self.selection, known),
            None => Ok(!self.selection.excluded_names.contains(name)
                && (!self.selection.is_explicit() || self.selection.names.contains(name))),
        }
    }

    /// Decrypts the encrypted part of a description. Returns `None` if no identity decrypts it.
    async fn unseal(
        &self,
        loaded: &LoadedEntity,
        content: Vec<u8>,
        identities: &Arc<Identities>,
    ) -> Result<Option<SealedSets>> {
        let path = loaded.directory.join(SEALED_METADATA_FILE);
        if identities.is_empty() {
            return Ok(None);
        }
        let keys = Arc::clone(identities);
        let shown = path.clone();
        let opened = blocking("decrypts a file", move || {
            let length = u64::try_from(content.len()).unwrap_or(u64::MAX);
            let Some(key) = DecryptableFile::find(&content, length, &keys)
                .map_err(|error| error.context(format!("`{}` could not be decrypted", shown.display())))?
            else {
                return Ok(None);
            };
            let mut opened = Vec::new();
            let read = key
                .reader(content.as_slice())
                .map(|mut reader| std::io::Read::read_to_end(&mut reader, &mut opened).is_ok());
            match read {
                Some(true) => Ok(Some(opened)),
                _ => Err(damaged(&shown, "it cannot be decrypted")),
            }
        });
        let Some(opened) = opened.await?? else {
            return match matching_key(self.backup.encryption.as_ref(), identities) {
                Some(id) => Err(damaged(
                    &path,
                    &format!("it is not encrypted for key `{id}`, which the registry lists"),
                )),
                None => Ok(None),
            };
        };
        let sealed: SealedSets = serde_json::from_slice(&opened)
            .map_err(|_| damaged(&path, "it does not have the expected form"))?;
        let files = loaded.metadata.sets.iter().map(|set| &set.file);
        match files.clone().all(|file| sealed.contains_key(file)) && files.count() == sealed.len() {
            true => Ok(Some(sealed)),
            false => Err(damaged(&path, "it describes other data files than `metadata.json`")),
        }
    }

    async fn write_entries(
        &self,
        mut writer: ArchiveWriter,
        entities: &[OpenEntity],
        identities: &Arc<Identities>,
    ) -> Result<(Manifest, FinishedUpload)> {
        let compression = Compression::deflate(1)?;
        let compressor = Arc::new(Compressor::new(compression));
        let mut documents = Documents::default();
        for open in entities {
            let metadata = &open.loaded.metadata;
            let encrypted = metadata.policy.encrypt;
            documents
                .providers
                .entry(metadata.provider.name.clone())
                .or_insert_with(|| metadata.provider.info());
            if let Some(schema) = &metadata.schema {
                documents.schemas.insert(metadata.entity.clone(), schema.clone());
            }
            for set in &metadata.sets {
                let encryption = encrypted.then(|| compression.method());
                let file = records_file(&entity_file(&metadata.entity, &set.set), encryption);
                let path = open.loaded.directory.join(&set.file);
                let new_entry = NewEntry {
                    path: file.clone(),
                    method: compression.method(),
                    recipients: encrypted.then(|| self.recipients.clone()),
                };
                let expected = expected(open, set).ok_or_else(|| damaged(&path, "its hashes are missing"))?;
                let identities = encrypted.then_some(identities);
                let written =
                    write_entry(&mut writer, new_entry, path, set, &expected, identities, &compressor)
                        .await?;
                let mut entity =
                    EntityManifest { storage_file: Some(file.clone()), ..metadata.entity_manifest(set) };
                let physical = open.sealed.get(&set.file).and_then(|sealed| sealed.physical.clone());
                match written.encrypted {
                    Some(bytes) => {
                        entity.compressed_bytes = bytes.length;
                        entity.content_hash = Some(bytes.hash);
                        let inner = EncryptedMetadata {
                            content_hash: written.content_hash,
                            record_set_hash: written.record_set_hash,
                            blocks: written.blocks,
                            physical,
                        };
                        documents.encrypted.insert(file.clone(), inner);
                    }
                    None => {
                        entity.compressed_bytes = written.compressed_bytes;
                        entity.content_hash = Some(written.content_hash);
                        entity.record_set_hash = Some(written.record_set_hash);
                        documents.blocks.insert(file.clone(), written.blocks);
                        if let (Some(physical), Some(info)) =
                            (&set.physical, documents.providers.get_mut(&metadata.provider.name))
                        {
                            info.physical.insert(file.clone(), physical.clone());
                        }
                    }
                }
                documents.checksums.0.insert(file, entity.content_hash.clone().unwrap_or_default());
                documents.entities.push(entity);
            }
        }
        self.write_documents(writer, documents).await
    }

    async fn write_documents(
        &self,
        mut writer: ArchiveWriter,
        mut documents: Documents,
    ) -> Result<(Manifest, FinishedUpload)> {
        let mut contents = BTreeMap::from([
            (entry::SCHEMA_SNAPSHOTS, document(&documents.schemas)),
            (entry::PROVIDER_INFO, document(&documents.providers)),
            (entry::BLOCKS, document(&documents.blocks)),
        ]);
        if !documents.encrypted.is_empty() {
            let (recipients, content) = (self.recipients.clone(), document(&documents.encrypted));
            let encrypted = blocking("encrypts", move || recipients.encrypt(&content)).await??;
            contents.insert(entry::ENCRYPTED_DOCUMENT, encrypted);
        }
        for (name, content) in contents {
            documents.checksums.0.insert(name.to_owned(), sha256(&content));
            writer.document(name, content).await?;
        }
        let encryption = EncryptionSummary {
            scope: EncryptionScope::Archive,
            recipients: self.recipients.public_keys(),
            key_ids: self.recipients.key_ids(),
        };
        let mut manifest = self.backup.manifest(documents.entities, Some(encryption));
        manifest.verification.overall_checksum = Some(documents.checksums.overall());
        writer.document(entry::CHECKSUMS, document(&documents.checksums)).await?;
        writer.document(entry::MANIFEST, manifest.to_json()).await?;
        let finished = writer.finish().await?;
        Ok((manifest, finished))
    }
}

/// Returns the hashes that the records of a set must have.
fn expected(open: &OpenEntity, set: &TreeSet) -> Option<ExpectedRecords> {
    match open.sealed.get(&set.file) {
        Some(sealed) => Some(ExpectedRecords {
            content_hash: sealed.content_hash.clone(),
            record_set_hash: sealed.record_set_hash,
        }),
        None => Some(ExpectedRecords {
            content_hash: set.content_hash.clone()?,
            record_set_hash: set.record_set_hash?,
        }),
    }
}
