//! The builders of operations on existing single backups.

use std::future::IntoFuture;

use futures::future::BoxFuture;

use crate::catalog::stream_backups::{StreamBackupHandle, StreamBackupRef};
use crate::foundation::error::Result;
use crate::foundation::runtime::in_runtime;
use crate::koan::Koan;
use crate::koan::names::Names;
use crate::koan::setters::cancel_setter;
use crate::operations::streams::{
    self, CleanupOptions, LastBackups, RemovedStreamBackup, StreamCleanupReport, StreamVerification,
};
use tokio_util::sync::CancellationToken;

/// The method that sets the storage profile.
macro_rules! profile_setter {
    () => {
        /// Sets the storage profile of the backup. By default it is that of the handle, or the default profile.
        pub fn from_profile(mut self, profile: impl Into<String>) -> Self {
            self.profile = Some(profile.into());
            self
        }
    };
}

pub(super) use profile_setter;

/// The search for a single backup by its id, which runs when it is awaited.
#[derive(Debug)]
#[must_use = "a search does nothing until it is awaited"]
pub struct StreamBackupLookup {
    koan: Koan,
    backup: StreamBackupRef,
    profile: Option<String>,
}

impl StreamBackupLookup {
    pub(super) fn new(koan: Koan, backup: StreamBackupRef) -> Self {
        Self { koan, backup, profile: None }
    }

    profile_setter!();
}

impl IntoFuture for StreamBackupLookup {
    type Output = Result<StreamBackupHandle>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        in_runtime(async move {
            streams::find_handle(&self.koan.environment, self.profile.as_deref(), &self.backup).await
        })
    }
}

/// The verification of a single backup, which runs when it is awaited. Damage is reported and is no error.
///
/// ```
/// # koan_backup_shop::orders(async |koan| {
/// let handle = koan.streams("order")?.backup("order-17").await?;
/// let verified = koan.verify_stream_backup(&handle).await?.require_valid()?;
/// assert_eq!(verified.events, Some(2));
/// # Ok(())
/// # });
/// ```
#[derive(Debug)]
#[must_use = "a verification does nothing until it is awaited"]
pub struct StreamBackupVerification {
    koan: Koan,
    backup: StreamBackupRef,
    profile: Option<String>,
    options: VerificationOptions,
}

/// The options of a verification.
#[derive(Debug, Default)]
struct VerificationOptions {
    cancel: CancellationToken,
}

impl StreamBackupVerification {
    pub(super) fn new(koan: Koan, backup: StreamBackupRef) -> Self {
        Self { koan, backup, profile: None, options: VerificationOptions::default() }
    }

    profile_setter!();

    cancel_setter! {
        /// Stops the verification when the token is cancelled.
    }
}

impl IntoFuture for StreamBackupVerification {
    type Output = Result<StreamVerification>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        in_runtime(async move {
            let (environment, profile) = (&self.koan.environment, self.profile.as_deref());
            streams::verify(environment, profile, &self.backup, &self.options.cancel).await
        })
    }
}

/// The deletion of a single backup, which runs when it is awaited. A backup that is being restored is not deleted.
///
/// # Cancel safety
/// If the future is dropped, the backup exists completely or not at all. Its content may remain; deleting the backup again
/// by its id removes it.
#[derive(Debug)]
#[must_use = "a deletion does nothing until it is awaited"]
pub struct StreamBackupDeletion {
    koan: Koan,
    backup: StreamBackupRef,
    profile: Option<String>,
}

impl StreamBackupDeletion {
    pub(super) fn new(koan: Koan, backup: StreamBackupRef) -> Self {
        Self { koan, backup, profile: None }
    }

    profile_setter!();
}

impl IntoFuture for StreamBackupDeletion {
    type Output = Result<RemovedStreamBackup>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        in_runtime(async move {
            streams::delete(&self.koan.environment, self.profile.as_deref(), &self.backup).await
        })
    }
}

/// The removal of expired single backups, which runs when it is awaited. Every expired backup is attempted; the report
/// lists what was removed, what could not be removed, and what was kept.
///
/// The only backup of a stream that exists is kept. If it is not known whether the stream exists, its only backup is kept
/// as well.
#[derive(Debug)]
#[must_use = "a removal does nothing until it is awaited"]
pub struct StreamBackupsCleanup {
    koan: Koan,
    options: CleanupOptions,
}

impl StreamBackupsCleanup {
    pub(super) fn new(koan: Koan) -> Self {
        Self { koan, options: CleanupOptions::default() }
    }

    /// Removes expired backups even if they are the only backups of streams that exist.
    pub fn including_last(mut self) -> Self {
        self.options.last = LastBackups::Removed;
        self
    }

    /// Selects one or several storage profiles. By default, all profiles are cleaned up.
    pub fn profiles<Count>(mut self, names: impl Names<Count>) -> Self {
        self.options.profiles.extend(names.into_names());
        self
    }

    cancel_setter! {
        /// Stops the removal when the token is cancelled. Backups that were removed remain removed.
    }
}

impl IntoFuture for StreamBackupsCleanup {
    type Output = Result<StreamCleanupReport>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        in_runtime(async move { streams::cleanup(&self.koan.environment, &self.options).await })
    }
}
