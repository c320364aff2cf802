//! The documents of an open archive.

use std::collections::BTreeMap;

use super::blocks::BlockTable;
use super::documents::{ProviderDocument, SchemaSnapshots, SealedDocument};
use super::locked::Locked;
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
    pub(crate) sealed: SealedDocument,
    /// Why encrypted entries were not decrypted. `None` if all encrypted entries were decrypted, or there are
    /// none.
    pub(crate) locked: Option<Locked>,
}

impl OpenDocuments {
    /// Returns the content hash that the lines of an entity must have, and the record-set hash of its
    /// records.
    pub(crate) fn hashes<'a>(
        &'a self,
        entity: &'a EntityManifest,
        file: &str,
    ) -> (Option<&'a String>, Option<RecordSetHash>) {
        match self.sealed.get(file) {
            Some(sealed) => (Some(&sealed.content_hash), Some(sealed.record_set_hash)),
            None => (entity.content_hash.as_ref(), entity.record_set_hash),
        }
    }

    /// Returns an error if the records of an entity are encrypted and were not decrypted.
    pub(crate) fn require_unlocked(&self, entity: &EntityManifest) -> Result<()> {
        match &self.locked {
            Some(locked) if entity.policy.encrypt => Err(locked.error(&format!("`{}`", entity.entity))),
            _ => Ok(()),
        }
    }
}
