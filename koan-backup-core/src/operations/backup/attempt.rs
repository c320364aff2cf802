//! One attempt to write an archive: entities are written in order, and each is compressed on all cores.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use futures::stream::{FuturesOrdered, StreamExt};
use tokio::task::JoinHandle;

use super::encode::encode;
use super::header::Header;
use super::loss_warnings::EarlierBackups;
use super::options::BackupOptions;
use super::plan::PlannedEntry;
use super::publish::{Contents, manifest, write_documents};
use super::reads::Reads;
use crate::archive::{
    ArchiveWriter, CompressedBlock, Compressor, EncryptedMetadata, EntityEntry, EntityManifest, EntityStatus,
    EntryEncryption, FinishedUpload, Manifest, NewEntry, PendingArchive, ProviderInfo, StreamEntry,
    WrittenEntry, archive_path, entity_file, records_file, stream_file,
};
use crate::environment::Environment;
use crate::environment::event::{Event, Listener};
use crate::foundation::digest;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::provider::{Finding, RestoreTarget, Severity, Snapshot};
use crate::storage::Storage;

/// The open snapshots by provider.
pub(super) type Snapshots = BTreeMap<String, Box<dyn Snapshot>>;
/// The planned entries that failed, by their index, with the error. They are omitted when the archive is
/// rewritten.
pub(super) type Failures = BTreeMap<usize, Error>;

/// One attempt to write an archive from open snapshots.
pub(super) struct Attempt<'a> {
    pub(super) environment: &'a Environment,
    pub(super) storage: &'a Storage,
    pub(super) header: &'a Header<'a>,
    pub(super) options: &'a BackupOptions,
    pub(super) listener: &'a Listener,
    pub(super) entries: &'a [PlannedEntry],
    pub(super) snapshots: &'a Snapshots,
    /// The earlier backups with which the numbers of records are compared.
    pub(super) earlier: &'a EarlierBackups,
    pub(super) compressor: Arc<Compressor>,
}

impl Attempt<'_> {
    /// Writes the complete archive and returns its manifest, which the caller publishes. Until then no reader
    /// finds the archive.
    pub(super) async fn write(&self, failures: &mut Failures) -> Result<Manifest> {
        let Header { id, name, created_at, .. } = *self.header;
        let path = archive_path(name, created_at, &id, self.storage.encryption());
        let recipients = self.environment.archive_recipients(self.storage)?.cloned();
        let (writer, pending) =
            PendingArchive::begin(self.storage, id, path, recipients, created_at, &self.options.cancel)
                .await?;
        let (mut manifest, archive) =
            pending.store(Box::pin(self.write_entries(writer, failures)), &self.options.cancel).await?;
        manifest.archive = Some(archive);
        Ok(manifest)
    }

    async fn write_entries(
        &self,
        mut writer: ArchiveWriter,
        failures: &mut Failures,
    ) -> Result<(Manifest, FinishedUpload)> {
        let mut contents = Contents::new(self.header);
        self.describe_providers(&mut contents).await?;
        let readable: Vec<_> = self
            .entries
            .iter()
            .enumerate()
            .filter(|(index, _)| !failures.contains_key(index))
            .map(|(_, planned)| planned.clone())
            .collect();
        let mut reads = Reads::new(&readable, self.snapshots, self.options, self.listener);
        let mut read_index = 0;
        for (index, planned) in self.entries.iter().enumerate() {
            if let Some(error) = failures.get(&index) {
                contents.entities.push(self.failed_entity(planned, error));
                continue;
            }
            let started = Instant::now();
            self.emit_started(planned);
            let written = self.write_entry(&mut writer, &mut reads, read_index, planned, &mut contents).await;
            if written.is_err() {
                reads.abandon(read_index).await;
            }
            read_index += 1;
            match written {
                Ok(written) => self.add_completed(planned, written, started, &mut contents),
                Err(EntryError { error, .. }) if !self.options.continue_on_error || ends_backup(&error) => {
                    self.emit_failed(planned, &error);
                    return Err(error);
                }
                Err(EntryError { error, is_started }) => {
                    self.emit_failed(planned, &error);
                    if is_started {
                        failures.insert(index, error);
                        return Err(Error::new(
                            ErrorKind::Record,
                            "an entity failed after some of its records were written",
                        ));
                    }
                    contents.entities.push(self.failed_entity(planned, &error));
                }
            }
        }
        self.assess_restore(&mut contents).await;
        self.compare_with_earlier(&mut contents);
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

    /// Adds a warning for each finding that would make a restore into the same databases fail.
    async fn assess_restore(&self, contents: &mut Contents) {
        for name in self.snapshots.keys() {
            let warning = match self.findings(name, contents).await {
                Ok(findings) => {
                    let errors = findings.into_iter().filter(|finding| finding.severity == Severity::Error);
                    let text =
                        |finding| format!("a restore into `{name}` as it is now would fail: {finding}");
                    contents.warnings.extend(errors.map(text));
                    continue;
                }
                Err(error) => error.chain(),
            };
            contents.warnings.push(format!(
                "whether this backup could be restored into `{name}` was not determined: {warning}"
            ));
        }
    }

    /// Adds a warning for each entity that has far fewer records than in earlier backups.
    fn compare_with_earlier(&self, contents: &mut Contents) {
        let Header { created_at, .. } = *self.header;
        let draft = manifest(self.environment, self.storage, self.header, self.options, contents, created_at);
        if draft.status.is_complete() {
            contents.warnings.extend(self.earlier.warnings(self.environment, &draft));
        }
    }

    async fn findings(&self, provider: &str, contents: &Contents) -> Result<Vec<Finding>> {
        let is_written = |planned: &&PlannedEntry| {
            let file = self.file(planned);
            planned.entity.provider == provider
                && contents.entities.iter().any(|entity| entity.storage_file.as_ref() == Some(&file))
        };
        let target = |planned: &PlannedEntry| RestoreTarget {
            physical: contents.physical(provider, &self.file(planned)),
            ..RestoreTarget::new(planned.entity.codec.clone(), planned.set.clone())
        };
        let is_of_entity =
            |planned: &&PlannedEntry| planned.entity.codec.descriptor().stream_part().is_none();
        let targets: Vec<_> =
            self.entries.iter().filter(is_of_entity).filter(is_written).map(target).collect();
        self.environment.provider(provider)?.assess_backup(&targets).await
    }

    /// Writes one entry. Its chunks are checked and compressed on all cores, and written in order.
    async fn write_entry(
        &self,
        writer: &mut ArchiveWriter,
        reads: &mut Reads<'_>,
        index: usize,
        planned: &PlannedEntry,
        contents: &mut Contents,
    ) -> Result<WrittenEntry, EntryError> {
        let recipients = self.environment.recipients_of(planned.entity.codec.name(), planned.entity.policy);
        let recipients = recipients.map_err(|error| EntryError { error, is_started: false })?;
        let encryption =
            if recipients.is_some() { EntryEncryption::Encrypted } else { EntryEncryption::Unencrypted };
        let new_entry = || NewEntry {
            path: self.file(planned),
            method: self.options.compression.method(),
            recipients: recipients.cloned(),
        };
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let mut entry: Option<EntityEntry> = None;
        let failed = |is_started: bool| move |error| EntryError { error, is_started };
        let mut compressing: FuturesOrdered<JoinHandle<Result<CompressedBlock>>> = FuturesOrdered::new();
        let (mut is_reading, mut records, mut bytes) = (true, 0, 0);
        while is_reading || !compressing.is_empty() {
            tokio::select! {
                biased;
                Some(block) = compressing.next(), if !compressing.is_empty() => {
                    let block = block.map_err(compression_thread_error).and_then(|block| block);
                    let block = block.map_err(failed(entry.is_some()))?;
                    records += block.records;
                    bytes += u64::try_from(block.raw.len()).unwrap_or(u64::MAX);
                    let entry = match &mut entry {
                        Some(entry) => entry,
                        none => none.insert(writer.records(new_entry()).await.map_err(failed(false))?),
                    };
                    entry.block(block).await.map_err(failed(true))?;
                    self.listener.emit(|| Event::BlockWritten {
                        entity: planned.entity.codec.name().to_owned(),
                        set: planned.set.clone(),
                        records,
                        bytes,
                    });
                }
                chunk = reads.chunk(index), if is_reading && compressing.len() < workers => match chunk {
                    Some(chunk) => {
                        let codec = planned.entity.codec.clone();
                        let compressor = Arc::clone(&self.compressor);
                        let compress = move || encode(chunk, &codec, &compressor, encryption);
                        compressing.push_back(tokio::task::spawn_blocking(compress));
                    }
                    None => is_reading = false,
                },
            }
        }
        let summary = reads.summary(index).await.map_err(failed(entry.is_some()))?;
        let entry = match entry {
            Some(entry) => entry,
            None => writer.records(new_entry()).await.map_err(failed(false))?,
        };
        let written = entry.finish().await.map_err(failed(true))?;
        self.store_physical(planned, summary.physical, contents).map_err(failed(true))?;
        contents.warnings.extend(summary.warnings);
        Ok(written)
    }

    /// Returns the file name of an entry.
    fn file(&self, planned: &PlannedEntry) -> String {
        let (descriptor, set) = (planned.entity.codec.descriptor(), &planned.set);
        let encryption = planned.entity.policy.encrypt.then(|| self.options.compression.method());
        match descriptor.stream_part() {
            None => records_file(&entity_file(descriptor.name(), set), encryption),
            Some(_) => records_file(&stream_file(descriptor.name()), encryption),
        }
    }

    /// Adds the physical form of the rows to `contents`. The physical form of encrypted records is encrypted
    /// together with the records.
    fn store_physical(
        &self,
        planned: &PlannedEntry,
        physical: Option<serde_json::Value>,
        contents: &mut Contents,
    ) -> Result<()> {
        let (Some(physical), file) = (physical, self.file(planned)) else { return Ok(()) };
        if planned.entity.policy.encrypt {
            let text = serde_json::value::to_raw_value(&physical).map_err(|source| {
                Error::with_source(ErrorKind::Internal, "the physical form could not be serialized", source)
            })?;
            contents.encrypted_physical_forms.insert(file, text);
        } else if let Some(info) = contents.providers.get_mut(&planned.entity.provider) {
            info.physical.insert(file, physical);
        }
        Ok(())
    }

    fn add_completed(
        &self,
        planned: &PlannedEntry,
        written: WrittenEntry,
        started: Instant,
        contents: &mut Contents,
    ) {
        let file = self.file(planned);
        let (records, bytes) = (written.item_count, written.size_bytes);
        let (name, schema) = (planned.entity.codec.name(), planned.entity.codec.schema());
        let mut entity = EntityManifest {
            status: EntityStatus::Completed,
            item_count: written.item_count,
            size_bytes: written.size_bytes,
            compressed_bytes: written.compressed_bytes,
            storage_file: Some(file.clone()),
            duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            ..self.manifest_of(planned)
        };
        // With a hash of the plain text, anybody could check guesses of the content, so only the hash of the
        // encrypted bytes is public.
        let (stored_hash, shown_schema) = if let Some(encrypted) = written.encrypted {
            entity.compressed_bytes = encrypted.length;
            let inner = EncryptedMetadata {
                content_hash: written.content_hash,
                record_set_hash: written.record_set_hash,
                blocks: written.blocks,
                physical: contents.encrypted_physical_forms.remove(&file),
            };
            contents.encrypted.insert(file.clone(), inner);
            (encrypted.hash, schema.without_variants())
        } else {
            entity.record_set_hash = Some(written.record_set_hash);
            contents.blocks.insert(file.clone(), written.blocks);
            (written.content_hash, schema.clone())
        };
        if planned.entity.policy.include_schema && !self.options.without_schemas {
            contents.schemas.insert(name.to_owned(), shown_schema);
        }
        entity.content_hash = Some(stored_hash.clone());
        contents.checksums.0.insert(file, stored_hash);
        contents.entities.push(entity);
        self.listener.emit(|| Event::EntityCompleted {
            entity: planned.entity.codec.name().to_owned(),
            set: planned.set.clone(),
            records,
            bytes,
        });
    }

    fn failed_entity(&self, planned: &PlannedEntry, error: &Error) -> EntityManifest {
        EntityManifest {
            status: EntityStatus::Failed,
            error: Some(error.chain()),
            ..self.manifest_of(planned)
        }
    }

    fn manifest_of(&self, planned: &PlannedEntry) -> EntityManifest {
        let (codec, descriptor) = (&planned.entity.codec, planned.entity.codec.descriptor());
        let provider = self.environment.provider(&planned.entity.provider);
        EntityManifest {
            entity: codec.name().to_owned(),
            type_path: descriptor.type_path(),
            key_type: descriptor.key_type().to_owned(),
            set: planned.set.clone(),
            provider: planned.entity.provider.clone(),
            provider_kind: provider.map(|provider| provider.kind().to_owned()).unwrap_or_default(),
            policy: planned.entity.policy,
            status: EntityStatus::Failed,
            error: None,
            item_count: 0,
            size_bytes: 0,
            compressed_bytes: 0,
            content_hash: None,
            record_set_hash: None,
            storage_file: None,
            schema_fingerprint: digest::of_schema(codec.schema()),
            duration_ms: 0,
            stream: descriptor
                .stream_part()
                .zip(descriptor.stream_object())
                .map(|(part, object)| StreamEntry { object: object.to_owned(), part: part.into() }),
        }
    }

    fn emit_started(&self, planned: &PlannedEntry) {
        self.listener.emit(|| Event::EntityStarted {
            entity: planned.entity.codec.name().to_owned(),
            set: planned.set.clone(),
            expected: planned.expected,
        });
    }

    fn emit_failed(&self, planned: &PlannedEntry, error: &Error) {
        self.listener.emit(|| Event::EntityFailed {
            entity: planned.entity.codec.name().to_owned(),
            set: planned.set.clone(),
            error: error.chain(),
        });
    }
}

/// The error of an entry, and whether some of its records are already in the archive.
struct EntryError {
    error: Error,
    is_started: bool,
}

/// Returns whether an error ends the whole backup, because no other entity could be written either.
fn ends_backup(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::Storage | ErrorKind::Internal)
}

fn compression_thread_error(source: tokio::task::JoinError) -> Error {
    Error::with_source(ErrorKind::Internal, "a thread that compresses records ended unexpectedly", source)
}
