//! Finds a single backup, its keys and its content.

use std::sync::Arc;

use crate::archive::stream_file::{StreamFile, StreamFileKey};
use crate::catalog::stream_backups::{
    StoredStreamBackup, StreamBackupHandle, StreamBackupRef, find, not_found, read,
};
use crate::encryption::Identities;
use crate::environment::Environment;
use crate::foundation::error::Result;

/// Finds the stored backup. A handle names its storage profile; an id is searched in `profile`, or in the default
/// profile.
///
/// # Errors
/// The backup does not exist, or its `.meta` cannot be read.
pub(crate) async fn locate<'e>(
    environment: &'e Environment,
    profile: Option<&'e str>,
    backup: &'e StreamBackupRef,
) -> Result<StoredStreamBackup<'e>> {
    match backup {
        StreamBackupRef::Id(id) => {
            find(environment.profile_name(profile), environment.storage(profile)?, *id).await
        }
        StreamBackupRef::Handle(handle) => {
            let profile = profile.unwrap_or(&handle.profile);
            let storage = environment.storage(Some(profile))?;
            let found = read(profile, storage, &handle.meta_path).await?;
            found.ok_or_else(|| not_found(profile, storage, handle.id))
        }
    }
}

/// Finds a backup and returns its description.
///
/// # Errors
/// The backup does not exist, its `.meta` cannot be read, or a key source fails.
pub(crate) async fn find_handle(
    environment: &Environment,
    profile: Option<&str>,
    backup: &StreamBackupRef,
) -> Result<StreamBackupHandle> {
    let stored = locate(environment, profile, backup).await?;
    stored.handle(&identities_for(environment, &stored).await?).await
}

/// Returns the identities that decrypt a backup. The key sources are not queried if it is not encrypted.
pub(super) async fn identities_for(
    environment: &Environment,
    stored: &StoredStreamBackup<'_>,
) -> Result<Arc<Identities>> {
    Ok(Arc::new(match stored.meta.encryption {
        Some(_) => environment.identities().await?,
        None => Identities::default(),
    }))
}

/// Opens the content of a backup.
///
/// # Errors
/// The content is missing or damaged, or no key decrypts it.
pub(super) async fn open_content(
    stored: &StoredStreamBackup<'_>,
    identities: &Arc<Identities>,
) -> Result<StreamFile> {
    match StreamFile::find(stored.storage, &stored.meta, identities).await? {
        StreamFileKey::Found(file) => Ok(*file),
        StreamFileKey::Missing(_, missing) => {
            Err(missing.error(&format!("single backup {}", stored.meta.backup_id)))
        }
    }
}
