//! Reads the complete manifest inside an archive that is encrypted as a whole.

use std::sync::Arc;

use super::locked::{Locked, fitting_key};
use crate::archive::{ArchiveObject, ArchiveReader, Manifest, entry};
use crate::catalog::StoredBackup;
use crate::encryption::Identities;
use crate::foundation::error::{Error, ErrorKind, Result};

/// Returns the backup with its complete manifest, if its archive is encrypted and one of the identities
/// decrypts it. Otherwise returns the backup unchanged.
///
/// # Errors
/// The archive cannot be read, is damaged, or belongs to another envelope.
pub(crate) async fn opened<'a>(
    backup: StoredBackup<'a>,
    identities: &Arc<Identities>,
) -> Result<StoredBackup<'a>> {
    let Some(archive) = backup.manifest.archive.as_ref().filter(|_| backup.manifest.is_sealed()) else {
        return Ok(backup);
    };
    let object = ArchiveObject::find(backup.storage, &archive.file).await?;
    let damaged = |what: &str| {
        Error::new(
            ErrorKind::Corrupt,
            format!("archive `{}` is damaged: {what}; restore from another backup", archive.file),
        )
    };
    let Some(object) = object.unsealed(identities).await? else {
        return match fitting_key(backup.manifest.encryption.as_ref(), identities) {
            Some(id) => {
                Err(damaged(&format!("its manifest names key `{id}`, but this key does not decrypt it")))
            }
            None => Ok(backup),
        };
    };
    let reader = ArchiveReader::open(object).await?;
    let mut published: serde_json::Value = reader.json(entry::MANIFEST).await?;
    published["archive"] =
        serde_json::to_value(archive).map_err(|_| damaged("its manifest does not follow the format"))?;
    let manifest: Manifest = serde_json::from_value(published.clone())
        .map_err(|_| damaged("its manifest does not follow the format"))?;
    if manifest.published() != backup.manifest {
        return Err(damaged("the published manifest is not the envelope of the manifest in the archive"));
    }
    Ok(StoredBackup { manifest, published, is_opened: true, ..backup })
}

/// Refuses a backup whose archive is encrypted and was not decrypted.
pub(crate) fn require_opened(backup: &StoredBackup<'_>, identities: &Identities) -> Result<()> {
    if backup.manifest.is_sealed() && !backup.is_opened && backup.manifest.archive.is_some() {
        return Err(Locked::new(backup.manifest.encryption.as_ref(), identities).error("the archive"));
    }
    Ok(())
}
