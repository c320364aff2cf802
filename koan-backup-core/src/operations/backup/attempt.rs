//! One attempt to write an archive: entities in order, each through all cores.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use futures::stream::{FuturesOrdered, StreamExt};
use tokio::task::JoinHandle;

use super::encode::encode;
use super::header::Header;
use super::loss_warnings::EarlierBackups;
use super::options::BackupOptions;
use super::plan::PlannedPart;
use super::publish::{Contents, manifest, write_documents};
use super::reads::Reads;
use crate::archive::{
    ArchiveWriter, CompressedBlock, Compressor, EntityEntry, EntityManifest, EntityStatus, EntrySealing,
    FinishedUpload, Manifest, NewEntry, PendingArchive, ProviderInfo, SealedEntity, WrittenEntry,
    archive_path, entity_file, sealed_file,
};
use crate::environment::Environment;
use crate::environment::event::{Event, Listener};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::provider::{Finding, RestoreTarget, Severity, Snapshot};
use crate::storage::Storage;

/// The open snapshots by provider.
pub(super) type Snapshots = BTreeMap<String, Box<dyn Snapshot>>;
/// Parts of the plan that failed, and why: they are left out when the archive is rewritten.
pub(super) type Failures = BTreeMap<usize, Error>;

/// One attempt to write the archive.
pub(super) struct Attempt<'a> {
    pub(super) environment: &'a Environment,
    pub(super) storage: &'a Storage,
    pub(super) header: &'a Header<'a>,
    pub(super) options: &'a BackupOptions,
    pub(super) listener: &'a Listener,
    pub(super) parts: &'a [PlannedPart],
    pub(super) snapshots: &'a Snapshots,
    /// The backups with which the numbers of records are compared.
    pub(super) earlier: &'a EarlierBackups,
    pub(super) compressor: Arc<Compressor>,
}

impl Attempt<'_> {
    /// Writes the archive, whole, and gives its manifest; nothing shows before that.
    pub(super) async fn write(&self, failures: &mut Failures) -> Result<Manifest> {
        let Header { id, name, created_at, .. } = *self.header;
        let path = archive_path(name, created_at, &id, self.storage.encryption());
        let recipients = self.environment.archive_recipients(self.storage)?.cloned();
        let (writer, pending) =
            PendingArchive::begin(self.storage, id, path, recipients, created_at, &self.options.cancel)
                .await?;
        let (mut manifest, archive) =
            pending.store(Box::pin(self.produce(writer, failures)), &self.options.cancel).await?;
        manifest.archive = Some(archive);
        Ok(manifest)
    }

    async fn produce(
        &self,
        mut writer: ArchiveWriter,
        failures: &mut Failures,
    ) -> Result<(Manifest, FinishedUpload)> {
        let mut contents = Contents::new(self.header);
        self.describe_providers(&mut contents).await?;
        let readable: Vec<_> = self
            .parts
            .iter()
            .enumerate()
            .filter(|(index, _)| !failures.contains_key(index))
            .map(|(_, part)| part.clone())
            .collect();
        let mut reads = Reads::new(&readable, self.snapshots, self.options, self.listener);
        let mut next = 0;
        for (index, part) in self.parts.iter().enumerate() {
            if let Some(error) = failures.get(&index) {
                contents.entities.push(self.failed(part, error));
                continue;
            }
            let started = Instant::now();
            self.tell_started(part);
            let written = self.write_part(&mut writer, &mut reads, next, part, &mut contents).await;
            if written.is_err() {
                reads.give_up(next).await;
            }
            next += 1;
            match written {
                Ok(written) => self.completed(part, written, started, &mut contents),
                Err(PartFailed { error, .. }) if !self.options.continue_on_error || is_fatal(&error) => {
                    self.tell_failed(part, &error);
                    return Err(error);
                }
                Err(PartFailed { error, began }) => {
                    self.tell_failed(part, &error);
                    if began {
                        failures.insert(index, error);
                        return Err(Error::new(
                            ErrorKind::Record,
                            "an entity failed after part of it was written",
                        ));
                    }
                    contents.entities.push(self.failed(part, &error));
                }
            }
        }
        self.assess(&mut contents).await;
        self.compare(&mut contents);
        let manifest =
            write_documents(&mut writer, self.environment, self.storage, self.header, self.options, contents)
                .await?;
        let finished = writer.finish().await?;
        Ok((manifest, finished))
    }

    async fn describe_providers(&self, contents: &mut Contents) -> Result<()> {
        for (name, snapshot) in self.snapshots {
            let provider = self.environment.provider(name)?;
            let info = ProviderInfo {
                kind: provider.kind().to_owned(),
                version: provider.describe(&[]).await?.version,
                source: provider.source(),
                consistency: snapshot.consistency(),
                physical: BTreeMap::new(),
            };
            contents.providers.insert(name.clone(), info);
        }
        Ok(())
    }

    /// Records what would make a restore into the same databases fail, as warnings.
    async fn assess(&self, contents: &mut Contents) {
        for name in self.snapshots.keys() {
            let warning = match self.findings(name, contents).await {
                Ok(findings) => {
                    let refused = findings.into_iter().filter(|finding| finding.severity == Severity::Error);
                    let text =
                        |finding| format!("a restore into `{name}` as it is now would fail: {finding}");
                    contents.warnings.extend(refused.map(text));
                    continue;
                }
                Err(error) => error.chain(),
            };
            contents.warnings.push(format!(
                "whether this backup could be restored into `{name}` was not found out: {warning}"
            ));
        }
    }

    /// Compares the numbers of records with those of earlier backups.
    fn compare(&self, contents: &mut Contents) {
        let Header { created_at, .. } = *self.header;
        let draft = manifest(self.environment, self.storage, self.header, self.options, contents, created_at);
        if draft.status.is_complete() {
            contents.warnings.extend(self.earlier.warnings(self.environment, &draft));
        }
    }

    async fn findings(&self, provider: &str, contents: &Contents) -> Result<Vec<Finding>> {
        let is_written = |part: &&PlannedPart| {
            let file = self.file(part);
            part.entity.provider == provider
                && contents.entities.iter().any(|entity| entity.storage_file.as_ref() == Some(&file))
        };
        let target = |part: &PlannedPart| RestoreTarget {
            physical: contents.physical(provider, &self.file(part)),
            ..RestoreTarget::new(part.entity.codec.clone(), part.set.clone())
        };
        let targets: Vec<_> = self.parts.iter().filter(is_written).map(target).collect();
        self.environment.provider(provider)?.assess_backup(&targets).await
    }

    /// Writes one entry: chunks are proven and compressed on all cores and written in order.
    async fn write_part(
        &self,
        writer: &mut ArchiveWriter,
        reads: &mut Reads<'_>,
        index: usize,
        part: &PlannedPart,
        contents: &mut Contents,
    ) -> Result<WrittenEntry, PartFailed> {
        let recipients = self.environment.recipients_of(part.entity.codec.name(), part.entity.policy);
        let recipients = recipients.map_err(|error| PartFailed { error, began: false })?;
        let sealing = if recipients.is_some() { EntrySealing::Sealed } else { EntrySealing::Clear };
        let new_entry = || NewEntry {
            path: self.file(part),
            method: self.options.compression.method(),
            recipients: recipients.cloned(),
        };
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let mut entry: Option<EntityEntry> = None;
        let failed = |began: bool| move |error| PartFailed { error, began };
        let mut working: FuturesOrdered<JoinHandle<Result<CompressedBlock>>> = FuturesOrdered::new();
        let (mut open, mut records, mut bytes) = (true, 0, 0);
        while open || !working.is_empty() {
            tokio::select! {
                biased;
                Some(block) = working.next(), if !working.is_empty() => {
                    let block = block.map_err(lost).and_then(|block| block).map_err(failed(entry.is_some()))?;
                    records += block.records;
                    bytes += u64::try_from(block.raw.len()).unwrap_or(u64::MAX);
                    let entry = match &mut entry {
                        Some(entry) => entry,
                        none => none.insert(writer.records(new_entry()).await.map_err(failed(false))?),
                    };
                    entry.block(block).await.map_err(failed(true))?;
                    self.listener.emit(|| Event::BlockWritten {
                        entity: part.entity.codec.name().to_owned(), set: part.set.clone(), records, bytes,
                    });
                }
                chunk = reads.chunk(index), if open && working.len() < workers => match chunk {
                    Some(chunk) => {
                        let (codec, compressor) = (part.entity.codec.clone(), Arc::clone(&self.compressor));
                        working.push_back(tokio::task::spawn_blocking(move || encode(chunk, &codec, &compressor, sealing)));
                    }
                    None => open = false,
                },
            }
        }
        let summary = reads.summary(index).await.map_err(failed(entry.is_some()))?;
        let entry = match entry {
            Some(entry) => entry,
            None => writer.records(new_entry()).await.map_err(failed(false))?,
        };
        let written = entry.finish().await.map_err(failed(true))?;
        self.note_physical(part, summary.physical, contents).map_err(failed(true))?;
        contents.warnings.extend(summary.warnings);
        Ok(written)
    }

    /// The name of the entry of a part.
    fn file(&self, part: &PlannedPart) -> String {
        let name = part.entity.codec.name();
        match part.entity.policy.encrypt {
            true => sealed_file(name, &part.set, self.options.compression.method()),
            false => entity_file(name, &part.set),
        }
    }

    /// Keeps the physical form of what was read; that of encrypted records is sealed with them.
    fn note_physical(
        &self,
        part: &PlannedPart,
        physical: Option<serde_json::Value>,
        contents: &mut Contents,
    ) -> Result<()> {
        let (Some(physical), file) = (physical, self.file(part)) else { return Ok(()) };
        if part.entity.policy.encrypt {
            let text = serde_json::value::to_raw_value(&physical).map_err(|source| {
                Error::with_source(ErrorKind::Internal, "the physical form was not written", source)
            })?;
            contents.sealed_physical.insert(file, text);
        } else if let Some(info) = contents.providers.get_mut(&part.entity.provider) {
            info.physical.insert(file, physical);
        }
        Ok(())
    }

    fn completed(
        &self,
        part: &PlannedPart,
        written: WrittenEntry,
        started: Instant,
        contents: &mut Contents,
    ) {
        let file = self.file(part);
        let (records, bytes) = (written.item_count, written.size_bytes);
        let (name, schema) = (part.entity.codec.name(), part.entity.codec.schema());
        let mut entity = EntityManifest {
            status: EntityStatus::Completed,
            item_count: written.item_count,
            size_bytes: written.size_bytes,
            compressed_bytes: written.compressed_bytes,
            storage_file: Some(file.clone()),
            duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            ..self.blank(part)
        };
        // A hash of what is encrypted would let anybody test a guess.
        let (stored_hash, shown_schema) = if let Some(sealed) = written.sealed {
            entity.compressed_bytes = sealed.length;
            let inner = SealedEntity {
                content_hash: written.content_hash,
                record_set_hash: written.record_set_hash,
                blocks: written.blocks,
                physical: contents.sealed_physical.remove(&file),
            };
            contents.sealed.insert(file.clone(), inner);
            (sealed.hash, schema.without_variants())
        } else {
            entity.record_set_hash = Some(written.record_set_hash);
            contents.blocks.insert(file.clone(), written.blocks);
            (written.content_hash, schema.clone())
        };
        if part.entity.policy.include_schema && !self.options.without_schemas {
            contents.schemas.insert(name.to_owned(), shown_schema);
        }
        entity.content_hash = Some(stored_hash.clone());
        contents.checksums.0.insert(file, stored_hash);
        contents.entities.push(entity);
        self.listener.emit(|| Event::EntityCompleted {
            entity: part.entity.codec.name().to_owned(),
            set: part.set.clone(),
            records,
            bytes,
        });
    }

    fn failed(&self, part: &PlannedPart, error: &Error) -> EntityManifest {
        EntityManifest { status: EntityStatus::Failed, error: Some(error.chain()), ..self.blank(part) }
    }

    fn blank(&self, part: &PlannedPart) -> EntityManifest {
        let (codec, descriptor) = (&part.entity.codec, part.entity.codec.descriptor());
        let provider = self.environment.provider(&part.entity.provider);
        EntityManifest {
            entity: codec.name().to_owned(),
            type_path: descriptor.type_path(),
            key_type: descriptor.key_type().to_owned(),
            set: part.set.clone(),
            provider: part.entity.provider.clone(),
            provider_kind: provider.map(|provider| provider.kind().to_owned()).unwrap_or_default(),
            policy: part.entity.policy,
            status: EntityStatus::Failed,
            error: None,
            item_count: 0,
            size_bytes: 0,
            compressed_bytes: 0,
            content_hash: None,
            record_set_hash: None,
            storage_file: None,
            schema_fingerprint: codec.schema().fingerprint(),
            duration_ms: 0,
        }
    }

    fn tell_started(&self, part: &PlannedPart) {
        self.listener.emit(|| Event::EntityStarted {
            entity: part.entity.codec.name().to_owned(),
            set: part.set.clone(),
            expected: part.expected,
        });
    }

    fn tell_failed(&self, part: &PlannedPart, error: &Error) {
        self.listener.emit(|| Event::EntityFailed {
            entity: part.entity.codec.name().to_owned(),
            set: part.set.clone(),
            error: error.chain(),
        });
    }
}

/// Why an entry was not written, and whether part of it is in the archive.
struct PartFailed {
    error: Error,
    began: bool,
}

/// Whether no other entity could be written either.
fn is_fatal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::Storage | ErrorKind::Internal)
}

fn lost(source: tokio::task::JoinError) -> Error {
    Error::with_source(ErrorKind::Internal, "a thread that compresses records was lost", source)
}
