//! Functions that use the installed context.

use std::sync::{PoisonError, RwLock};

use super::context::{ContextRef, Koan};
use super::names::Names;
use super::{BackupBuilder, Catalog, ContextCapabilities, RestoreBuilder, VerifyBuilder};
use crate::catalog::{BackupRef, CatalogEntry};
use crate::entity::Entity;
use crate::foundation::error::Result;

static INSTALLED: RwLock<Option<Koan>> = RwLock::new(None);

pub(super) fn install(koan: Koan) {
    *INSTALLED.write().unwrap_or_else(PoisonError::into_inner) = Some(koan);
}

fn installed() -> ContextRef {
    ContextRef(INSTALLED.read().unwrap_or_else(PoisonError::into_inner).clone())
}

/// Backup and restore of one entity with the installed context.
///
/// ```no_run
/// # extern crate koan_backup_core as koan_backup;
/// # use koan_backup::{Entity, EntityBackup as _, Koan, Result};
/// # async fn run<User: Entity>(koan: Koan) -> Result<()> {
/// koan.install();
///
/// let backup = User::backup_to("daily-users").await?;
/// let restored = User::restore_from(backup.id()).await?;
/// for backup in User::backups().await? {
///     println!("{} in profile {}", backup.id(), backup.profile());
/// }
/// # drop(restored);
/// # Ok(())
/// # }
/// ```
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

    /// Returns the backups in all storage profiles that contain this entity, under its current or a former
    /// name, newest first. A backup that was copied is returned once for each profile;
    /// [`CatalogEntry::profile`] returns the profile.
    ///
    /// Only backups of the application of the context are returned, and those of older versions that record
    /// no environment.
    ///
    /// # Errors
    /// No context is installed, or a storage profile cannot be listed or read; an incomplete list is never
    /// returned.
    fn backups() -> impl Future<Output = Result<Vec<CatalogEntry>>> + Send {
        async {
            let descriptor = Self::descriptor();
            let is_this = |name: &str| name == descriptor.name() || descriptor.aliases().contains(&name);
            let mut backups = Catalog::new(installed()).own().await?.entries;
            backups.retain(|backup| backup.manifest().entities.iter().any(|entity| is_this(&entity.entity)));
            Ok(backups)
        }
    }
}

impl<T: Entity> EntityBackup for T {}

/// Backups with the installed context.
///
/// ```no_run
/// # extern crate koan_backup_core as koan_backup;
/// # use koan_backup::{Backup, Koan, Result};
/// # async fn run(koan: Koan) -> Result<()> {
/// koan.install();
///
/// let nightly = Backup::all("nightly").tag("nightly").await?;
/// let orders = Backup::selected("orders").entities(["Order", "OrderLine"]).await?;
/// let verified = Backup::verify(nightly.id()).await?.require_valid()?;
/// for backup in Backup::catalog().recent(7).await? {
///     println!("{} in profile {}", backup.id(), backup.profile());
/// }
/// # drop((orders, verified));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Backup;

impl Backup {
    /// Backs up all covered entities.
    pub fn all(name: impl Into<String>) -> BackupBuilder {
        BackupBuilder::new(installed(), name.into())
    }

    /// Backs up the entities that the builder selects: by [`entity`](BackupBuilder::entity),
    /// [`entities`](BackupBuilder::entities), [`providers`](BackupBuilder::providers),
    /// [`sets`](BackupBuilder::sets) or [`filter`](BackupBuilder::filter).
    ///
    /// If the builder selects nothing, for example because a list of names is empty, awaiting it fails, and
    /// does not back up everything. An exclusion alone selects nothing; for that, use [`all`](Self::all).
    pub fn selected(name: impl Into<String>) -> BackupBuilder {
        Self::all(name).requiring_selection()
    }

    /// Backs up all covered entities of one or several providers, each given by its name or its kind.
    pub fn by_provider<Count>(name: impl Into<String>, providers: impl Names<Count>) -> BackupBuilder {
        Self::selected(name).providers(providers)
    }

    /// Verifies a backup: by name (the newest one), or by id.
    pub fn verify(backup: impl Into<BackupRef>) -> VerifyBuilder {
        VerifyBuilder::new(installed(), backup.into())
    }

    /// Returns the catalog of the backups in all storage profiles. If no context is installed, the methods
    /// of the catalog fail.
    pub fn catalog() -> Catalog {
        Catalog::new(installed())
    }

    /// Returns the entities, providers and storage profiles of the context, and what each can do.
    ///
    /// # Errors
    /// No context is installed.
    pub fn capabilities() -> Result<ContextCapabilities> {
        installed().require().map(Koan::capabilities)
    }
}

/// Restores with the installed context.
///
/// ```
/// use koan_backup::prelude::*;
/// # koan_backup_shop::run(async |koan| {
/// koan.install();
///
/// Backup::all("system").await?;
/// Restore::all("system").replace_existing().await?;
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Restore;

impl Restore {
    /// Restores all entities of a backup.
    pub fn all(backup: impl Into<BackupRef>) -> RestoreBuilder {
        RestoreBuilder::new(installed(), backup.into())
    }
}
