//! The registry of a tree: the file `manifest.json` in its root. A backup exists in a tree once this file lists it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::names::TreePath;
use super::set_metadata::FileRecord;
use crate::archive::{
    BackupStatus, DiscoverySummary, EncryptionSummary, EntityManifest, Manifest, Producer,
    VerificationSummary,
};
use crate::foundation::id::{BackupId, BackupName, SetName};
use crate::foundation::series::SeriesName;

/// The value of `format`, which distinguishes the registry from other files called `manifest.json`.
pub(crate) const TREE_FORMAT: &str = "koan-backup-directory";
/// The version of the directory layout that this library writes, and the newest that it can read.
pub(crate) const TREE_FORMAT_VERSION: u32 = 1;

/// The content of the registry.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TreeRegistry {
    pub(crate) format: String,
    pub(crate) format_version: u32,
    /// The backups in the order in which they were added.
    pub(crate) backups: Vec<TreeBackup>,
}

/// One backup of a tree.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TreeBackup {
    pub(crate) id: BackupId,
    pub(crate) name: BackupName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) series: Option<SeriesName>,
    pub(crate) description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) triggered_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) completed_at: Timestamp,
    pub(crate) duration_ms: u64,
    pub(crate) status: BackupStatus,
    pub(crate) tags: Vec<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    /// The program that made the backup, with application and environment.
    pub(crate) producer: Producer,
    /// The recipients of the encrypted data files.
    pub(crate) encryption: Option<EncryptionSummary>,
    /// The name of the directory of the backup within the directory of each entity.
    pub(crate) directory: String,
    pub(crate) entities: Vec<TreeEntity>,
    /// The entities that failed and are not in the tree.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) failed: Vec<TreeFailure>,
    pub(crate) warnings: Vec<String>,
    pub(crate) discovery: DiscoverySummary,
}

/// One entity of a backup in a tree.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TreeEntity {
    pub(crate) entity: String,
    pub(crate) type_path: String,
    pub(crate) sets: Vec<SetName>,
    pub(crate) directory: TreePath,
    /// The size and hash of its `metadata.json`.
    pub(crate) metadata_file: FileRecord,
}

/// An entity and set that failed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TreeFailure {
    pub(crate) entity: String,
    pub(crate) set: SetName,
    pub(crate) error: Option<String>,
}

impl Default for TreeRegistry {
    fn default() -> Self {
        Self { format: TREE_FORMAT.to_owned(), format_version: TREE_FORMAT_VERSION, backups: Vec::new() }
    }
}

impl TreeBackup {
    /// Returns the manifest of an archive with the same backup. The caller supplies the entities as they are in that
    /// archive, and the encryption of that archive.
    pub(crate) fn manifest(
        &self,
        entities: Vec<EntityManifest>,
        encryption: Option<EncryptionSummary>,
    ) -> Manifest {
        let sum = |size: fn(&EntityManifest) -> u64| {
            entities.iter().fold(0u64, |sum, entity| sum.saturating_add(size(entity)))
        };
        let verification = VerificationSummary {
            overall_checksum: None,
            total_item_count: sum(|entity| entity.item_count),
            total_size_bytes: sum(|entity| entity.size_bytes),
            compression_ratio: 0.0,
        };
        Manifest {
            format_version: crate::archive::FORMAT_VERSION,
            id: self.id,
            name: self.name.clone(),
            series: self.series.clone(),
            description: self.description.clone(),
            triggered_by: self.triggered_by.clone(),
            reason: self.reason.clone(),
            created_at: self.created_at,
            completed_at: self.completed_at,
            duration_ms: self.duration_ms,
            status: self.status,
            error: None,
            tags: self.tags.clone(),
            metadata: self.metadata.clone(),
            producer: self.producer.clone(),
            archive: None,
            encryption,
            entities,
            verification,
            discovery: self.discovery.clone(),
            warnings: self.warnings.clone(),
            unknown: serde_json::Map::new(),
        }
    }

    /// Returns the name, id and time of the backup, for messages.
    pub(crate) fn label(&self) -> String {
        let directory = self.directory.escape_debug();
        format!("{} (`{}` of {}, directory `{directory}`)", self.id, self.name, self.created_at)
    }
}
