//! The context: an application's entities, databases and storage in one place, and the sentences spoken to it.

mod backup;
mod builder;
mod copy;
mod coverage;
mod data;
mod installed;
mod rekey;
mod restore;
mod runtime;
mod setters;
mod verify;

use std::sync::Arc;

pub use backup::BackupBuilder;
pub use builder::KoanBuilder;
pub use copy::CopyBuilder;
pub use data::Data;
pub use installed::{Backup, EntityBackup, Restore};
pub use rekey::{RekeyAllBuilder, RekeyBuilder};
pub use restore::{RestoreBuilder, ViabilityBuilder};
pub use verify::VerifyBuilder;

use crate::archive::Manifest;
use crate::catalog::{self, BackupRef};
use crate::entity::Entity;
use crate::environment::Environment;
use crate::error::Result;
use crate::inventory::Inventory;

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

    /// Every entity with its resolved policy.
    pub fn inventory(&self) -> &Inventory {
        &self.environment.inventory
    }

    /// Backs up everything that is covered, or what the builder narrows it to.
    pub fn backup(&self, name: impl Into<String>) -> BackupBuilder {
        BackupBuilder::new(Ok(self.clone()), name.into())
    }

    /// Restores a backup: by name the newest that was completed, or by id.
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

    /// The manifests of all backups in the default profile, newest first.
    ///
    /// # Errors
    /// The storage cannot be read, or a manifest is damaged: an incomplete list is never given.
    pub async fn backups(&self) -> Result<Vec<Manifest>> {
        self.backups_in(None).await
    }

    /// The manifests of all backups in a profile, newest first.
    ///
    /// # Errors
    /// There is no such profile, its storage cannot be read, or a manifest is damaged.
    pub async fn backups_in(&self, profile: Option<&str>) -> Result<Vec<Manifest>> {
        let backups = catalog::list(self.environment.storage(profile)?).await?;
        Ok(backups.into_iter().map(|backup| backup.manifest).collect())
    }

    /// The records of an entity, where they live.
    pub fn data<T: Entity>(&self) -> Data<T> {
        Data::new(self.clone())
    }
}
