//! Rewrites an archive for other recipients.

use futures::stream::{self, StreamExt, TryStreamExt};
use object_store::path::Path;
use tokio_util::sync::CancellationToken;

use crate::archive::{
    ArchiveWriter, BlockFault, Checksums, CompressedBlock, EncryptedDocument, EncryptedMetadata,
    EncryptionSummary, EntityManifest, EntityStatus, FinishedUpload, Manifest, NewEntry, OpenArchive,
    PendingArchive, WrittenEntry, contains_records, entry,
};
use crate::encryption::Recipients;
use crate::environment::event::{Event, Listener};
use crate::foundation::blocking::blocking;
use crate::foundation::error::Result;
use crate::storage::Storage;

/// Rewrites an archive for other recipients, block by block.
pub(super) struct ArchiveRewriter<'a> {
    pub(super) open: &'a OpenArchive,
    pub(super) manifest: &'a Manifest,
    pub(super) recipients: &'a Recipients,
    pub(super) listener: &'a Listener,
}

impl ArchiveRewriter<'_> {
    /// Writes the new archive and returns its manifest, which is not published yet.
    pub(super) async fn write(
        &self,
        storage: &Storage,
        path: &Path,
        cancel: &CancellationToken,
    ) -> Result<Manifest> {
        let archive_recipients = self.manifest.is_encrypted_as_a_whole().then(|| self.recipients.clone());
        let (writer, pending) = PendingArchive::begin(
            storage,
            self.manifest.id,
            path.clone(),
            archive_recipients,
            self.manifest.created_at,
            cancel,
        )
        .await?;
        let (mut manifest, archive) = pending.store(Box::pin(self.write_entries(writer)), cancel).await?;
        manifest.archive = Some(archive);
        Ok(manifest)
    }

    async fn write_entries(&self, mut writer: ArchiveWriter) -> Result<(Manifest, FinishedUpload)> {
        let mut manifest = self.manifest.clone();
        let mut checksums = Checksums(self.open.documents().checksums.clone());
        let mut encrypted = EncryptedDocument::new();
        for entity in manifest.entities.iter_mut().filter(|entity| entity.status == EntityStatus::Completed) {
            let Some(file) = entity.storage_file.clone() else { continue };
            let written = self.rewrite_entry(&mut writer, entity, &file).await?;
            let Some(bytes) = written.encrypted else { continue };
            entity.compressed_bytes = bytes.length;
            entity.content_hash = Some(bytes.hash.clone());
            checksums.0.insert(file.clone(), bytes.hash);
            let physical =
                self.open.documents().encrypted.get(&file).and_then(|inner| inner.physical.clone());
            let inner = EncryptedMetadata {
                content_hash: written.content_hash,
                record_set_hash: written.record_set_hash,
                blocks: written.blocks,
                physical,
            };
            encrypted.insert(file, inner);
        }
        for name in self.open.documents().checksums.keys().filter(|name| !contains_records(name)) {
            let content = if name == entry::ENCRYPTED_DOCUMENT {
                let content = self.encrypt(&encrypted).await?;
                checksums.0.insert(name.clone(), crate::foundation::digest::sha256(&content));
                content
            } else {
                self.open.reader().document(name).await?
            };
            writer.document(name, content).await?;
        }
        manifest.archive = None;
        manifest.encryption = Some(EncryptionSummary {
            scope: manifest.encryption.map(|old| old.scope).unwrap_or_default(),
            recipients: self.recipients.public_keys(),
            key_ids: self.recipients.key_ids(),
        });
        manifest.verification.overall_checksum = Some(checksums.overall());
        writer.document(entry::CHECKSUMS, crate::foundation::json::document(&checksums)).await?;
        writer.document(entry::MANIFEST, manifest.to_json()).await?;
        Ok((manifest, writer.finish().await?))
    }

    async fn encrypt(&self, encrypted: &EncryptedDocument) -> Result<Vec<u8>> {
        let (recipients, content) = (self.recipients.clone(), crate::foundation::json::document(encrypted));
        blocking("encrypts", move || recipients.encrypt(&content)).await?
    }

    /// Rewrites one entry, block by block, and checks that its lines have not changed.
    async fn rewrite_entry(
        &self,
        writer: &mut ArchiveWriter,
        entity: &EntityManifest,
        file: &str,
    ) -> Result<WrittenEntry> {
        let blocks = self.open.blocks(file)?;
        self.listener.emit(|| Event::EntityStarted {
            entity: entity.entity.clone(),
            set: entity.set.clone(),
            expected: Some(entity.item_count),
        });
        let (mut records, mut bytes) = (0, 0);
        let new_entry = NewEntry {
            path: file.to_owned(),
            method: self.open.reader().method(file)?,
            recipients: entity.policy.encrypt.then(|| self.recipients.clone()),
        };
        let mut entry = writer.records(new_entry).await?;
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let opened = stream::iter(blocks).map(|(_, block)| async move {
            let fetched = self.open.reader().block(file, block).await?;
            blocking("reads the archive", move || fetched.compressed()).await
        });
        let mut opened = std::pin::pin!(opened.buffered(workers));
        while let Some(block) = opened.try_next().await? {
            let block: CompressedBlock = block.map_err(|fault: BlockFault| {
                self.open.reader().damaged_entry_error(file, &fault.to_string())
            })?;
            records += block.records;
            bytes += u64::try_from(block.raw.len()).unwrap_or(u64::MAX);
            entry.block(block).await?;
            self.listener.emit(|| Event::BlockWritten {
                entity: entity.entity.clone(),
                set: entity.set.clone(),
                records,
                bytes,
            });
        }
        let written = entry.finish().await?;
        let (content, records) = self.open.documents().hashes(entity, file);
        if content != Some(&written.content_hash) || records != Some(written.record_set_hash) {
            return Err(self.open.reader().damaged_entry_error(
                file,
                "the hash of the content that was read differs from the hash in the manifest",
            ));
        }
        Ok(written)
    }
}
