//! What of a manifest lies in clear when its archive is sealed as a whole: what it takes to find and judge a backup.

use super::manifest::{DiscoverySummary, EncryptionScope, EntityManifest, Manifest, VerificationSummary};

impl Manifest {
    /// Whether the archive is sealed as a whole, so that the published manifest is an envelope.
    pub(crate) fn is_sealed(&self) -> bool {
        self.encryption.as_ref().is_some_and(|encryption| encryption.scope == EncryptionScope::Archive)
    }

    /// The manifest as it is published: the whole of it, or the envelope of a sealed archive. Hashes of records, names of
    /// types, reasons and warnings stay inside.
    pub(crate) fn published(&self) -> Self {
        if !self.is_sealed() {
            return self.clone();
        }
        let entity = |entity: &EntityManifest| EntityManifest {
            type_path: String::new(),
            key_type: String::new(),
            error: None,
            content_hash: None,
            record_set_hash: None,
            storage_file: None,
            schema_fingerprint: String::new(),
            ..entity.clone()
        };
        Self {
            entities: self.entities.iter().map(entity).collect(),
            discovery: DiscoverySummary {
                uncovered: Vec::new(),
                excluded: Vec::new(),
                ..self.discovery.clone()
            },
            verification: VerificationSummary { overall_checksum: None, ..self.verification.clone() },
            warnings: Vec::new(),
            ..self.clone()
        }
    }
}
