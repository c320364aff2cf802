//! The descriptions of the data files of an entity: `metadata.json` and its encrypted part.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::archive::{EntityManifest, EntityStatus, ProviderInfo, StreamEntry};
use crate::entity::Policy;
use crate::foundation::consistency::Consistency;
use crate::foundation::digest::RecordSetHash;
use crate::foundation::id::{BackupId, SetName};
use crate::foundation::schema::EntitySchema;

/// The size and hash of a file of a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FileRecord {
    pub(crate) size_bytes: u64,
    /// `sha256:` followed by the hash of the bytes of the file.
    pub(crate) sha256: String,
}

/// The content of `metadata.json`: one entity of one backup, with all of its sets.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TreeMetadata {
    pub(crate) format_version: u32,
    pub(crate) backup_id: BackupId,
    pub(crate) entity: String,
    pub(crate) type_path: String,
    pub(crate) key_type: String,
    pub(crate) policy: Policy,
    pub(crate) provider: TreeProvider,
    pub(crate) schema_fingerprint: String,
    /// `None` if the policy or the backup omits schemas.
    pub(crate) schema: Option<EntitySchema>,
    pub(crate) sets: Vec<TreeSet>,
    /// The file `metadata.json.age`, if the entity is encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sealed_metadata: Option<FileRecord>,
    /// The object name and the part, if the records are those of event streams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stream: Option<StreamEntry>,
}

/// The database from which an entity was read.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TreeProvider {
    /// The name of the provider in the application.
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) version: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
    pub(crate) consistency: Consistency,
}

/// One set of an entity and its data file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TreeSet {
    pub(crate) set: SetName,
    pub(crate) file: String,
    /// The size and hash of the data file.
    pub(crate) data_file: FileRecord,
    pub(crate) item_count: u64,
    /// The size of the records as lines of JSON.
    pub(crate) lines_bytes: u64,
    /// The SHA-256 of the records as lines of JSON. `None` for an encrypted entity.
    pub(crate) content_hash: Option<String>,
    /// `None` for an encrypted entity.
    pub(crate) record_set_hash: Option<RecordSetHash>,
    /// The physical form of the columns. It is never set for an encrypted entity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) physical: Option<serde_json::Value>,
    pub(crate) duration_ms: u64,
}

/// The decrypted content of `metadata.json.age`, by the name of the data file.
pub(crate) type SealedSets = BTreeMap<String, SealedSet>;

/// What would reveal something about the records of an encrypted data file if it were not encrypted.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SealedSet {
    pub(crate) content_hash: String,
    pub(crate) record_set_hash: RecordSetHash,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) physical: Option<Box<RawValue>>,
}

impl TreeMetadata {
    /// Returns the description of a set in the manifest of an archive, without the hashes and the entry.
    pub(crate) fn entity_manifest(&self, set: &TreeSet) -> EntityManifest {
        EntityManifest {
            entity: self.entity.clone(),
            type_path: self.type_path.clone(),
            key_type: self.key_type.clone(),
            set: set.set.clone(),
            provider: self.provider.name.clone(),
            provider_kind: self.provider.kind.clone(),
            policy: self.policy,
            status: EntityStatus::Completed,
            error: None,
            item_count: set.item_count,
            size_bytes: set.lines_bytes,
            compressed_bytes: 0,
            content_hash: None,
            record_set_hash: None,
            storage_file: None,
            schema_fingerprint: self.schema_fingerprint.clone(),
            duration_ms: set.duration_ms,
            stream: self.stream.clone(),
        }
    }
}

impl TreeProvider {
    /// Returns the provider as an archive describes it, without physical forms.
    pub(crate) fn info(&self) -> ProviderInfo {
        ProviderInfo {
            kind: self.kind.clone(),
            version: self.version.clone(),
            source: self.source.clone(),
            consistency: self.consistency,
            physical: BTreeMap::new(),
        }
    }
}
