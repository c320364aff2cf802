//! Writes the documents and the manifest of an archive, and publishes the backup.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::value::RawValue;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::header::Header;
use super::options::BackupOptions;
use crate::archive::{
    ArchiveFile, ArchiveWriter, BackupStatistics, BackupStatus, BlockTable, Checksums, DiscoveryDocument,
    DiscoveryExcluded, DiscoverySummary, DiscoveryUncovered, EncryptedDocument, EncryptionScope,
    EncryptionSummary, EntityManifest, EntityStatistics, EntityStatus, FORMAT_VERSION, MAX_MANIFEST_BYTES,
    Manifest, ProviderDocument, SchemaSnapshots, VerificationSummary, discard_unpublished, document_fits,
    entry, manifest_fits, manifest_path,
};
use crate::declaration::inventory::{ExcludedEntity, Inventory, UncoveredEntity};
use crate::encryption::ArchiveEncryption;
use crate::environment::Environment;
use crate::foundation::blocking::blocking;
use crate::foundation::cancellation::ended_within;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::json::document;
use crate::storage::{CLEANUP_TIMEOUT, Storage};

/// The maximum length of the path of an archive.
const MAX_PATH_BYTES: usize = 1024;

/// The contents of the documents and the manifest, gathered while records are written.
#[derive(Default)]
pub(super) struct Contents {
    pub(super) entities: Vec<EntityManifest>,
    pub(super) blocks: BlockTable,
    /// Hashes, blocks and physical form of encrypted entries. They would reveal content, so they are
    /// encrypted as well.
    pub(super) encrypted: EncryptedDocument,
    /// The physical form of encrypted entries that are being written.
    pub(super) encrypted_physical_forms: BTreeMap<String, Box<RawValue>>,
    pub(super) checksums: Checksums,
    pub(super) providers: ProviderDocument,
    pub(super) schemas: SchemaSnapshots,
    pub(super) warnings: Vec<String>,
}

impl Contents {
    /// Creates empty contents with the warnings of the header.
    pub(super) fn new(header: &Header<'_>) -> Self {
        Self { warnings: header.warnings.clone(), ..Self::default() }
    }

    /// Returns the physical form in which an entry was read, whether it is encrypted or not.
    pub(super) fn physical(&self, provider: &str, file: &str) -> Option<serde_json::Value> {
        let unencrypted = self.providers.get(provider).and_then(|info| info.physical.get(file)).cloned();
        unencrypted.or_else(|| serde_json::from_str(self.encrypted.get(file)?.physical.as_ref()?.get()).ok())
    }

    fn verification(&self) -> VerificationSummary {
        let sum = |size: fn(&EntityManifest) -> u64| self.entities.iter().map(size).sum::<u64>();
        let (raw, compressed) = (sum(|entity| entity.size_bytes), sum(|entity| entity.compressed_bytes));
        VerificationSummary {
            overall_checksum: None,
            total_item_count: sum(|entity| entity.item_count),
            total_size_bytes: raw,
            compression_ratio: ratio(compressed, raw),
        }
    }

    /// Returns the scope and the recipients of the encryption, if content is encrypted.
    fn encryption(&self, environment: &Environment, storage: &Storage) -> Option<EncryptionSummary> {
        let scope = match storage.encryption() {
            ArchiveEncryption::Always => EncryptionScope::Archive,
            ArchiveEncryption::ByEntity if self.encrypted.is_empty() => return None,
            ArchiveEncryption::ByEntity => EncryptionScope::Entities,
        };
        let recipients = environment.recipients.as_ref()?;
        let (recipients, key_ids) = (recipients.public_keys(), recipients.key_ids());
        Some(EncryptionSummary { scope, recipients, key_ids })
    }

    fn status(&self) -> BackupStatus {
        if self.entities.iter().any(|entity| entity.status != EntityStatus::Completed) {
            BackupStatus::Failed
        } else if self.warnings.is_empty() {
            BackupStatus::Completed
        } else {
            BackupStatus::CompletedWithWarnings
        }
    }

    fn statistics(&self, duration_ms: u64) -> BackupStatistics {
        let sums = self.verification();
        let per_second = |amount: u64| ratio(amount.saturating_mul(1000), duration_ms.max(1));
        BackupStatistics {
            duration_ms,
            records_per_second: per_second(sums.total_item_count),
            bytes_per_second: per_second(sums.total_size_bytes),
            entities: self.entities.iter().filter_map(entity_statistics).collect::<BTreeMap<_, _>>(),
        }
    }
}

/// Writes the documents and the inner manifest, and returns the manifest to publish, whose field `archive` is
/// not set yet.
pub(super) async fn write_documents(
    writer: &mut ArchiveWriter,
    environment: &Environment,
    storage: &Storage,
    header: &Header<'_>,
    options: &BackupOptions,
    mut contents: Contents,
) -> Result<Manifest> {
    let completed_at = header.now(&environment.clock);
    let duration_ms = millis_between(header.created_at, completed_at);
    // A refresh of the inventory must not come between the document and the manifest.
    let inventory = environment.inventory.get();
    let mut documents = vec![
        (entry::SCHEMA_SNAPSHOTS, document(&contents.schemas)),
        (entry::DISCOVERY_INFO, document(&discovery_document(&inventory))),
        (entry::PROVIDER_INFO, document(&contents.providers)),
        (entry::BACKUP_STATS, document(&contents.statistics(duration_ms))),
        (entry::BLOCKS, document(&contents.blocks)),
    ];
    if !contents.encrypted.is_empty() {
        documents
            .push((entry::ENCRYPTED_DOCUMENT, encrypt(environment, document(&contents.encrypted)).await?));
    }
    let entries = contents.entities.len() + documents.len() + 2;
    for (name, content) in documents {
        contents.checksums.0.insert(name.to_owned(), crate::foundation::digest::sha256(&content));
        write(writer, name, content, entries).await?;
    }
    write(writer, entry::CHECKSUMS, document(&contents.checksums), entries).await?;
    let mut manifest = manifest(environment, storage, header, options, &contents, completed_at);
    manifest.discovery = discovery_summary(environment, &inventory);
    manifest.verification.overall_checksum = Some(contents.checksums.overall());
    require_readable(&manifest)?;
    write(writer, entry::MANIFEST, manifest.to_json(), entries).await?;
    Ok(manifest)
}

/// Encrypts a document on a thread on which blocking is allowed.
async fn encrypt(environment: &Environment, content: Vec<u8>) -> Result<Vec<u8>> {
    let Some(recipients) = environment.recipients.clone() else {
        return Err(Error::new(
            ErrorKind::Internal,
            "entities were encrypted, but no recipients are configured",
        ));
    };
    blocking("encrypts", move || recipients.encrypt(&content)).await?
}

/// Writes a document, or refuses it if it exceeds the limits of a reader.
async fn write(writer: &mut ArchiveWriter, name: &str, content: Vec<u8>, entries: usize) -> Result<()> {
    if document_fits(name, &content, entries) {
        return writer.document(name, content).await;
    }
    Err(Error::new(
        ErrorKind::Unsupported,
        format!(
            "`{name}` of an archive with {entries} entries is larger than readers accept; back up fewer entities \
             in one backup"
        ),
    ))
}

/// Refuses a manifest that exceeds the limits of a reader. The check assumes the longest possible `archive`
/// value, because the actual value is not known yet.
fn require_readable(manifest: &Manifest) -> Result<()> {
    let archive = ArchiveFile {
        file: "x".repeat(MAX_PATH_BYTES),
        size_bytes: u64::MAX,
        sha256: crate::foundation::digest::sha256(&[]),
    };
    let published = Manifest { archive: Some(archive), ..manifest.clone() }.published().to_json();
    match manifest_fits(&published) {
        true => Ok(()),
        false => Err(too_large(manifest)),
    }
}

fn too_large(manifest: &Manifest) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "the manifest of backup {} exceeds what a reader accepts: {MAX_MANIFEST_BYTES} bytes and a \
             limited number of values; shorten its description, metadata and tags, or back up fewer entities \
             in one backup",
            manifest.id
        ),
    )
}

/// Publishes the manifest, which makes the backup exist. The function waits for at most `time_limit`, and
/// after a cancellation only for a short time. If the manifest was certainly not published, its archive is
/// discarded.
pub(super) async fn publish(
    storage: &Storage,
    manifest: &Manifest,
    time_limit: Duration,
    cancel: &CancellationToken,
) -> Result<()> {
    let (path, content) = (manifest_path(&manifest.id), manifest.published().to_json());
    if !manifest_fits(&content) {
        if let Some(archive) = &manifest.archive {
            discard_unpublished(storage, manifest.id, &archive.file.as_str().into()).await;
        }
        return Err(too_large(manifest));
    }
    let max_bytes = u64::try_from(content.len()).unwrap_or(u64::MAX);
    let created =
        ended_within(cancel, time_limit, CLEANUP_TIMEOUT, storage.create(&path, content.clone())).await;
    let has_response = created.is_some();
    let created = created.unwrap_or_else(|| {
        let text =
            format!("storage `{}` did not respond in time when `{path}` was written", storage.location());
        Err(Error::new(ErrorKind::Storage, text))
    });
    let Err(error) = created else { return Ok(()) };
    // The manifest may have been written although the response was lost.
    match timeout(CLEANUP_TIMEOUT, storage.read(&path, max_bytes)).await {
        Ok(Ok(Some(published))) if published == content && storage.confirms_by_reading(&error) => Ok(()),
        Ok(Ok(Some(published))) if published != content => Err(error),
        // Without a response, the manifest may still be written later, so the archive is kept.
        Ok(Ok(None)) if has_response => {
            if let Some(archive) = &manifest.archive {
                discard_unpublished(storage, manifest.id, &archive.file.as_str().into()).await;
            }
            Err(error)
        }
        Ok(Ok(_) | Err(_)) | Err(_) => Err(error.context(format!(
            "it is not known whether backup {} was published: `{path}` does not exist, cannot be read or is \
             not durable; if it exists later, the backup is complete",
            manifest.id
        ))),
    }
}

/// Builds the manifest that describes `contents`.
pub(super) fn manifest(
    environment: &Environment,
    storage: &Storage,
    header: &Header<'_>,
    options: &BackupOptions,
    contents: &Contents,
    completed_at: Timestamp,
) -> Manifest {
    Manifest {
        format_version: FORMAT_VERSION,
        id: header.id,
        name: header.name.clone(),
        series: Some(options.series_of(header.name)),
        description: options.full_description(),
        triggered_by: options.triggered_by.clone(),
        reason: options.reason.clone(),
        created_at: header.created_at,
        completed_at,
        duration_ms: millis_between(header.created_at, completed_at),
        status: contents.status(),
        error: None,
        tags: options.tags.clone(),
        metadata: options.metadata.clone(),
        producer: environment.producer.clone(),
        archive: None,
        encryption: contents.encryption(environment, storage),
        entities: contents.entities.clone(),
        verification: contents.verification(),
        discovery: discovery_summary(environment, &environment.inventory.get()),
        warnings: contents.warnings.clone(),
        unknown: serde_json::Map::new(),
    }
}

fn discovery_document(inventory: &Inventory) -> DiscoveryDocument {
    DiscoveryDocument {
        discovered_at: inventory.discovered_at,
        included: inventory.included.iter().map(|entity| (entity.entity.clone(), entity.policy)).collect(),
        excluded: excluded(inventory),
        uncovered: uncovered(inventory),
    }
}

/// Returns the excluded entities as an archive lists them, without their place in the source code.
fn excluded(inventory: &Inventory) -> Vec<DiscoveryExcluded> {
    let entry = |entry: &ExcludedEntity| DiscoveryExcluded {
        entity: entry.entity.clone(),
        reason: entry.reason.clone(),
    };
    inventory.excluded.iter().map(entry).collect()
}

/// Returns the uncovered entities as an archive lists them.
fn uncovered(inventory: &Inventory) -> Vec<DiscoveryUncovered> {
    let entry =
        |entry: &UncoveredEntity| DiscoveryUncovered { entity: entry.entity.clone(), why: entry.why.clone() };
    inventory.uncovered.iter().map(entry).collect()
}

fn discovery_summary(environment: &Environment, inventory: &Inventory) -> DiscoverySummary {
    let mut entities_by_provider = BTreeMap::new();
    for entity in environment.entities.iter().filter(|entity| entity.policy.is_some()) {
        *entities_by_provider.entry(entity.provider.clone()).or_default() += 1;
    }
    DiscoverySummary {
        discovered_at: inventory.discovered_at,
        total_entity_types: environment.entities.len(),
        total_providers: environment.providers.len(),
        entities_by_provider,
        uncovered: uncovered(inventory),
        excluded: excluded(inventory),
    }
}

fn entity_statistics(entity: &EntityManifest) -> Option<(String, EntityStatistics)> {
    let statistics = EntityStatistics {
        duration_ms: entity.duration_ms,
        item_count: entity.item_count,
        size_bytes: entity.size_bytes,
        compressed_bytes: entity.compressed_bytes,
        compression_ratio: ratio(entity.compressed_bytes, entity.size_bytes),
    };
    Some((entity.storage_file.clone()?, statistics))
}

/// Returns `part` divided by `whole` with four decimal places, or 0 if `whole` is 0.
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    let scaled = u128::from(part) * 10_000 / u128::from(whole);
    u32::try_from(scaled).map_or(f64::from(u32::MAX), f64::from) / 10_000.0
}

pub(super) fn millis_between(start: Timestamp, end: Timestamp) -> u64 {
    u64::try_from(end.as_millisecond() - start.as_millisecond()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(warnings: Vec<String>) -> Manifest {
        Manifest { status: BackupStatus::CompletedWithWarnings, warnings, ..Manifest::example() }
    }

    #[tokio::test]
    async fn a_manifest_that_exceeds_the_limits_of_a_reader_is_not_published() {
        let limit = usize::try_from(MAX_MANIFEST_BYTES).expect("the limit fits into usize");
        let storage = Storage::memory();
        for warnings in [vec!["x".repeat(limit)], vec!["x,".repeat(600_000), "y,".repeat(600_000)]] {
            let manifest = manifest(warnings);
            assert_eq!(
                require_readable(&manifest).expect_err("the manifest is too large").kind(),
                ErrorKind::Unsupported
            );
            publish(&storage, &manifest, CLEANUP_TIMEOUT, &CancellationToken::new())
                .await
                .expect_err("the manifest is too large");
            assert_eq!(storage.size(&manifest_path(&manifest.id)).await.expect("the size is read"), None);
        }
        let manifest = manifest(vec!["x".repeat(limit - (8 << 10))]);
        require_readable(&manifest).expect("the manifest is within the limits");
        publish(&storage, &manifest, CLEANUP_TIMEOUT, &CancellationToken::new())
            .await
            .expect("the manifest is published");
        let listed = crate::catalog::list_all(&storage).await.expect("the backups are listed");
        assert_eq!(
            (listed.backups.len(), listed.unreadable.len()),
            (1, 0),
            "a manifest within the limits can be read"
        );
    }
}
