//! The manifest, which describes the content of an archive. A backup exists once its manifest is published.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::documents::{DiscoveryExcluded, DiscoveryUncovered};
use crate::entity::Policy;
use crate::entity::stream::StreamPart;
use crate::foundation::digest::RecordSetHash;
use crate::foundation::id::{BackupId, BackupName, SetName};
use crate::foundation::series::SeriesName;

/// The version of the archive format that this library writes, and the newest that it can read.
pub const FORMAT_VERSION: u32 = 1;

/// The content of `manifest.json`.
///
/// ```
/// # koan_backup_shop::run(async |koan| {
/// for manifest in koan.backups().await? {
///     for entity in &manifest.entities {
///         println!("{}: {} has {} records", manifest.name, entity.entity, entity.item_count);
///     }
/// }
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Manifest {
    /// The version of the archive format.
    pub format_version: u32,
    /// The id of the backup.
    pub id: BackupId,
    /// The name of the backup. Several backups may have the same name.
    pub name: BackupName,
    /// The series that the backup belongs to. `None` in manifests of older versions, where the series follows
    /// from the name of the backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<SeriesName>,
    /// A description that a person wrote, or that was composed from `triggered_by` and `reason`.
    pub description: Option<String>,
    /// Who or what started the backup, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub triggered_by: Option<String>,
    /// Why the backup was started, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the backup started.
    pub created_at: Timestamp,
    /// When the backup ended.
    pub completed_at: Timestamp,
    /// The duration of the backup, in milliseconds.
    pub duration_ms: u64,
    /// How the backup ended.
    pub status: BackupStatus,
    /// The error as text, if the backup failed.
    #[serde(default)]
    pub error: Option<String>,
    /// The tags by which the backup can be found.
    pub tags: Vec<String>,
    /// Additional data of the caller.
    pub metadata: BTreeMap<String, String>,
    /// The program that wrote the backup.
    pub producer: Producer,
    /// The archive. `None` in the copy of the manifest inside the archive, and if the backup failed before
    /// the archive was complete.
    pub archive: Option<ArchiveFile>,
    /// The recipients, if the archive or some of its entries are encrypted.
    pub encryption: Option<EncryptionSummary>,
    /// The entities and sets, in the order of the archive.
    pub entities: Vec<EntityManifest>,
    /// Totals over the archive.
    pub verification: VerificationSummary,
    /// What the application declared when the backup was made.
    pub discovery: DiscoverySummary,
    /// Warnings that matter for a restore.
    pub warnings: Vec<String>,
    /// Fields that a newer version wrote and that this version does not support. They are preserved
    /// unchanged.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// How a backup ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum BackupStatus {
    /// Everything that was requested is in the archive.
    Completed,
    /// Everything that was requested is in the archive, and there are warnings.
    CompletedWithWarnings,
    /// Something that was requested is not in the archive.
    Failed,
    /// The backup was cancelled.
    Cancelled,
}

impl BackupStatus {
    /// Returns whether everything that was requested is in the backup.
    pub fn is_complete(self) -> bool {
        matches!(self, Self::Completed | Self::CompletedWithWarnings)
    }
}

/// The program that wrote a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Producer {
    /// The name of the library: `koan-backup`.
    pub name: String,
    /// The version of the library.
    pub version: String,
    /// The name of the application. `None` in manifests of older versions if it had no name.
    pub application: Option<String>,
    /// The environment of the application. `None` in manifests of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The host name of the machine, if it has one.
    pub host: Option<String>,
}

/// The archive of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ArchiveFile {
    /// The path in the storage profile.
    pub file: String,
    /// The size in bytes.
    pub size_bytes: u64,
    /// The SHA-256 hash of the complete file.
    pub sha256: String,
}

/// The recipients for whom a backup is encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EncryptionSummary {
    /// What is encrypted.
    #[serde(default)]
    pub scope: EncryptionScope,
    /// The public keys of the recipients.
    pub recipients: Vec<String>,
    /// The ids of the keys that can decrypt the backup.
    pub key_ids: Vec<String>,
}

/// Which part of a backup is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum EncryptionScope {
    /// The entities whose policy requires encryption.
    #[default]
    Entities,
    /// The archive as a whole; the published manifest is its envelope.
    Archive,
}

/// One entity and set in a backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EntityManifest {
    /// The name of the entity.
    pub entity: String,
    /// The path of the Rust type that was backed up.
    pub type_path: String,
    /// The type of the key.
    pub key_type: String,
    /// The set of the entity.
    pub set: SetName,
    /// The name of the provider in the application.
    pub provider: String,
    /// The kind of database.
    pub provider_kind: String,
    /// The policy by which the entity was backed up.
    pub policy: Policy,
    /// How the backup of this entity ended.
    pub status: EntityStatus,
    /// The error as text, if the backup of this entity failed.
    pub error: Option<String>,
    /// The number of records.
    pub item_count: u64,
    /// The size of the lines in bytes.
    pub size_bytes: u64,
    /// The size of the lines in the archive, in bytes.
    pub compressed_bytes: u64,
    /// The content hash: SHA-256 of the lines, each with its line feed.
    pub content_hash: Option<String>,
    /// The record-set hash, which does not depend on the order of the records.
    pub record_set_hash: Option<RecordSetHash>,
    /// The name of the entry in the archive.
    pub storage_file: Option<String>,
    /// The fingerprint of the schema.
    pub schema_fingerprint: String,
    /// The duration, in milliseconds.
    pub duration_ms: u64,
    /// The object name and the part, if the records are those of event streams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamEntry>,
}

/// The event streams to which an entry of an archive belongs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StreamEntry {
    /// The object name.
    pub object: String,
    /// What the entry contains.
    pub part: StreamEntryPart,
}

/// What an entry of event streams contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum StreamEntryPart {
    /// Events.
    Events,
    /// Documents.
    Documents,
    /// Snapshots.
    Snapshots,
}

impl From<StreamPart> for StreamEntryPart {
    fn from(part: StreamPart) -> Self {
        match part {
            StreamPart::Events => Self::Events,
            StreamPart::Documents => Self::Documents,
            StreamPart::Snapshots => Self::Snapshots,
        }
    }
}

impl From<StreamEntryPart> for StreamPart {
    fn from(part: StreamEntryPart) -> Self {
        match part {
            StreamEntryPart::Events => Self::Events,
            StreamEntryPart::Documents => Self::Documents,
            StreamEntryPart::Snapshots => Self::Snapshots,
        }
    }
}

/// How the backup of one entity ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum EntityStatus {
    /// All records of the entity are in the archive.
    Completed,
    /// The entity is not in the archive.
    Failed,
}

/// Totals over an archive.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct VerificationSummary {
    /// The hash over the sorted lines `name SP hash LF` of `verification/checksums.json`.
    pub overall_checksum: Option<String>,
    /// The number of records of all entities.
    pub total_item_count: u64,
    /// The size of the lines of all entities, in bytes.
    pub total_size_bytes: u64,
    /// Compressed bytes divided by uncompressed bytes, over all entities.
    pub compression_ratio: f64,
}

/// What the application declared when a backup was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DiscoverySummary {
    /// When the inventory was created.
    pub discovered_at: Timestamp,
    /// The number of declared entities, covered or not.
    pub total_entity_types: usize,
    /// The number of providers.
    pub total_providers: usize,
    /// The number of covered entities of each provider.
    pub entities_by_provider: BTreeMap<String, usize>,
    /// The entities without a policy.
    pub uncovered: Vec<DiscoveryUncovered>,
    /// The excluded entities, with the reason.
    pub excluded: Vec<DiscoveryExcluded>,
}

impl Manifest {
    /// Encodes the manifest as it is stored: indented JSON with a line feed at the end.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        crate::foundation::json::document(self)
    }

    /// Returns the manifest of a completed backup without entities, with a new id.
    #[cfg(test)]
    pub(crate) fn example() -> Self {
        let at = "2026-11-29T03:00:00Z";
        let manifest = serde_json::json!({
            "formatVersion": FORMAT_VERSION, "id": uuid::Uuid::now_v7(), "name": "nightly",
            "description": null, "createdAt": at, "completedAt": at, "durationMs": 0,
            "status": "completed", "error": null, "tags": [], "metadata": {},
            "producer": { "name": "koan-backup", "version": "0", "application": null, "host": null },
            "archive": null, "encryption": null, "entities": [],
            "verification": {
                "overallChecksum": null, "totalItemCount": 0, "totalSizeBytes": 0, "compressionRatio": 0.0,
            },
            "discovery": {
                "discoveredAt": at, "totalEntityTypes": 0, "totalProviders": 0, "entitiesByProvider": {},
                "uncovered": [], "excluded": [],
            },
            "warnings": [],
        });
        serde_json::from_value(manifest).expect("the JSON is a valid manifest")
    }

    /// Returns the series of the backup: the recorded series, or the series that follows from its name.
    pub fn series_name(&self) -> SeriesName {
        self.series.clone().unwrap_or_else(|| SeriesName::of(&self.name))
    }

    /// Returns the entity with this name and set.
    pub fn entity(&self, name: &str, set: &SetName) -> Option<&EntityManifest> {
        self.entities.iter().find(|entity| entity.entity == name && &entity.set == set)
    }
}
