//! The methods of the context. Each method returns a builder or calls one operation.

use super::backup::BackupBuilder;
use super::builder::KoanBuilder;
use super::catalog::Catalog;
use super::context::Koan;
use super::copy::CopyBuilder;
use super::data::Data;
use super::diff::DiffBuilder;
use super::installed;
use super::maintenance::MaintenanceBuilder;
use super::rekey::{RekeyAllBuilder, RekeyBuilder};
use super::removal::DeleteBuilder;
use super::restore::RestoreBuilder;
use super::retention::RetentionBuilder;
use super::verify::VerifyBuilder;
use super::warm_up::{self, WarmUpReport};
use crate::archive::Manifest;
use crate::catalog::BackupRef;
use crate::catalog::retention::Retention;
use crate::declaration::inventory::Inventory;
use crate::entity::Entity;
use crate::foundation::error::Result;
use crate::foundation::id::BackupId;
use crate::foundation::identity::ApplicationIdentity;
use crate::operations::prune;

impl Koan {
    /// Returns a builder for a context.
    pub fn builder() -> KoanBuilder {
        KoanBuilder::new()
    }

    /// Installs this context as the one that [`EntityBackup`](crate::EntityBackup), [`Backup`](crate::Backup)
    /// and [`Restore`](crate::Restore) use. A later call replaces it.
    pub fn install(&self) {
        installed::install(self.clone());
    }

    /// Returns the application and environment whose backups are considered.
    pub fn identity(&self) -> &ApplicationIdentity {
        &self.environment.identity
    }

    /// Returns the inventory: every entity with its resolved policy.
    pub fn inventory(&self) -> &Inventory {
        &self.environment.inventory
    }

    /// Backs up all covered entities, or those that the builder selects.
    pub fn backup(&self, name: impl Into<String>) -> BackupBuilder {
        BackupBuilder::new(Ok(self.clone()), name.into())
    }

    /// Restores a backup: by name (the newest completed one), by id, or `latest` (see [`BackupRef::Latest`]).
    pub fn restore(&self, backup: impl Into<BackupRef>) -> RestoreBuilder {
        RestoreBuilder::new(Ok(self.clone()), backup.into())
    }

    /// Verifies a backup: by name (the newest one), or by id.
    pub fn verify(&self, backup: impl Into<BackupRef>) -> VerifyBuilder {
        VerifyBuilder::new(self.clone(), backup.into())
    }

    /// Copies a backup into another storage profile, and verifies the copy: by name (the newest completed
    /// one), or by id. The copy has the same id. An existing copy is not copied again.
    pub fn copy(&self, backup: impl Into<BackupRef>) -> CopyBuilder {
        CopyBuilder::new(self.clone(), backup.into())
    }

    /// Rewrites a backup for the recipients of this context: by name (the newest one), or by id. The context
    /// needs keys that decrypt it now. The id does not change, and the old archive is removed after the new
    /// one was verified.
    pub fn rekey(&self, backup: impl Into<BackupRef>) -> RekeyBuilder {
        RekeyBuilder::new(self.clone(), backup.into())
    }

    /// Rewrites every backup of a profile for the recipients of this context. A backup that fails does not
    /// stop the others.
    pub fn rekey_all(&self) -> RekeyAllBuilder {
        RekeyAllBuilder::new(self.clone())
    }

    /// Compares two backups: by name (the newest one with an archive), or by id.
    pub fn diff(&self, before: impl Into<BackupRef>, after: impl Into<BackupRef>) -> DiffBuilder {
        DiffBuilder::new(self.clone(), before.into(), after.into())
    }

    /// Opens every provider and every storage profile, and reports errors, so that they are noticed before
    /// the first backup. It also reads the catalog.
    pub async fn warm_up(&self) -> WarmUpReport {
        warm_up::warm_up(self).await
    }

    /// Returns the catalog of the backups in all storage profiles.
    pub fn catalog(&self) -> Catalog {
        Catalog::new(self.clone())
    }

    /// Runs maintenance, once or in the background: retention, verification of one backup in each run, and
    /// removal of files of crashed processes.
    pub fn maintenance(&self) -> MaintenanceBuilder {
        MaintenanceBuilder::new(self.clone())
    }

    /// Plans which backups are kept and which are removed, and applies the plan.
    pub fn retention(&self, retention: Retention) -> RetentionBuilder {
        RetentionBuilder::new(self.clone(), retention)
    }

    /// Removes one backup. On success, its manifest and its archive have been removed.
    pub fn delete(&self, id: BackupId) -> DeleteBuilder {
        DeleteBuilder::new(self.clone(), id)
    }

    /// Pins a backup of a profile (the default profile if it is `None`), which protects it from a retention
    /// and from [`delete`](Self::delete).
    ///
    /// # Errors
    /// There is no such backup, the reason is empty, or the storage fails.
    pub async fn pin(&self, id: BackupId, profile: Option<&str>, reason: &str) -> Result<()> {
        prune::pin(&self.environment, profile, id, reason).await
    }

    /// Removes the pin of a backup. Returns whether it was pinned.
    ///
    /// # Errors
    /// The storage fails.
    pub async fn unpin(&self, id: BackupId, profile: Option<&str>) -> Result<bool> {
        prune::unpin(self.environment.storage(profile)?, id).await
    }

    /// Returns the manifests of all backups in the default profile, newest first. Manifests that cannot be
    /// read are logged, and [`Catalog::unreadable`] returns them.
    ///
    /// # Errors
    /// The storage cannot be listed or read; an incomplete list is never returned.
    pub async fn backups(&self) -> Result<Vec<Manifest>> {
        self.backups_in(None).await
    }

    /// Returns the manifests of all backups in a profile, newest first.
    ///
    /// # Errors
    /// There is no such profile, or its storage cannot be listed or read.
    pub async fn backups_in(&self, profile: Option<&str>) -> Result<Vec<Manifest>> {
        let backups = crate::catalog::list(self.environment.storage(profile)?).await?;
        Ok(backups.into_iter().map(|backup| backup.manifest).collect())
    }

    /// Accesses the records of an entity in its database.
    pub fn data<T: Entity>(&self) -> Data<T> {
        Data::new(self.clone())
    }
}
