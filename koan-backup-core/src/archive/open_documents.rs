//! The documents of an open archive.

use std::collections::BTreeMap;

use super::blocks::BlockTable;
use super::documents::{EncryptedDocument, ProviderDocument, SchemaSnapshots};
use super::locked::MissingKey;
use super::manifest::EntityManifest;
use crate::foundation::digest::RecordSetHash;
use crate::foundation::error::Result;

/// The documents of an archive that readers of its records need.
#[derive(Debug, Default)]
pub(crate) struct OpenDocuments {
    pub(crate) blocks: BlockTable,
    pub(crate) providers: ProviderDocument,
    pub(crate) schemas: SchemaSnapshots,
    /// The hash of each entry, from `verification/checksums.json`.
    pub(crate) checksums: BTreeMap<String, String>,
    /// Hashes, blocks and physical form of the encrypted entries that were decrypted.
    pub(crate) encrypted: EncryptedDocument,
    /// Why encrypted entries were not decrypted. `None` if all encrypted entries were decrypted, or there are
    /// none.
    pub(crate) missing_key: Option<MissingKey>,
}

impl OpenDocuments {
    /// Returns the content hash that the lines of an entity must have, and the record-set hash of its
    /// records.
    pub(crate) fn hashes<'a>(
        &'a self,
        entity: &'a EntityManifest,
        file: &str,
    ) -> (Option<&'a String>, Option<RecordSetHash>) {
        match self.encrypted.get(file) {
            Some(encrypted) => (Some(&encrypted.content_hash), Some(encrypted.record_set_hash)),
            None => (entity.content_hash.as_ref(), entity.record_set_hash),
        }
    }

    /// Returns an error if the records of an entity are encrypted and were not decrypted.
    pub(crate) fn require_decrypted(&self, entity: &EntityManifest) -> Result<()> {
        match &self.missing_key {
            Some(missing_key) if entity.policy.encrypt => {
                Err(missing_key.error(&format!("`{}`", entity.entity)))
            }
            _ => Ok(()),
        }
    }
}
