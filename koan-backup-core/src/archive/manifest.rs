//! The record of what an archive holds. A backup exists once its manifest is published.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::documents::{ExcludedEntity, UncoveredEntity};
use crate::digest::RecordSetHash;
use crate::entity::Policy;
use crate::id::{BackupId, BackupName, SetName};
use crate::series::SeriesName;

/// The version of the format that this library writes, and the newest it reads.
pub const FORMAT_VERSION: u32 = 1;

/// `manifest.json`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Manifest {
    /// The version of the archive format.
    pub format_version: u32,
    /// The backup's id.
    pub id: BackupId,
    /// The backup's name; several backups may share one.
    pub name: BackupName,
    /// The series it belongs to; none in manifests of older versions, where it follows from the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<SeriesName>,
    /// What a person wrote about it.
    pub description: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ended.
    pub completed_at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// How it ended.
    pub status: BackupStatus,
    /// Why it failed, if it did.
    #[serde(default)]
    pub error: Option<String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Whatever the caller wanted kept with it.
    pub metadata: BTreeMap<String, String>,
    /// Who wrote it.
    pub producer: Producer,
    /// The archive; none in the copy inside the archive, and none if the backup failed before one was complete.
    pub archive: Option<ArchiveFile>,
    /// For whom it is encrypted, if anything in it is.
    pub encryption: Option<EncryptionSummary>,
    /// What it holds, in the order of the archive.
    pub entities: Vec<EntityManifest>,
    /// Sums over the archive.
    pub verification: VerificationSummary,
    /// What the application declared when the backup was made.
    pub discovery: DiscoverySummary,
    /// What whoever restores should know.
    pub warnings: Vec<String>,
    /// Fields of a newer writer, kept as they are.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// How a backup ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum BackupStatus {
    /// Everything asked for is in it.
    Completed,
    /// Everything asked for is in it, and the warnings are worth reading.
    CompletedWithWarnings,
    /// Something asked for is not in it.
    Failed,
    /// It was cancelled.
    Cancelled,
}

impl BackupStatus {
    /// Whether everything asked for is in the backup.
    pub fn is_complete(self) -> bool {
        matches!(self, Self::Completed | Self::CompletedWithWarnings)
    }
}

/// Who wrote a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Producer {
    /// `koan-backup`
    pub name: String,
    /// Its version.
    pub version: String,
    /// The application; none in manifests of older versions if it had no name.
    pub application: Option<String>,
    /// The environment of the application; none in manifests of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The machine, if it has a name.
    pub host: Option<String>,
}

/// The archive of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ArchiveFile {
    /// Its path in the storage profile.
    pub file: String,
    /// Its size.
    pub size_bytes: u64,
    /// The hash of all its bytes.
    pub sha256: String,
}

/// For whom a backup is encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EncryptionSummary {
    /// What is encrypted.
    #[serde(default)]
    pub scope: EncryptionScope,
    /// Public keys.
    pub recipients: Vec<String>,
    /// Ids of the keys.
    pub key_ids: Vec<String>,
}

/// What of a backup is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum EncryptionScope {
    /// The entities whose policy asks for it.
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
    /// The entity's name.
    pub entity: String,
    /// The path of the type that was backed up.
    pub type_path: String,
    /// The type of its key.
    pub key_type: String,
    /// The set.
    pub set: SetName,
    /// The provider's name in the application.
    pub provider: String,
    /// The sort of database.
    pub provider_kind: String,
    /// How it was backed up.
    pub policy: Policy,
    /// How it ended.
    pub status: EntityStatus,
    /// Why it failed, if it did.
    pub error: Option<String>,
    /// Records.
    pub item_count: u64,
    /// Bytes of the lines.
    pub size_bytes: u64,
    /// Bytes of the lines in the archive.
    pub compressed_bytes: u64,
    /// The hash of the lines, each with its line feed.
    pub content_hash: Option<String>,
    /// A hash of the records that does not depend on their order.
    pub record_set_hash: Option<RecordSetHash>,
    /// The entry in the archive.
    pub storage_file: Option<String>,
    /// The hash of the schema.
    pub schema_fingerprint: String,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

/// How one entity ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum EntityStatus {
    /// All its records are in the archive.
    Completed,
    /// It is not in the archive.
    Failed,
}

/// Sums over an archive.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct VerificationSummary {
    /// The hash over the sorted lines `name SP hash LF` of `verification/checksums.json`.
    pub overall_checksum: Option<String>,
    /// Records of all entities.
    pub total_item_count: u64,
    /// Bytes of the lines of all entities.
    pub total_size_bytes: u64,
    /// Compressed over uncompressed bytes of all entities.
    pub compression_ratio: f64,
}

/// What the application declared when a backup was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DiscoverySummary {
    /// When the inventory was taken.
    pub discovered_at: Timestamp,
    /// Entities declared, covered or not.
    pub total_entity_types: usize,
    /// Providers.
    pub total_providers: usize,
    /// Covered entities by provider.
    pub entities_by_provider: BTreeMap<String, usize>,
    /// Entities without a policy.
    pub uncovered: Vec<UncoveredEntity>,
    /// Entities left out, with the reason.
    pub excluded: Vec<ExcludedEntity>,
}

impl Manifest {
    /// The manifest as it is stored: indented JSON with a line feed at the end.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        super::documents::document(self)
    }

    /// The series the backup belongs to: the recorded one, or that of its name.
    pub fn series_name(&self) -> SeriesName {
        self.series.clone().unwrap_or_else(|| SeriesName::of(&self.name))
    }

    /// The entity of a name and set.
    pub fn entity(&self, name: &str, set: &SetName) -> Option<&EntityManifest> {
        self.entities.iter().find(|entity| entity.entity == name && &entity.set == set)
    }
}
