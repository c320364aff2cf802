//! The methods of the context. Each method returns a builder or calls one operation.

use std::path::Path;
use std::sync::Arc;

use super::archive::ArchiveBuilder;
use super::backup::BackupBuilder;
use super::builder::KoanBuilder;
use super::capabilities::{self, ContextCapabilities};
use super::catalog::Catalog;
use super::context::Koan;
use super::copy::CopyBuilder;
use super::data::Data;
use super::diagnosis::DiagnosisBuilder;
use super::diff::DiffBuilder;
use super::directory::RestoreDirectory;
use super::extract::{ExtractBuilder, RecordsBuilder};
use super::find::FindBuilder;
use super::installed;
use super::maintenance::MaintenanceBuilder;
use super::rekey::{RekeyAllBuilder, RekeyBuilder};
use super::removal::DeleteBuilder;
use super::restore::RestoreBuilder;
use super::retention::RetentionBuilder;
use super::schemas::SchemasBuilder;
use super::verify::VerifyBuilder;
use super::warm_up::{self, WarmUpReport};
use crate::archive::Manifest;
use crate::catalog::retention::Retention;
use crate::catalog::{BackupRef, Expectations};
use crate::declaration::inventory::Inventory;
use crate::entity::Entity;
use crate::foundation::error::Result;
use crate::foundation::id::{BackupId, BackupName};
use crate::foundation::identity::ApplicationIdentity;
use crate::foundation::runtime::require_timers;
use crate::operations::backup::BackupOptions;
use crate::operations::count;
use crate::operations::prune;
use crate::operations::restore::RestoreOptions;
use crate::storage::SharedFolder;

impl Koan {
    /// Returns a builder for a context.
    pub fn builder() -> KoanBuilder {
        KoanBuilder::new()
    }

    /// Installs this context for [`EntityBackup`](crate::EntityBackup), [`Backup`](crate::Backup) and
    /// [`Restore`](crate::Restore). A later call replaces the installed context.
    pub fn install(&self) {
        installed::install(self.clone());
    }

    /// Returns the application and environment that identify the backups of this context.
    pub fn identity(&self) -> &ApplicationIdentity {
        &self.environment.identity
    }

    /// Returns the inventory: every entity with its resolved policy, and what the databases contain that no entity
    /// covers. It is that of the start, or of the last [`refresh_inventory`](Self::refresh_inventory).
    pub fn inventory(&self) -> Arc<Inventory> {
        self.environment.inventory.get()
    }

    /// Returns the entities, providers and storage profiles of this context, and what each can do.
    ///
    /// ```
    /// # fn run(koan: koan_backup_core::Koan) {
    /// for profile in koan.capabilities().profiles {
    ///     println!("{}: {:?} at {}", profile.name, profile.kind, profile.location);
    /// }
    /// # }
    /// ```
    pub fn capabilities(&self) -> ContextCapabilities {
        capabilities::capabilities(self)
    }

    /// Backs up all covered entities, or those that the builder selects.
    pub fn backup(&self, name: impl Into<String>) -> BackupBuilder {
        BackupBuilder::new(self.clone().into(), name.into())
    }

    /// Restores a backup. It is selected by name (the newest completed backup with this name), by id, or as
    /// `latest` (see [`BackupRef::Latest`]).
    pub fn restore(&self, backup: impl Into<BackupRef>) -> RestoreBuilder {
        RestoreBuilder::new(self.clone().into(), backup.into())
    }

    /// Restores a backup of a directory tree, which [`BackupBuilder::to_directory`] or
    /// [`ExtractBuilder::to_directory`] wrote. [`RestoreDirectory::at`] selects the backup.
    pub fn restore_directory(&self, root: impl AsRef<Path>) -> RestoreDirectory {
        RestoreDirectory::new(self.clone(), root.as_ref())
    }

    /// Extracts a backup into files or into a directory tree. It is selected by name (the newest backup with this name
    /// that has an archive), by id, by the last eight digits of its id, or as `latest`: the newest completed backup
    /// that contains every entity of the application that occurs in a backup.
    pub fn extract(&self, backup: impl Into<BackupRef>) -> ExtractBuilder {
        ExtractBuilder::new(self.clone(), backup.into())
    }

    /// Reads the records of one entity of a backup as lines of JSON. The backup is selected as for
    /// [`extract`](Self::extract).
    pub fn records(&self, backup: impl Into<BackupRef>) -> RecordsBuilder {
        RecordsBuilder::new(self.clone(), backup.into())
    }

    /// Reads the fields of each entity of a backup as they were when it was made, for entities whose schemas it
    /// contains. The backup is selected as for [`extract`](Self::extract). An archive that is encrypted as a whole
    /// needs a key.
    pub fn schemas(&self, backup: impl Into<BackupRef>) -> SchemasBuilder {
        SchemasBuilder::new(self.clone(), backup.into())
    }

    /// Opens the archive of a backup, so that its stored bytes can be read, for example for a download. The backup
    /// is selected as for [`extract`](Self::extract). No key is needed, and a lease prevents the removal of the
    /// backup while it is read.
    pub fn archive(&self, backup: impl Into<BackupRef>) -> ArchiveBuilder {
        ArchiveBuilder::new(self.clone(), backup.into())
    }

    /// Finds a backup without opening it. It is selected by name (the newest backup with this name), by id, by
    /// the last eight digits of its id, or as `latest`.
    pub fn find(&self, backup: impl Into<BackupRef>) -> FindBuilder {
        FindBuilder::new(self.clone(), backup.into())
    }

    /// Verifies a backup. It is selected by name (the newest backup with this name) or by id.
    pub fn verify(&self, backup: impl Into<BackupRef>) -> VerifyBuilder {
        VerifyBuilder::new(self.clone().into(), backup.into())
    }

    /// Copies a backup into another storage profile, and verifies the copy. The backup is selected by name
    /// (the newest completed backup with this name) or by id. The copy has the same id. If a copy already
    /// exists, nothing is copied.
    pub fn copy(&self, backup: impl Into<BackupRef>) -> CopyBuilder {
        CopyBuilder::new(self.clone(), backup.into())
    }

    /// Rewrites a backup for the recipients of this context. The backup is selected by name (the newest
    /// backup with this name) or by id. The context needs keys that decrypt the existing archive. The id does
    /// not change, and the old archive is removed after the new archive was verified.
    pub fn rekey(&self, backup: impl Into<BackupRef>) -> RekeyBuilder {
        RekeyBuilder::new(self.clone(), backup.into())
    }

    /// Rewrites every backup of a profile for the recipients of this context. If a backup fails, the
    /// remaining backups are still rewritten.
    pub fn rekey_all(&self) -> RekeyAllBuilder {
        RekeyAllBuilder::new(self.clone())
    }

    /// Compares two backups. Each is selected by name (the newest backup with this name that has an archive)
    /// or by id.
    pub fn diff(&self, before: impl Into<BackupRef>, after: impl Into<BackupRef>) -> DiffBuilder {
        DiffBuilder::new(self.clone(), before.into(), after.into())
    }

    /// Opens every provider and every storage profile, and reads the catalog, so that errors are noticed
    /// before the first backup. The report contains the errors. Without a Tokio runtime with timers, the report
    /// contains this error for each provider and each profile.
    pub async fn warm_up(&self) -> WarmUpReport {
        warm_up::warm_up(&self.environment).await
    }

    /// Counts the records of each covered entity, sorted by its name, in one snapshot for each provider. Dropping the
    /// future stops the work.
    ///
    /// ```
    /// # koan_backup_shop::run(async |koan| {
    /// for (entity, records) in koan.record_counts().await? {
    ///     println!("{entity}: {}", records?);
    /// }
    /// # Ok(())
    /// # });
    /// ```
    ///
    /// # Errors
    /// A provider cannot be read. If only one entity cannot be counted, the result contains its error.
    pub async fn record_counts(&self) -> Result<Vec<(String, Result<u64>)>> {
        require_timers()?;
        count::records(&self.environment).await
    }

    /// Diagnoses the application: checks databases, storage profiles, keys, coverage and the ages of the backups, and
    /// names the remedy of each problem. [`KoanBuilder::diagnose`] also works if the context cannot be built.
    pub fn diagnose(&self) -> DiagnosisBuilder {
        DiagnosisBuilder::of_context(self.clone())
    }

    /// Returns the name of a backup to which its caller gives no name. It is `default`, unless
    /// [`KoanBuilder::default_backup_name`] sets another name.
    pub fn default_backup_name(&self) -> &BackupName {
        &self.defaults.backup_name
    }

    /// Returns the options that every backup uses unless its builder sets another value.
    pub fn backup_defaults(&self) -> &BackupOptions {
        &self.defaults.backup
    }

    /// Returns the options that every restore uses unless its builder sets another value.
    pub fn restore_defaults(&self) -> &RestoreOptions {
        &self.defaults.restore
    }

    /// Returns the retention policy of the context, if [`KoanBuilder::retention_policy`] set one.
    pub fn retention_policy(&self) -> Option<&Retention> {
        self.defaults.retention.as_ref()
    }

    /// Returns the directory trees that maintenance prunes, each with its policy, as
    /// [`KoanBuilder::directory_retention`] set them.
    pub fn directory_retention_policies(&self) -> impl Iterator<Item = (&Path, &Retention)> {
        self.defaults.directory_retention.iter().map(|(root, policy)| (root.as_path(), policy))
    }

    /// Returns the expectations about the backups, for [`Catalog::health`]. They are those of
    /// [`KoanBuilder::expectations`], or else [`Expectations::new`](crate::catalog::Expectations::new).
    pub fn expectations(&self) -> &Expectations {
        &self.defaults.expectations
    }

    /// Returns the keys of the configuration that the application has fixed, which no flag of a command line may
    /// change.
    pub fn fixed_settings(&self) -> impl Iterator<Item = &str> {
        self.defaults.fixed_settings.iter().map(String::as_str)
    }

    /// Opens a folder of small documents in the default storage profile, which the processes of the application share,
    /// for example the replicas of a server. The name consists of lower-case letters, digits and hyphens. Two
    /// applications that share a profile also share the folder.
    ///
    /// # Errors
    /// The name is invalid.
    pub fn shared_folder(&self, name: &str) -> Result<SharedFolder> {
        SharedFolder::new(self.environment.storage(None)?.clone(), name)
    }

    /// Returns the current name of an entity that a backup may contain under a former name. An unknown name is returned
    /// unchanged.
    pub fn current_entity_name(&self, stored: &str) -> String {
        self.environment.canonical(stored)
    }

    /// Returns the state directory, in which this machine stores the locations that it has used, and in which an
    /// application may store state of its own. It does not exist before something is stored in it.
    pub fn state_directory(&self) -> &Path {
        self.environment.state.directory()
    }

    /// Stops the background tasks that the builder started, and waits until they have stopped. The context can still be
    /// used.
    pub async fn stop_background(&self) {
        self.background.stop().await;
    }

    /// Returns the catalog of the backups in all storage profiles.
    pub fn catalog(&self) -> Catalog {
        Catalog::new(self.clone().into())
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

    /// Pins a backup of a profile (`None` is the default profile). A pinned backup is removed neither by a
    /// prune nor by [`delete`](Self::delete).
    ///
    /// # Errors
    /// There is no such backup, the reason is empty, or the storage fails.
    pub async fn pin(&self, id: BackupId, profile: Option<&str>, reason: &str) -> Result<()> {
        require_timers()?;
        prune::pin(&self.environment, profile, id, reason).await
    }

    /// Removes the pin of a backup. Returns whether it was pinned.
    ///
    /// # Errors
    /// The storage fails.
    pub async fn unpin(&self, id: BackupId, profile: Option<&str>) -> Result<bool> {
        require_timers()?;
        prune::unpin(self.environment.storage(profile)?, id).await
    }

    /// Returns why a backup of a profile (`None` is the default profile) is pinned, or `None` if it is not pinned.
    ///
    /// # Errors
    /// The storage cannot be read.
    pub async fn pin_reason(&self, id: BackupId, profile: Option<&str>) -> Result<Option<String>> {
        require_timers()?;
        prune::pin_reason(self.environment.storage(profile)?, id).await
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
        require_timers()?;
        let backups = crate::catalog::list(self.environment.storage(profile)?).await?;
        Ok(backups.into_iter().map(|backup| backup.manifest).collect())
    }

    /// Accesses the records of an entity in its database.
    pub fn data<T: Entity>(&self) -> Data<T> {
        Data::new(self.clone())
    }
}
