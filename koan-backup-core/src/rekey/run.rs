//! Seals one backup for other recipients.

use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};
use tokio_util::sync::CancellationToken;

use super::report::RekeyReport;
use crate::archive::{
    ArchiveReader, ArchiveWriter, BlockFault, Checksums, CompressedBlock, EncryptionScope, EncryptionSummary,
    EntityManifest, EntityStatus, FinishedUpload, Manifest, NewEntry, PendingArchive, SealedDocument,
    SealedEntity, WrittenEntry, entry, manifest_path, rekeyed_path,
};
use crate::cancellation::until_cancelled;
use crate::catalog::{self, StoredBackup};
use crate::clock::new_backup_id;
use crate::encryption::{Identities, Recipients};
use crate::environment::Environment;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::Storage;
use crate::verify::{self, Documents, VerifyOptions, VerifyReport};

/// Seals a backup for the recipients of the context. If it fails, is cancelled or is dropped, the backup is as it was.
pub(crate) async fn run(
    environment: &Environment,
    backup: StoredBackup<'_>,
    cancel: &CancellationToken,
) -> Result<RekeyReport> {
    let published = backup.published.clone();
    let opened = async {
        let identities = verify::identities_for(environment, &backup.manifest).await?;
        Ok((verify::opened(backup, &identities).await?, identities))
    };
    let (backup, identities) = &until_cancelled(cancel, opened).await?;
    verify::require_opened(backup, identities)?;
    let manifest = &backup.manifest;
    let recipients = environment.recipients.as_ref().ok_or_else(|| {
        Error::new(
            ErrorKind::Encryption,
            "there are no recipients to seal for: name them with `.encrypt_to(Recipients::keys([\"age1…\"])?)`",
        )
    })?;
    recipients.check()?;
    let mut report = RekeyReport::untouched(manifest);
    let entries = encrypted_entries(manifest);
    let Some(archive) = &manifest.archive else { return Ok(report) };
    let scope = match manifest.is_sealed() {
        true => EncryptionScope::Archive,
        false if entries.is_empty() => return Ok(report),
        false => EncryptionScope::Entities,
    };
    let (reader, documents) = until_cancelled(cancel, verify::open(backup, archive, identities)).await?;
    manifest.entities.iter().try_for_each(|entity| documents.require_opened(entity))?;
    // What is damaged must not be made to look whole.
    let old = verify::run(environment, backup, &verifying(cancel), identities).await?;
    let _: VerifyReport = require_sound(old, manifest)?;

    let path = rekeyed_path(manifest, &new_backup_id(&environment.clock));
    let anew = Anew { reader: &reader, documents: &documents, manifest, recipients };
    let renewed = anew.write(backup.storage, &path, cancel).await?;
    let checked = check(environment, backup, &renewed, identities, cancel).await;
    let verification = match checked {
        Ok(verification) => verification,
        Err(error) => {
            backup.storage.discard(&path).await;
            return Err(error);
        }
    };
    if !verification.unopened.is_empty() {
        report.warnings.push(
            "there is no key of the new recipients here, so the new archive was not opened again: its bytes were checked, and \
             its lines were compared while they were sealed"
                .to_owned(),
        );
    }
    // From here on nothing is cancelled: a backup that was sealed anew must not be called cancelled.
    publish(backup.storage, &published, &renewed, &path).await?;
    report.scope = Some(scope);
    report.key_ids = recipients.key_ids();
    report.entries = entries;
    report.verification = Some(verification);
    if let Err(error) = backup.storage.remove(&archive.file.as_str().into()).await {
        report.old_archive = Some(archive.file.clone());
        report.warnings.push(format!(
            "the old archive `{}` is still there, and its keys still open it: {}; remove it",
            archive.file,
            error.chain()
        ));
    }
    Ok(report)
}

/// The entries whose records are encrypted.
fn encrypted_entries(manifest: &Manifest) -> Vec<String> {
    let encrypted =
        |entity: &&EntityManifest| entity.policy.encrypt && entity.status == EntityStatus::Completed;
    manifest.entities.iter().filter(encrypted).filter_map(|entity| entity.storage_file.clone()).collect()
}

/// All of it, until it is cancelled.
fn verifying(cancel: &CancellationToken) -> VerifyOptions {
    VerifyOptions { cancel: cancel.clone(), ..VerifyOptions::default() }
}

/// Refuses an archive that is damaged; one that failed in part may be as it is.
fn require_sound(report: VerifyReport, manifest: &Manifest) -> Result<VerifyReport> {
    if manifest.status.is_complete() { report.require_valid() } else { report.require_intact() }
}

/// Verifies the new archive as it will be found.
async fn check(
    environment: &Environment,
    backup: &StoredBackup<'_>,
    renewed: &Manifest,
    identities: &Arc<Identities>,
    cancel: &CancellationToken,
) -> Result<VerifyReport> {
    let manifest = renewed.published();
    let published = serde_json::to_value(&manifest).map_err(|source| {
        Error::with_source(ErrorKind::Internal, "the new manifest was not written", source)
    })?;
    let candidate =
        StoredBackup { storage: backup.storage, manifest, published, is_opened: false, passed_over: None };
    let candidate = until_cancelled(cancel, verify::opened(candidate, identities)).await?;
    let report = verify::run(environment, &candidate, &verifying(cancel), identities).await?;
    require_sound(report, renewed)
}

/// Makes the new archive the one that counts, unless the manifest changed meanwhile. If it is not known which of the two counts,
/// both stay.
async fn publish(
    storage: &Storage,
    before: &serde_json::Value,
    renewed: &Manifest,
    archive: &object_store::path::Path,
) -> Result<()> {
    let path = manifest_path(&renewed.id);
    let content = renewed.published().to_json();
    let now = catalog::published(storage, &renewed.id).await;
    if !matches!(&now, Ok(Some(now)) if now == before) {
        storage.discard(archive).await;
        return Err(now.err().unwrap_or_else(|| {
            let text = format!(
                "backup {} was changed meanwhile by somebody else; it is as they left it",
                renewed.id
            );
            Error::new(ErrorKind::Conflict, text)
        }));
    }
    let Err(error) = storage.replace(&path, content.clone()).await else { return Ok(()) };
    // It may have been written all the same, and the answer was lost.
    match catalog::published(storage, &renewed.id).await {
        Ok(Some(now)) if serde_json::from_slice(&content).is_ok_and(|new: serde_json::Value| new == now) => Ok(()),
        Ok(Some(now)) if &now == before => {
            storage.discard(archive).await;
            Err(error)
        }
        Ok(_) | Err(_) => Err(error.context(format!(
            "whether backup {} is sealed for the new recipients is not known; both archives were kept, and the one that its \
             manifest names counts",
            renewed.id
        ))),
    }
}

/// An archive that is written once more for others.
struct Anew<'a> {
    reader: &'a ArchiveReader,
    documents: &'a Documents,
    manifest: &'a Manifest,
    recipients: &'a Recipients,
}

impl Anew<'_> {
    /// Writes the archive, and gives its manifest.
    async fn write(
        &self,
        storage: &Storage,
        path: &object_store::path::Path,
        cancel: &CancellationToken,
    ) -> Result<Manifest> {
        let whole = self.manifest.is_sealed().then(|| self.recipients.clone());
        let (writer, pending) =
            PendingArchive::begin(storage, path.clone(), whole, self.manifest.created_at, cancel).await?;
        let (mut manifest, archive) = pending.store(self.produce(writer), cancel).await?;
        manifest.archive = Some(archive);
        Ok(manifest)
    }

    async fn produce(&self, mut writer: ArchiveWriter) -> Result<(Manifest, FinishedUpload)> {
        let mut manifest = self.manifest.clone();
        let mut checksums = Checksums(self.documents.checksums.clone());
        let mut sealed = SealedDocument::new();
        for entity in manifest.entities.iter_mut().filter(|entity| entity.status == EntityStatus::Completed) {
            let Some(file) = entity.storage_file.clone() else { continue };
            let written = self.copy(&mut writer, entity, &file).await?;
            let Some(bytes) = written.sealed else { continue };
            entity.compressed_bytes = bytes.length;
            entity.content_hash = Some(bytes.hash.clone());
            checksums.0.insert(file.clone(), bytes.hash);
            let physical = self.documents.sealed.get(&file).and_then(|inner| inner.physical.clone());
            let inner = SealedEntity {
                content_hash: written.content_hash,
                record_set_hash: written.record_set_hash,
                blocks: written.blocks,
                physical,
            };
            sealed.insert(file, inner);
        }
        for name in self.documents.checksums.keys().filter(|name| !name.starts_with("entities/")) {
            let content = if name == entry::SEALED {
                let content = self.seal(&sealed).await?;
                checksums.0.insert(name.clone(), crate::digest::sha256(&content));
                content
            } else {
                self.reader.document(name).await?
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
        writer.document(entry::CHECKSUMS, crate::archive::document(&checksums)).await?;
        writer.document(entry::MANIFEST, manifest.to_json()).await?;
        Ok((manifest, writer.finish().await?))
    }

    async fn seal(&self, sealed: &SealedDocument) -> Result<Vec<u8>> {
        let (recipients, content) = (self.recipients.clone(), crate::archive::document(sealed));
        tokio::task::spawn_blocking(move || recipients.seal(&content)).await.map_err(lost)?
    }

    /// Writes one entry again, block by block, and proves that its lines are those that were in it.
    async fn copy(
        &self,
        writer: &mut ArchiveWriter,
        entity: &EntityManifest,
        file: &str,
    ) -> Result<WrittenEntry> {
        self.reader.check_blocks(file, &self.documents.blocks)?;
        let new = NewEntry {
            path: file.to_owned(),
            method: self.reader.method(file)?,
            recipients: entity.policy.encrypt.then(|| self.recipients.clone()),
        };
        let mut entry = writer.records(new).await?;
        let blocks: Vec<_> = self.documents.blocks.get(file).into_iter().flatten().copied().collect();
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let opened = stream::iter(blocks).map(|block| async move {
            let fetched = self.reader.block(file, block).await?;
            tokio::task::spawn_blocking(move || fetched.compressed()).await.map_err(lost)
        });
        let mut opened = std::pin::pin!(opened.buffered(workers));
        while let Some(block) = opened.try_next().await? {
            let block: CompressedBlock =
                block.map_err(|fault: BlockFault| self.reader.broken(file, &fault.to_string()))?;
            entry.block(block).await?;
        }
        let written = entry.finish().await?;
        let (content, records) = self.documents.hashes(entity, file);
        if content != Some(&written.content_hash) || records != Some(written.record_set_hash) {
            return Err(self.reader.broken(file, "its content has another hash than was written"));
        }
        Ok(written)
    }
}

fn lost(source: tokio::task::JoinError) -> Error {
    Error::with_source(ErrorKind::Internal, "a thread that seals was lost", source)
}
