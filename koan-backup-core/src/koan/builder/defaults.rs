//! The setters for defaults of operations, and for tasks that run in the background.

use std::path::PathBuf;
use std::time::Duration;

use super::KoanBuilder;
use crate::catalog::Expectations;
use crate::catalog::retention::Retention;
use crate::foundation::id::BackupName;
use crate::koan::defaults::MaintenanceDefaults;
use crate::operations::backup::BackupOptions;
use crate::operations::restore::RestoreOptions;

impl KoanBuilder {
    /// Sets the name of a backup to which its caller gives no name. The default is `default`.
    pub fn default_backup_name(mut self, name: BackupName) -> Self {
        self.defaults.backup_name = name;
        self
    }

    /// Sets the options that every backup uses unless its builder sets another value.
    ///
    /// ```
    /// use koan_backup_core::builders::BackupOptions;
    ///
    /// let mut options = BackupOptions::default();
    /// options.batch_size = 500;
    /// let builder = koan_backup_core::Koan::builder().backup_defaults(options);
    /// # drop(builder);
    /// ```
    pub fn backup_defaults(mut self, options: BackupOptions) -> Self {
        self.defaults.backup = options;
        self
    }

    /// Sets the options that every restore uses unless its builder sets another value.
    pub fn restore_defaults(mut self, options: RestoreOptions) -> Self {
        self.defaults.restore = options;
        self
    }

    /// Changes the options that every backup uses unless its builder sets another value, and keeps those that `change`
    /// does not set.
    ///
    /// ```
    /// let builder = koan_backup_core::Koan::builder().change_backup_defaults(|options| options.batch_size = 500);
    /// # drop(builder);
    /// ```
    pub fn change_backup_defaults(mut self, change: impl FnOnce(&mut BackupOptions)) -> Self {
        change(&mut self.defaults.backup);
        self
    }

    /// Changes the options that every restore uses unless its builder sets another value, and keeps those that `change`
    /// does not set.
    pub fn change_restore_defaults(mut self, change: impl FnOnce(&mut RestoreOptions)) -> Self {
        change(&mut self.defaults.restore);
        self
    }

    /// Changes the retention policy that maintenance applies; without a policy, `change` receives one without rules.
    pub fn change_retention_policy(mut self, change: impl FnOnce(Retention) -> Retention) -> Self {
        self.defaults.retention = Some(change(self.defaults.retention.take().unwrap_or_default()));
        self
    }

    /// Changes the expectations about the backups.
    pub fn change_expectations(mut self, change: impl FnOnce(Expectations) -> Expectations) -> Self {
        self.defaults.expectations = change(self.defaults.expectations);
        self
    }

    /// Changes the defaults of maintenance, and keeps those that `change` does not set.
    pub fn change_maintenance_defaults(mut self, change: impl FnOnce(&mut MaintenanceDefaults)) -> Self {
        change(&mut self.defaults.maintenance);
        self
    }

    /// Sets the retention policy that maintenance applies.
    /// [`Koan::retention_policy`](crate::Koan::retention_policy) returns it.
    pub fn retention_policy(mut self, policy: Retention) -> Self {
        self.defaults.retention = Some(policy);
        self
    }

    /// Sets the retention policy of the directory tree in `root`, which maintenance applies. A second call with the
    /// same path replaces its policy. Maintenance does not change other trees.
    ///
    /// ```
    /// use koan_backup_core::{Koan, Retention};
    ///
    /// let builder = Koan::builder().directory_retention("fixtures", Retention::new().keep_last(3));
    /// # drop(builder);
    /// ```
    pub fn directory_retention(mut self, root: impl Into<PathBuf>, policy: Retention) -> Self {
        let root = root.into();
        self.defaults.directory_retention.retain(|(known, _)| *known != root);
        self.defaults.directory_retention.push((root, policy));
        self
    }

    /// Sets the expectations about the backups, which [`Koan::expectations`](crate::Koan::expectations) returns.
    pub fn expectations(mut self, expectations: Expectations) -> Self {
        self.defaults.expectations = expectations;
        self
    }

    /// Sets the defaults of maintenance.
    pub fn maintenance_defaults(mut self, defaults: MaintenanceDefaults) -> Self {
        self.defaults.maintenance = defaults;
        self
    }

    /// Runs maintenance in the background, immediately and then after each interval of the
    /// [defaults](Self::maintenance_defaults). The context owns the task: the task stops when the last clone of the
    /// context is dropped.
    pub fn background_maintenance(mut self) -> Self {
        self.background.is_maintaining = true;
        self
    }

    /// Undoes [`background_maintenance`](Self::background_maintenance).
    pub fn without_background_maintenance(mut self) -> Self {
        self.background.is_maintaining = false;
        self
    }

    /// Reads the catalogs of all storage profiles in the background, immediately and then after each `interval`, so
    /// that the [cache](Self::catalog_cache) contains the backups of other machines, and logs problems. The context
    /// owns the task.
    pub fn background_discovery(mut self, interval: Duration) -> Self {
        self.background.discovery = Some(interval);
        self
    }

    /// Undoes [`background_discovery`](Self::background_discovery).
    pub fn without_background_discovery(mut self) -> Self {
        self.background.discovery = None;
        self
    }

    /// Returns the interval of the [background discovery](Self::background_discovery), if there is one.
    pub fn discovery_interval(&self) -> Option<Duration> {
        self.background.discovery
    }

    /// [Warms the context up](crate::Koan::warm_up) in the background after it is built, and logs problems. The context
    /// owns the task.
    pub fn background_warm_up(mut self) -> Self {
        self.background.is_warming_up = true;
        self
    }

    /// Undoes [`background_warm_up`](Self::background_warm_up).
    pub fn without_background_warm_up(mut self) -> Self {
        self.background.is_warming_up = false;
        self
    }

    /// Starts no background task, whatever other calls and the configuration set. A program that runs one command and
    /// ends, such as a command line, uses it to share the other settings with the application.
    pub fn without_background_tasks(mut self) -> Self {
        self.background.is_disabled = true;
        self
    }

    /// Sets the directory of the profile `local`, which is used if no storage profile is added. The default is
    /// [`Storage::default_path`](crate::Storage::default_path).
    pub fn default_storage_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.default_storage_directory = Some(directory.into());
        self
    }

    /// Fixes the settings with these keys of the configuration, for example `backup.batch_size`: a flag of the command
    /// line that would change one of them is refused. Calls in the code are not affected.
    pub fn fixed_settings<S: Into<String>>(mut self, keys: impl IntoIterator<Item = S>) -> Self {
        self.defaults.fixed_settings.extend(keys.into_iter().map(Into::into));
        self
    }

    /// Returns the names of the providers that were added so far.
    pub fn provider_names(&self) -> impl Iterator<Item = &str> {
        self.providers.iter().map(|(name, _)| name.as_str())
    }

    /// Returns whether a retention policy was set.
    pub fn has_retention_policy(&self) -> bool {
        self.defaults.retention.is_some()
    }

    /// Removes the provider with this name, if there is one, so that another provider can be added with the same name.
    pub fn without_provider(mut self, name: &str) -> Self {
        self.providers.retain(|(known, _)| known != name);
        self
    }

    /// Removes the storage profile with this name, if there is one, so that another profile can be added with the same
    /// name.
    pub fn without_storage(mut self, name: &str) -> Self {
        self.storages.retain(|(known, _)| known != name);
        self
    }
}
