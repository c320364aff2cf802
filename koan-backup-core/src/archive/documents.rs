//! The documents in an archive beside records and manifest.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::consistency::Consistency;
use crate::entity::Policy;
use crate::schema::EntitySchema;

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
