//! From the envelope of a sealed archive to the manifest inside.

use std::sync::Arc;

use super::locked::{Locked, fitting_key};
use crate::archive::{ArchiveObject, ArchiveReader, Manifest, entry};
use crate::catalog::StoredBackup;
use crate::encryption::Identities;
use crate::foundation::error::{Error, ErrorKind, Result};

/// The backup with its whole manifest, if its archive is sealed and one of the identities opens it; else the backup as it is.
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
            Some(id) => Err(damaged(&format!("key `{id}` does not open it, as its manifest says"))),
            None => Ok(backup),
        };
    };
    let reader = ArchiveReader::open(object).await?;
    let mut published: serde_json::Value = reader.json(entry::MANIFEST).await?;
    published["archive"] =
        serde_json::to_value(archive).map_err(|_| damaged("its manifest is not what the format says"))?;
    let manifest: Manifest = serde_json::from_value(published.clone())
        .map_err(|_| damaged("its manifest is not what the format says"))?;
    if manifest.published() != backup.manifest {
        return Err(damaged("the published manifest is not the envelope of the one in it"));
    }
    Ok(StoredBackup { manifest, published, is_opened: true, ..backup })
}

/// Refuses to go on with an archive that is still sealed.
pub(crate) fn require_opened(backup: &StoredBackup<'_>, identities: &Identities) -> Result<()> {
    if backup.manifest.is_sealed() && !backup.is_opened && backup.manifest.archive.is_some() {
        return Err(Locked::new(backup.manifest.encryption.as_ref(), identities).error("the archive"));
    }
    Ok(())
}
