//! The documents in an archive beside records and manifest.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::blocks::Block;

use crate::consistency::Consistency;
use crate::digest::RecordSetHash;
use crate::entity::Policy;
use crate::schema::EntitySchema;

/// A document as it is stored: indented JSON with a line feed at the end.
pub(crate) fn document<T: Serialize>(document: &T) -> Vec<u8> {
    let mut json = serde_json::to_vec_pretty(document).expect("documents have text keys and finite numbers");
    json.push(b'\n');
    json
}

/// `verification/checksums.json`: the hash of every entry as `unzip` extracts it, but for this one and the manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Checksums(pub BTreeMap<String, String>);

impl Checksums {
    /// The hash over the sorted lines `name SP hash LF`.
    pub fn overall(&self) -> String {
        let mut hasher = Sha256::new();
        for (name, hash) in &self.0 {
            hasher.update(format!("{name} {hash}\n"));
        }
        crate::digest::finish(hasher)
    }
}

/// `verification/sealed.json.age`, opened: by entry, what would tell of encrypted records if it lay in clear.
pub(crate) type SealedDocument = BTreeMap<String, SealedEntity>;

/// What is sealed of one entry.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SealedEntity {
    /// The hash of the lines, each with its line feed.
    pub(crate) content_hash: String,
    /// A hash of the records that does not depend on their order.
    pub(crate) record_set_hash: RecordSetHash,
    /// The independent blocks of what is sealed.
    pub(crate) blocks: Vec<Block>,
    /// The physical form of its columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) physical: Option<Box<RawValue>>,
}

/// `verification/schema-snapshots.json`: the shapes of the entities whose policy includes them.
pub type SchemaSnapshots = BTreeMap<String, EntitySchema>;

/// `metadata/discovery-info.json`: the inventory when the backup was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DiscoveryDocument {
    /// When the inventory was taken.
    pub discovered_at: Timestamp,
    /// Covered entities and their policies.
    pub included: BTreeMap<String, Policy>,
    /// Entities left out on purpose.
    pub excluded: Vec<ExcludedEntity>,
    /// Entities without a policy.
    pub uncovered: Vec<UncoveredEntity>,
}

/// An entity left out on purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExcludedEntity {
    /// Its name.
    pub entity: String,
    /// Why.
    pub reason: String,
}

/// An entity without a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UncoveredEntity {
    /// Its name.
    pub entity: String,
    /// Why it has none.
    pub why: String,
}

/// `metadata/provider-info.json`: the databases that were read, by their names in the application.
pub type ProviderDocument = BTreeMap<String, ProviderInfo>;

/// One database that was read. Never holds a credential or a connection string.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ProviderInfo {
    /// The sort of database.
    pub kind: String,
    /// Its version.
    pub version: String,
    /// Which database it was, without credentials: `db.example.org:5432/shop`. None if the provider does not say, and in
    /// archives of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The consistency that was reached.
    pub consistency: Consistency,
    /// The physical form of columns by entry, in the provider's own terms, where one column can hold several.
    #[serde(default)]
    pub physical: BTreeMap<String, serde_json::Value>,
}

/// `metadata/backup-stats.json`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct BackupStatistics {
    /// How long it took to read and write all records, in milliseconds.
    pub duration_ms: u64,
    /// Records a second.
    pub records_per_second: f64,
    /// Bytes of lines a second.
    pub bytes_per_second: f64,
    /// By entry.
    pub entities: BTreeMap<String, EntityStatistics>,
}

/// Figures of one entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EntityStatistics {
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Records.
    pub item_count: u64,
    /// Bytes of the lines.
    pub size_bytes: u64,
    /// Bytes of the lines in the archive.
    pub compressed_bytes: u64,
    /// Compressed over uncompressed bytes.
    pub compression_ratio: f64,
}
