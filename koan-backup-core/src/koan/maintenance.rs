//! The builder of maintenance: `koan.maintenance().retention(…).every(…).start()`.

use std::future::IntoFuture;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::Koan;
use super::maintenance_task::{MaintenanceTask, Schedule, check};
use super::names::Names;
use crate::catalog::retention::Retention;
use crate::foundation::error::Result;
use crate::foundation::runtime::{in_runtime, require_timers};
use crate::operations::maintenance::{self, MaintenanceOptions, MaintenanceReport};

/// The builder of maintenance of the storage profiles. Awaiting it runs maintenance once;
/// [`start`](Self::start) runs it repeatedly.
///
/// A run removes files of crashed processes, prunes the backups if a retention policy is set, verifies the
/// backup whose last verification is the oldest, and up to 100 single backups of event streams, and updates the catalog
/// cache. It removes single backups that have expired only if this is [set](Self::remove_expired_stream_backups). It prunes a directory tree only if a
/// retention policy is set for it. Tasks that were not completed
/// are in the report of the run, and in the [health](super::Catalog::health) of the catalog until a later run
/// completes them.
///
/// ```
/// use std::time::Duration;
///
/// use koan_backup::Retention;
/// # koan_backup_shop::run(async |koan| {
/// // Once:
/// let report = koan.maintenance().retention(Retention::new().keep_last(7)).await?;
/// assert!(report.is_clean());
/// // In the background, until the task is stopped or dropped:
/// let task = koan.maintenance().every(Duration::from_secs(3600)).jitter(Duration::from_secs(300)).start()?;
/// task.stop().await;
/// # Ok(())
/// # });
/// ```
///
/// # Cancel safety
/// Dropping the future stops the run. Every backup exists completely or not at all.
#[derive(Debug)]
#[must_use = "maintenance does nothing until it is awaited or started"]
pub struct MaintenanceBuilder {
    koan: Koan,
    options: MaintenanceOptions,
    /// The profiles that were selected for this builder, which replace those of the context.
    selected_profiles: Vec<String>,
    /// The directory trees that were selected for this builder.
    selected_directories: Vec<(PathBuf, Retention)>,
    every: Duration,
    jitter: Duration,
}

impl MaintenanceBuilder {
    pub(super) fn new(koan: Koan) -> Self {
        let (options, every, jitter) = koan.defaults.maintenance();
        Self { koan, options, selected_profiles: Vec::new(), selected_directories: Vec::new(), every, jitter }
    }

    /// Sets the retention policy. Each run removes the backups that the policy does not keep. The default is
    /// the [policy of the context](crate::KoanBuilder::retention_policy). Without a policy, no backup is removed.
    pub fn retention(mut self, retention: Retention) -> Self {
        self.options.retention = Some(retention);
        self
    }

    /// Also applies a retention policy to the directory tree in `root`. The default is the [trees of the
    /// context](crate::KoanBuilder::directory_retention); a policy for the same path replaces the policy of the
    /// context. Other trees are not changed.
    pub fn directory_retention(mut self, root: impl Into<PathBuf>, policy: Retention) -> Self {
        self.selected_directories.push((root.into(), policy));
        self
    }

    /// Does not remove backups, even if the context has a retention policy for storage profiles or directory trees, or
    /// removes expired single backups of event streams.
    pub fn without_retention(mut self) -> Self {
        self.options.retention = None;
        self.options.directories.clear();
        self.options.remove_expired_stream_backups = false;
        self.selected_directories.clear();
        self
    }

    /// Removes single backups of event streams that have expired, as
    /// [`cleanup_expired_stream_backups`](crate::Koan::cleanup_expired_stream_backups) does: the only backup of a stream
    /// that exists is kept. By default, expired single backups are kept, and the
    /// [health](super::Catalog::health) counts them.
    pub fn remove_expired_stream_backups(mut self) -> Self {
        self.options.remove_expired_stream_backups = true;
        self
    }

    /// Selects only this storage profile, or these storage profiles, instead of the profiles of the
    /// [defaults](crate::KoanBuilder::maintenance_defaults). Several calls select all their profiles. The directory
    /// trees of the context are not changed then.
    pub fn profiles<Count>(mut self, names: impl Names<Count>) -> Self {
        self.selected_profiles.extend(names.into_names());
        if !self.selected_profiles.is_empty() {
            self.options.profiles.clone_from(&self.selected_profiles);
        }
        self
    }

    /// Disables the verification.
    pub fn without_verification(mut self) -> Self {
        self.options.verification_enabled = false;
        self
    }

    /// Sets how old a file that belongs to no backup must be before it is removed. The default is a day. It
    /// must be longer than any upload takes.
    ///
    /// The incomplete multipart upload of a crashed process is aborted at any age, when the lease of that
    /// process has expired.
    pub fn cleanup_older_than(mut self, age: Duration) -> Self {
        self.options.cleanup_older_than = Some(age);
        self
    }

    /// Disables the cleanup: files of crashed processes are not removed, and their uploads are not aborted.
    pub fn without_cleanup(mut self) -> Self {
        self.options.cleanup_older_than = None;
        self
    }

    /// Sets how long a started task waits between two runs. The default is an hour.
    pub fn every(mut self, interval: Duration) -> Self {
        self.every = interval;
        self
    }

    /// Sets the maximum random time by which each wait is extended, at most a day, so that machines that
    /// started together do not run maintenance at the same time.
    pub fn jitter(mut self, at_most: Duration) -> Self {
        self.jitter = at_most;
        self
    }

    /// Stops a run, or a started task, when `token` is cancelled.
    pub fn cancel_on(mut self, token: CancellationToken) -> Self {
        self.options.cancel = token;
        self
    }

    /// Starts maintenance in the background: immediately, and then after each interval, until the task is
    /// stopped or dropped. Each run is logged.
    ///
    /// # Errors
    /// There is no Tokio runtime with timers, the interval is zero, a profile does not exist, or the
    /// retention policy has no rule.
    pub fn start(self) -> Result<MaintenanceTask> {
        require_timers()?;
        self.check()?;
        let options = self.effective_options();
        let Self { koan, every, jitter, .. } = self;
        // The task does not own the context, so that dropping the last clone of the context stops its own tasks.
        Ok(MaintenanceTask::spawn(Arc::clone(&koan.environment), options, Schedule { every, jitter }))
    }

    fn check(&self) -> Result<()> {
        check(&self.koan.environment, &self.effective_options(), self.every)
    }

    /// Returns the options with the directory trees that the run prunes.
    fn effective_options(&self) -> MaintenanceOptions {
        let mut options = self.options.clone();
        if !self.selected_profiles.is_empty() {
            options.directories.clear();
        }
        for (root, policy) in &self.selected_directories {
            options.directories.retain(|(known, _)| known != root);
            options.directories.push((root.clone(), policy.clone()));
        }
        options
    }
}

impl IntoFuture for MaintenanceBuilder {
    type Output = Result<MaintenanceReport>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        in_runtime(async move {
            self.check()?;
            maintenance::run(&self.koan.environment, &self.effective_options()).await
        })
    }
}
