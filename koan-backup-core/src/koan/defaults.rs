//! The defaults of operations, which the builder of a context sets once for all of them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::catalog::Expectations;
use crate::catalog::retention::Retention;
use crate::catalog::stream_backups::ExpiredStreams;
use crate::foundation::id::BackupName;
use crate::operations::backup::BackupOptions;
use crate::operations::maintenance::MaintenanceOptions;
use crate::operations::restore::RestoreOptions;

/// The name of a backup without another name.
const DEFAULT_BACKUP_NAME: &str = "default";

/// The defaults of the operations of a context.
#[derive(Clone, Debug)]
pub(super) struct OperationDefaults {
    pub(super) backup_name: BackupName,
    pub(super) backup: BackupOptions,
    pub(super) restore: RestoreOptions,
    pub(super) retention: Option<Retention>,
    /// The roots of the directory trees that maintenance prunes, each with its policy.
    pub(super) directory_retention: Vec<(PathBuf, Retention)>,
    pub(super) expectations: Expectations,
    pub(super) maintenance: MaintenanceDefaults,
    /// The keys of the configuration that no flag of a command line may change.
    pub(super) fixed_settings: BTreeSet<String>,
}

impl Default for OperationDefaults {
    fn default() -> Self {
        Self {
            backup_name: BackupName::new(DEFAULT_BACKUP_NAME).expect("the default name is a valid name"),
            backup: BackupOptions::default(),
            restore: RestoreOptions::default(),
            retention: None,
            directory_retention: Vec::new(),
            expectations: Expectations::default(),
            maintenance: MaintenanceDefaults::default(),
            fixed_settings: BTreeSet::new(),
        }
    }
}

impl OperationDefaults {
    /// Returns the options of a new backup. Cancelling it does not cancel other backups.
    pub(super) fn backup(&self) -> BackupOptions {
        BackupOptions { cancel: self.backup.cancel.child_token(), ..self.backup.clone() }
    }

    /// Returns the options of a new restore. Cancelling it does not cancel other restores.
    pub(super) fn restore(&self) -> RestoreOptions {
        RestoreOptions { cancel: self.restore.cancel.child_token(), ..self.restore.clone() }
    }

    /// Returns the options, the interval and the jitter of maintenance.
    pub(super) fn maintenance(&self) -> (MaintenanceOptions, Duration, Duration) {
        let defaults = &self.maintenance;
        let options = MaintenanceOptions {
            retention: self.retention.clone(),
            directories: self.directory_retention.clone(),
            profiles: defaults.profiles.clone(),
            verification_enabled: defaults.verification_enabled,
            cleanup_older_than: defaults.cleanup_older_than,
            remove_expired_stream_backups: defaults.remove_expired_stream_backups,
            cancel: CancellationToken::new(),
        };
        (options, defaults.every, defaults.jitter)
    }
}

/// The defaults of maintenance, for [`KoanBuilder::maintenance_defaults`](crate::KoanBuilder::maintenance_defaults).
///
/// ```
/// use std::time::Duration;
///
/// use koan_backup_core::maintenance::MaintenanceDefaults;
///
/// let mut defaults = MaintenanceDefaults::default();
/// defaults.every = Duration::from_secs(6 * 3600);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MaintenanceDefaults {
    /// The time between two runs of a task.
    pub every: Duration,
    /// The maximum random time by which each wait is extended.
    pub jitter: Duration,
    /// Whether each run verifies one backup.
    pub verification_enabled: bool,
    /// How old a file that belongs to no backup must be before it is removed; such files are not removed if it is
    /// `None`.
    pub cleanup_older_than: Option<Duration>,
    /// Whether single backups of event streams that have expired are removed.
    pub remove_expired_stream_backups: bool,
    /// The names of the storage profiles; all profiles if it is empty.
    pub profiles: Vec<String>,
}

impl Default for MaintenanceDefaults {
    fn default() -> Self {
        let options = MaintenanceOptions::default();
        Self {
            every: Duration::from_secs(3600),
            jitter: Duration::ZERO,
            verification_enabled: options.verification_enabled,
            cleanup_older_than: options.cleanup_older_than,
            remove_expired_stream_backups: options.remove_expired_stream_backups,
            profiles: options.profiles,
        }
    }
}

impl MaintenanceDefaults {
    /// Returns who removes single backups that have expired.
    pub(super) fn expired_streams(&self) -> ExpiredStreams {
        match self.remove_expired_stream_backups {
            true => ExpiredStreams::RemovedByMaintenance,
            false => ExpiredStreams::Kept,
        }
    }
}
