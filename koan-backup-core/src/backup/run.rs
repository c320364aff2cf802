//! Runs a backup: one snapshot a provider, entities in order through all cores into one archive, then the manifest.

use std::collections::BTreeMap;
use std::time::Instant;

use futures::stream::{FuturesOrdered, StreamExt};
use tokio::task::JoinHandle;

use super::encode::encode;
use super::options::BackupOptions;
use super::plan::{PlannedEntity, PlannedPart, plan};
use super::publish::{Contents, Header, manifest, publish, write_documents};
use super::reads::Reads;
use super::report::BackupReport;
use crate::archive::{
    ArchiveFile, ArchiveWriter, BackupStatus, CompressedBlock, EntityEntry, EntityManifest, EntityStatus,
    Manifest, ProviderInfo, Upload, WrittenEntry, archive_path, entity_file,
};
use crate::clock::new_backup_id;
use crate::environment::Environment;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Listener};
use crate::id::BackupName;
use crate::provider::Snapshot;
use crate::storage::Storage;

type Snapshots = BTreeMap<String, Box<dyn Snapshot>>;
/// Parts of the plan that failed, and why: they are left out when the archive is written anew.
type Failures = BTreeMap<usize, Error>;

/// Backs up. Dropping the future or cancelling stops the work, and nothing is published.
pub(crate) async fn run(
    environment: &Environment,
    name: &BackupName,
    options: &BackupOptions,
) -> Result<BackupReport> {
    options.validate()?;
    let storage = environment.storage(options.profile.as_deref())?;
    let planned = plan(environment, &options.selection)?;
    refuse_unencrypted(&planned)?;
    let created_at = environment.clock.now();
    let header = Header { id: new_backup_id(&environment.clock), name, created_at };
    let listener = listener(environment, options);
    let work = back_up(environment, storage, &planned, &header, options, &listener);
    let ended = tokio::select! {
        biased;
        () = options.cancel.cancelled() => Err(Error::cancelled()),
        ended = work => ended,
    };
    let status = match &ended {
        Ok(report) => report.status(),
        Err(error) if error.kind() == ErrorKind::Cancelled => BackupStatus::Cancelled,
        Err(error) => {
            record_failure(environment, storage, &header, options, error).await;
            BackupStatus::Failed
        }
    };
    listener.tell(|| Event::BackupFinished { id: header.id, status });
    ended
}

/// An entity whose records must be encrypted is never written in clear.
fn refuse_unencrypted(planned: &[PlannedEntity]) -> Result<()> {
    match planned.iter().find(|entity| entity.policy.encrypt) {
        None => Ok(()),
        Some(entity) => Err(Error::new(
            ErrorKind::Encryption,
            format!(
                "`{}` must be encrypted and this version cannot encrypt; nothing was read",
                entity.codec.name()
            ),
        )),
    }
}

fn listener(environment: &Environment, options: &BackupOptions) -> Listener {
    if options.listener.is_listening() { options.listener.clone() } else { environment.listener.clone() }
}

async fn back_up(
    environment: &Environment,
    storage: &Storage,
    planned: &[PlannedEntity],
    header: &Header<'_>,
    options: &BackupOptions,
    listener: &Listener,
) -> Result<BackupReport> {
    let mut snapshots = Snapshots::new();
    for entity in planned {
        if !snapshots.contains_key(&entity.provider) {
            let snapshot = environment.provider(&entity.provider)?.snapshot().await?;
            snapshots.insert(entity.provider.clone(), snapshot);
        }
    }
    let (parts, mut failures) = parts(planned, &snapshots, options).await?;
    listener.tell(|| Event::BackupStarted { id: header.id, name: header.name.clone(), parts: parts.len() });
    loop {
        let known = failures.len();
        let attempt =
            Attempt { environment, storage, header, options, listener, parts: &parts, snapshots: &snapshots };
        match attempt.write(&mut failures).await {
            Ok(manifest) => {
                publish(storage, &manifest).await?;
                return Ok(BackupReport::new(manifest));
            }
            // An entity failed after some of its records were in the archive: it is written anew without that entity,
            // from the same snapshots, so that no archive holds a part of an entity.
            Err(_) if options.continue_on_error && failures.len() > known => {}
            Err(error) => return Err(error),
        }
    }
}

/// The sets of every entity; with `continue_on_error`, entities whose sets are not known are failures.
async fn parts(
    planned: &[PlannedEntity],
    snapshots: &Snapshots,
    options: &BackupOptions,
) -> Result<(Vec<PlannedPart>, Failures)> {
    let (mut parts, mut failures) = (Vec::new(), Failures::new());
    for entity in planned {
        let Some(snapshot) = snapshots.get(&entity.provider) else { continue };
        match snapshot.sets(&entity.codec).await {
            Ok(sets) => {
                let selected = sets.into_iter().filter(|set| options.selection.selects_set(set));
                parts.extend(selected.map(|set| PlannedPart { entity: entity.clone(), set }));
            }
            Err(error) if options.continue_on_error => {
                failures.insert(parts.len(), error);
                parts.push(PlannedPart { entity: entity.clone(), set: crate::id::SetName::root() });
            }
            Err(error) => return Err(error),
        }
    }
    if parts.is_empty() {
        return Err(Error::new(ErrorKind::NotFound, "nothing to back up: no entity has a set of that name"));
    }
    Ok((parts, failures))
}

/// One attempt to write the archive.
struct Attempt<'a> {
    environment: &'a Environment,
    storage: &'a Storage,
    header: &'a Header<'a>,
    options: &'a BackupOptions,
    listener: &'a Listener,
    parts: &'a [PlannedPart],
    snapshots: &'a Snapshots,
}

impl Attempt<'_> {
    /// Writes the archive, whole, and gives its manifest; nothing shows before that.
    async fn write(&self, failures: &mut Failures) -> Result<Manifest> {
        let Header { id, name, created_at } = *self.header;
        let path = archive_path(name, created_at, &id);
        let store = self.storage.store();
        let (sink, mut upload) = Upload::begin(store.as_ref(), self.storage.location(), path.clone()).await?;
        let writer = ArchiveWriter::start(sink, self.options.compression, created_at);
        let (produced, stored) = tokio::join!(self.produce(writer, failures), upload.run());
        let (mut manifest, written) = match (produced, stored) {
            (Ok(produced), Ok(())) => produced,
            (_, Err(error)) | (Err(error), _) => {
                upload.abort().await;
                return Err(error);
            }
        };
        upload.complete(store.as_ref(), &written).await?;
        manifest.archive = Some(ArchiveFile {
            file: path.to_string(),
            size_bytes: written.size_bytes,
            sha256: written.sha256,
        });
        Ok(manifest)
    }

    async fn produce(
        &self,
        mut writer: ArchiveWriter,
        failures: &mut Failures,
    ) -> Result<(Manifest, crate::archive::FinishedUpload)> {
        let mut contents = Contents::default();
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
            self.tell_started(part).await;
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
        let manifest =
            write_documents(&mut writer, self.environment, self.header, self.options, contents).await?;
        let finished = writer.finish().await?;
        Ok((manifest, finished))
    }

    async fn describe_providers(&self, contents: &mut Contents) -> Result<()> {
        for (name, snapshot) in self.snapshots {
            let provider = self.environment.provider(name)?;
            let info = ProviderInfo {
                kind: provider.kind().to_owned(),
                version: provider.describe(&[]).await?.version,
                consistency: snapshot.consistency(),
                physical: BTreeMap::new(),
            };
            contents.providers.insert(name.clone(), info);
        }
        Ok(())
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
        let file = entity_file(part.entity.codec.name(), &part.set);
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
                        none => none.insert(writer.records(file.clone()).await.map_err(failed(false))?),
                    };
                    entry.block(block).await.map_err(failed(true))?;
                    self.listener.tell(|| Event::BlockWritten {
                        entity: part.entity.codec.name().to_owned(), set: part.set.clone(), records, bytes,
                    });
                }
                chunk = reads.chunk(index), if open && working.len() < workers => match chunk {
                    Some(chunk) => {
                        let (codec, compression) = (part.entity.codec.clone(), self.options.compression);
                        working.push_back(tokio::task::spawn_blocking(move || encode(chunk, &codec, compression)));
                    }
                    None => open = false,
                },
            }
        }
        let summary = reads.summary(index).await.map_err(failed(entry.is_some()))?;
        let entry = match entry {
            Some(entry) => entry,
            None => writer.records(file.clone()).await.map_err(failed(false))?,
        };
        let written = entry.finish().await.map_err(failed(true))?;
        if let (Some(physical), Some(info)) =
            (summary.physical, contents.providers.get_mut(&part.entity.provider))
        {
            info.physical.insert(file, physical);
        }
        contents.warnings.extend(summary.warnings);
        Ok(written)
    }

    fn completed(
        &self,
        part: &PlannedPart,
        written: WrittenEntry,
        started: Instant,
        contents: &mut Contents,
    ) {
        let file = entity_file(part.entity.codec.name(), &part.set);
        let (records, bytes) = (written.item_count, written.size_bytes);
        contents.checksums.0.insert(file.clone(), written.content_hash.clone());
        if part.entity.policy.include_schema {
            contents.schemas.insert(part.entity.codec.name().to_owned(), part.entity.codec.schema().clone());
        }
        contents.entities.push(EntityManifest {
            status: EntityStatus::Completed,
            item_count: written.item_count,
            size_bytes: written.size_bytes,
            compressed_bytes: written.compressed_bytes,
            content_hash: Some(written.content_hash),
            record_set_hash: Some(written.record_set_hash),
            storage_file: Some(file.clone()),
            duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            ..self.blank(part)
        });
        contents.blocks.insert(file, written.blocks);
        self.listener.tell(|| Event::EntityCompleted {
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

    async fn tell_started(&self, part: &PlannedPart) {
        if !self.listener.is_listening() {
            return;
        }
        let snapshot = self.snapshots.get(&part.entity.provider);
        let expected = match snapshot.filter(|snapshot| snapshot.concurrent_reads() > 1) {
            Some(snapshot) => snapshot.count(&part.entity.codec, &part.set).await.ok(),
            None => None,
        };
        self.listener.tell(|| Event::EntityStarted {
            entity: part.entity.codec.name().to_owned(),
            set: part.set.clone(),
            expected,
        });
    }

    fn tell_failed(&self, part: &PlannedPart, error: &Error) {
        self.listener.tell(|| Event::EntityFailed {
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

/// Leaves a manifest that says that the backup failed. That it could not be left changes nothing: without a manifest the
/// backup does not exist.
async fn record_failure(
    environment: &Environment,
    storage: &Storage,
    header: &Header<'_>,
    options: &BackupOptions,
    error: &Error,
) {
    let failed = Manifest {
        status: BackupStatus::Failed,
        error: Some(error.chain()),
        ..manifest(environment, header, options, &Contents::default(), environment.clock.now())
    };
    if let Err(error) = publish(storage, &failed).await {
        tracing::warn!(target: "koan::backup", error = %error.chain(), "the failure of a backup was not recorded");
    }
}
