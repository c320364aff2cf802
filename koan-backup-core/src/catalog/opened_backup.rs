//! Reads the complete manifest inside an archive that is encrypted as a whole.

use std::sync::Arc;

use super::stored::StoredBackup;
use crate::archive::{
    ArchiveFile, ArchiveObject, ArchiveReader, Manifest, MissingKey, OpenArchive, PublishedArchive, entry,
    matching_key,
};
use crate::encryption::Identities;
use crate::foundation::error::{Error, ErrorKind, Result};

impl StoredBackup<'_> {
    /// Returns the backup with its complete manifest, if its archive is encrypted and one of the identities
    /// decrypts it. Otherwise returns the backup unchanged.
    ///
    /// # Errors
    /// The archive cannot be read, is damaged, or belongs to another envelope.
    pub(crate) async fn opened(self, identities: &Arc<Identities>) -> Result<Self> {
        let Some(archive) =
            self.manifest.archive.as_ref().filter(|_| self.manifest.is_encrypted_as_a_whole())
        else {
            return Ok(self);
        };
        let object = ArchiveObject::find(self.storage, &archive.file).await?;
        let damaged = |what: &str| {
            Error::new(
                ErrorKind::Corrupt,
                format!("archive `{}` is damaged: {what}; restore from another backup", archive.file),
            )
        };
        let Some(object) = object.decrypted(identities).await? else {
            return match matching_key(self.manifest.encryption.as_ref(), identities) {
                Some(id) => Err(damaged(&format!(
                    "its manifest contains the recipient `{id}`, but this key does not decrypt the archive"
                ))),
                None => Ok(self),
            };
        };
        let reader = ArchiveReader::open(object).await?;
        let mut published: serde_json::Value = reader.json(entry::MANIFEST).await?;
        published["archive"] =
            serde_json::to_value(archive).map_err(|_| damaged("its manifest does not follow the format"))?;
        let manifest: Manifest = serde_json::from_value(published.clone())
            .map_err(|_| damaged("its manifest does not follow the format"))?;
        if manifest.published() != self.manifest {
            return Err(damaged("the published manifest is not the envelope of the manifest in the archive"));
        }
        Ok(Self { manifest, published, is_decrypted: true, ..self })
    }

    /// Refuses a backup whose archive is encrypted and was not decrypted.
    pub(crate) fn require_opened(&self, identities: &Identities) -> Result<()> {
        if self.manifest.is_encrypted_as_a_whole() && !self.is_decrypted && self.manifest.archive.is_some() {
            return Err(MissingKey::new(self.manifest.encryption.as_ref(), identities).error("the archive"));
        }
        Ok(())
    }

    /// Opens the archive of the backup, and checks everything in it except the records.
    ///
    /// # Errors
    /// The errors of [`OpenArchive::open`].
    pub(crate) async fn open_archive(
        &self,
        archive: &ArchiveFile,
        identities: &Arc<Identities>,
    ) -> Result<OpenArchive> {
        let (storage, manifest, published) = (self.storage, &self.manifest, &self.published);
        OpenArchive::open(PublishedArchive { storage, archive, manifest, published }, identities).await
    }
}
