//! The JSON documents in an archive, other than records and the manifest.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::blocks::Block;

use crate::entity::Policy;
use crate::foundation::consistency::Consistency;
use crate::foundation::digest::RecordSetHash;
use crate::foundation::schema::EntitySchema;

/// The content of `verification/checksums.json`: the hash of every entry as `unzip` extracts it, except this
/// document and the manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Checksums(pub BTreeMap<String, String>);

impl Checksums {
    /// Returns the hash over the sorted lines `name SP hash LF`, one for each entry.
    pub fn overall(&self) -> String {
        let mut hasher = Sha256::new();
        for (name, hash) in &self.0 {
            hasher.update(format!("{name} {hash}\n"));
        }
        crate::foundation::digest::finish(hasher)
    }
}

/// The decrypted content of `verification/sealed.json.age`: for each entry, the data that would reveal
/// something about encrypted records if the data were not encrypted.
pub(crate) type EncryptedDocument = BTreeMap<String, EncryptedMetadata>;

/// The encrypted metadata of one entry.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EncryptedMetadata {
    /// The content hash: SHA-256 of the lines, each with its line feed.
    pub(crate) content_hash: String,
    /// The record-set hash, which does not depend on the order of the records.
    pub(crate) record_set_hash: RecordSetHash,
    /// The independent blocks of the entry's stream before encryption.
    pub(crate) blocks: Vec<Block>,
    /// The physical form of the columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) physical: Option<Box<RawValue>>,
}

/// The content of `verification/schema-snapshots.json`: the schemas of the included entities.
pub type SchemaSnapshots = BTreeMap<String, EntitySchema>;

/// The content of `metadata/discovery-info.json`: the inventory at the time of the backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DiscoveryDocument {
    /// When the inventory was created.
    pub discovered_at: Timestamp,
    /// The included entities and their policies.
    pub included: BTreeMap<String, Policy>,
    /// The entities that are excluded by their declaration.
    pub excluded: Vec<DiscoveryExcluded>,
    /// The entities without a policy.
    pub uncovered: Vec<DiscoveryUncovered>,
}

/// An entity that is excluded by its declaration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiscoveryExcluded {
    /// The name of the entity.
    pub entity: String,
    /// The declared reason.
    pub reason: String,
}

/// An entity without a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiscoveryUncovered {
    /// The name of the entity.
    pub entity: String,
    /// Why the entity has no policy.
    pub why: String,
}

/// The content of `metadata/provider-info.json`: the databases that were read, by their names in the
/// application.
pub type ProviderDocument = BTreeMap<String, ProviderInfo>;

/// One database that was read. It never contains a credential or a connection string.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ProviderInfo {
    /// The kind of database.
    pub kind: String,
    /// The version of the database.
    pub version: String,
    /// The address of the database without credentials, for example `db.example.org:5432/shop`. `None` if the
    /// provider does not report the address, and in archives of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The consistency that the snapshot reached.
    pub consistency: Consistency,
    /// For each entry, the physical form of the columns in a format that only the provider interprets, if a
    /// column can have several physical forms.
    #[serde(default)]
    pub physical: BTreeMap<String, serde_json::Value>,
}

/// The content of `metadata/backup-stats.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct BackupStatistics {
    /// The time to read and write all records, in milliseconds.
    pub duration_ms: u64,
    /// The number of records per second.
    pub records_per_second: f64,
    /// The number of bytes of lines per second.
    pub bytes_per_second: f64,
    /// The statistics of each entry, by its name.
    pub entities: BTreeMap<String, EntityStatistics>,
}

/// The statistics of one entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EntityStatistics {
    /// The time to read and write the entity, in milliseconds.
    pub duration_ms: u64,
    /// The number of records.
    pub item_count: u64,
    /// The size of the lines in bytes.
    pub size_bytes: u64,
    /// The size of the lines in the archive, in bytes.
    pub compressed_bytes: u64,
    /// Compressed bytes divided by uncompressed bytes.
    pub compression_ratio: f64,
}
