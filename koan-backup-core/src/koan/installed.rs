//! Functions that use the installed context.

use std::sync::{PoisonError, RwLock};

use super::{BackupBuilder, Koan, RestoreBuilder};
use crate::archive::Manifest;
use crate::catalog::BackupRef;
use crate::entity::Entity;
use crate::foundation::error::{Error, ErrorKind, Result};

static INSTALLED: RwLock<Option<Koan>> = RwLock::new(None);

pub(super) fn install(koan: Koan) {
    *INSTALLED.write().unwrap_or_else(PoisonError::into_inner) = Some(koan);
}

fn installed() -> Result<Koan> {
    let koan = INSTALLED.read().unwrap_or_else(PoisonError::into_inner).clone();
    koan.ok_or_else(|| {
        Error::new(
            ErrorKind::Configuration,
            "no context is installed; call `koan.install()` after `build().await?`",
        )
    })
}

/// Backup and restore of one entity with the installed context.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an entity",
    label = "not an entity",
    note = "an entity needs three derives: `#[derive(Serialize, Deserialize, Entity)]`; an instance of a generic type needs `register!` in place of the last"
)]
pub trait EntityBackup: Entity {
    /// Backs this entity up.
    fn backup_to(name: impl Into<String>) -> BackupBuilder {
        BackupBuilder::new(installed(), name.into()).entity::<Self>()
    }

    /// Restores this entity from a backup.
    fn restore_from(backup: impl Into<BackupRef>) -> RestoreBuilder {
        RestoreBuilder::new(installed(), backup.into()).entity::<Self>()
    }

    /// Returns the backups in the default profile that contain this entity, newest first.
    fn backups() -> impl Future<Output = Result<Vec<Manifest>>> + Send {
        async {
            let name = Self::descriptor().name();
            let mut backups = installed()?.backups().await?;
            backups.retain(|backup| backup.entities.iter().any(|entity| entity.entity == name));
            Ok(backups)
        }
    }
}

impl<T: Entity> EntityBackup for T {}

/// Backups with the installed context.
#[derive(Clone, Copy, Debug)]
pub struct Backup;

impl Backup {
    /// Backs up all covered entities.
    pub fn all(name: impl Into<String>) -> BackupBuilder {
        BackupBuilder::new(installed(), name.into())
    }

    /// Backs up all covered entities of these providers.
    pub fn by_provider<S: Into<String>>(
        name: impl Into<String>,
        providers: impl IntoIterator<Item = S>,
    ) -> BackupBuilder {
        Self::all(name).providers(providers)
    }
}

/// Restores with the installed context.
#[derive(Clone, Copy, Debug)]
pub struct Restore;

impl Restore {
    /// Restores all entities of a backup.
    pub fn all(backup: impl Into<BackupRef>) -> RestoreBuilder {
        RestoreBuilder::new(installed(), backup.into())
    }
}
