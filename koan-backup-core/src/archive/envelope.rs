//! The envelope: the part of a manifest that is published unencrypted when its archive is encrypted as a
//! whole.

use serde_json::Map;

use super::manifest::{DiscoverySummary, EncryptionScope, EntityManifest, Manifest, VerificationSummary};

/// The text that replaces the error of a failed backup whose archive was to be encrypted, because the error
/// may reveal something about records.
const HIDDEN_ERROR: &str =
    "the backup failed; the reason is in the report and the log of the application that made the backup";

impl Manifest {
    /// Returns whether the archive is encrypted as a whole, so that the published manifest is an envelope.
    pub(crate) fn is_encrypted_as_a_whole(&self) -> bool {
        self.encryption.as_ref().is_some_and(|encryption| encryption.scope == EncryptionScope::Archive)
    }

    /// Returns the manifest as it is published: complete, or the envelope of an encrypted archive. Fields
    /// that this function does not list are not published.
    pub(crate) fn published(&self) -> Self {
        if !self.is_encrypted_as_a_whole() {
            return self.clone();
        }
        Self {
            format_version: self.format_version,
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
            error: self.error.is_some().then(|| HIDDEN_ERROR.to_owned()),
            tags: self.tags.clone(),
            metadata: self.metadata.clone(),
            producer: self.producer.clone(),
            archive: self.archive.clone(),
            encryption: self.encryption.clone(),
            entities: self.entities.iter().map(envelope_of).collect(),
            verification: VerificationSummary {
                overall_checksum: None,
                total_item_count: self.verification.total_item_count,
                total_size_bytes: self.verification.total_size_bytes,
                compression_ratio: self.verification.compression_ratio,
            },
            discovery: DiscoverySummary {
                discovered_at: self.discovery.discovered_at,
                total_entity_types: self.discovery.total_entity_types,
                total_providers: self.discovery.total_providers,
                entities_by_provider: self.discovery.entities_by_provider.clone(),
                uncovered: Vec::new(),
                excluded: Vec::new(),
            },
            warnings: Vec::new(),
            unknown: Map::new(),
        }
    }
}

/// Returns the description of an entity with only the fields that an envelope publishes.
fn envelope_of(entity: &EntityManifest) -> EntityManifest {
    EntityManifest {
        entity: entity.entity.clone(),
        type_path: String::new(),
        key_type: String::new(),
        set: entity.set.clone(),
        provider: entity.provider.clone(),
        provider_kind: entity.provider_kind.clone(),
        policy: entity.policy,
        status: entity.status,
        error: None,
        item_count: entity.item_count,
        size_bytes: entity.size_bytes,
        compressed_bytes: entity.compressed_bytes,
        content_hash: None,
        record_set_hash: None,
        storage_file: None,
        schema_fingerprint: String::new(),
        duration_ms: entity.duration_ms,
        stream: entity.stream.clone(),
    }
}
