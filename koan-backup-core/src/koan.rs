//! The context: an application's entities, databases and storage in one place, and the sentences spoken to it.

mod backup;
mod builder;
mod catalog;
mod copy;
mod coverage;
mod data;
mod diff;
mod installed;
mod maintenance;
mod recover;
mod rekey;
mod removal;
mod restore;
mod retention;
mod runtime;
mod setters;
mod verify;
mod warm_up;

use std::sync::Arc;

pub use backup::BackupBuilder;
pub use builder::KoanBuilder;
pub use catalog::{Catalog, CatalogQuery};
pub use copy::CopyBuilder;
pub use data::Data;
pub use diff::DiffBuilder;
pub use installed::{Backup, EntityBackup, Restore};
pub use maintenance::{MaintenanceBuilder, MaintenanceTask};
pub use recover::RecoverBuilder;
pub use rekey::{RekeyAllBuilder, RekeyBuilder};
pub use removal::DeleteBuilder;
pub use restore::{RestoreBuilder, ViabilityBuilder};
pub use retention::RetentionBuilder;
pub use verify::VerifyBuilder;
pub use warm_up::{OpenedProfile, OpenedProvider, WarmUpReport};

use crate::archive::Manifest;
use crate::catalog::BackupRef;
use crate::catalog::retention::Retention;
use crate::declaration::inventory::Inventory;
use crate::entity::Entity;
use crate::environment::Environment;
use crate::foundation::error::Result;
use crate::foundation::id::BackupId;
use crate::foundation::identity::ApplicationIdentity;
use crate::operations::prune;

/// An application's entities, databases and storage. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Koan {
    environment: Arc<Environment>,
}

impl Koan {
    /// Begins to set a context up.
    pub fn builder() -> KoanBuilder {
        KoanBuilder::new()
    }

    /// Makes this the context of [`EntityBackup`], [`Backup`] and [`Restore`]. A later call replaces it.
    pub fn install(&self) {
        installed::install(self.clone());
    }

    /// The application and environment whose backups are considered.
    pub fn identity(&self) -> &ApplicationIdentity {
        &self.environment.identity
    }

    /// Every entity with its resolved policy.
    pub fn inventory(&self) -> &Inventory {
        &self.environment.inventory
    }

    /// Backs up everything that is covered, or what the builder narrows it to.
    pub fn backup(&self, name: impl Into<String>) -> BackupBuilder {
        BackupBuilder::new(Ok(self.clone()), name.into())
    }

    /// Restores a backup: by name the newest that was completed, by id, or `latest`: see [`BackupRef::Latest`].
    pub fn restore(&self, backup: impl Into<BackupRef>) -> RestoreBuilder {
        RestoreBuilder::new(Ok(self.clone()), backup.into())
    }

    /// Verifies a backup: by name the newest, or by id.
    pub fn verify(&self, backup: impl Into<BackupRef>) -> VerifyBuilder {
        VerifyBuilder::new(self.clone(), backup.into())
    }

    /// Copies a finished backup into another storage profile, and verifies the copy there: by name the newest that was completed, or
    /// by id. The copy has the same id; what is there already is not copied again.
    pub fn copy(&self, backup: impl Into<BackupRef>) -> CopyBuilder {
        CopyBuilder::new(self.clone(), backup.into())
    }

    /// Seals a backup for the recipients of this context, with keys that open it now: by name the newest, or by id. Its id
    /// stays; the old archive is removed once the new one was verified.
    pub fn rekey(&self, backup: impl Into<BackupRef>) -> RekeyBuilder {
        RekeyBuilder::new(self.clone(), backup.into())
    }

    /// Seals every backup of a profile for the recipients of this context. One that fails does not hinder the others.
    pub fn rekey_all(&self) -> RekeyAllBuilder {
        RekeyAllBuilder::new(self.clone())
    }

    /// What differs between two backups: by name the newest that has an archive, or by id.
    pub fn diff(&self, before: impl Into<BackupRef>, after: impl Into<BackupRef>) -> DiffBuilder {
        DiffBuilder::new(self.clone(), before.into(), after.into())
    }

    /// Opens every provider and every storage profile, so that the first backup does not find out, and tells what it found. The
    /// catalog is read on the way.
    pub async fn warm_up(&self) -> WarmUpReport {
        warm_up::warm_up(self).await
    }

    /// All the backups in all the storage profiles.
    pub fn catalog(&self) -> Catalog {
        Catalog::new(self.clone())
    }

    /// Retention, verification in turn, and removal of leftovers: once, or in the background.
    pub fn maintenance(&self) -> MaintenanceBuilder {
        MaintenanceBuilder::new(self.clone())
    }

    /// Which backups stay and which go: a plan first, then its application.
    pub fn retention(&self, retention: Retention) -> RetentionBuilder {
        RetentionBuilder::new(self.clone(), retention)
    }

    /// Removes one backup: its manifest and its archive are gone when this succeeds.
    pub fn delete(&self, id: BackupId) -> DeleteBuilder {
        DeleteBuilder::new(self.clone(), id)
    }

    /// Keeps a backup of a profile (the default one if none is named), whatever a retention or [`delete`](Self::delete) says.
    ///
    /// # Errors
    /// There is no such backup, there is no reason, or the storage refuses.
    pub async fn pin(&self, id: BackupId, profile: Option<&str>, reason: &str) -> Result<()> {
        prune::pin(&self.environment, profile, id, reason).await
    }

    /// Lets a backup go its way again. Tells whether it was pinned.
    ///
    /// # Errors
    /// The storage refuses.
    pub async fn unpin(&self, id: BackupId, profile: Option<&str>) -> Result<bool> {
        prune::unpin(self.environment.storage(profile)?, id).await
    }

    /// The manifests of all backups in the default profile, newest first. Those that cannot be read are logged, and
    /// [`Catalog::unreadable`] returns them.
    ///
    /// # Errors
    /// The storage cannot be listed or read: an incomplete list is never given.
    pub async fn backups(&self) -> Result<Vec<Manifest>> {
        self.backups_in(None).await
    }

    /// The manifests of all backups in a profile, newest first.
    ///
    /// # Errors
    /// There is no such profile, or its storage cannot be listed or read.
    pub async fn backups_in(&self, profile: Option<&str>) -> Result<Vec<Manifest>> {
        let backups = crate::catalog::list(self.environment.storage(profile)?).await?;
        Ok(backups.into_iter().map(|backup| backup.manifest).collect())
    }

    /// The records of an entity, where they live.
    pub fn data<T: Entity>(&self) -> Data<T> {
        Data::new(self.clone())
    }
}
