//! The builders of the upkeep of single backups: rekey, copy, and the verification of many.

use std::future::IntoFuture;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::existing::profile_setter;
use crate::catalog::stream_backups::StreamBackupRef;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::names::names;
use crate::foundation::runtime::in_runtime;
use crate::koan::Koan;
use crate::koan::names::Names;
use crate::koan::setters::cancel_setter;
use crate::operations::streams::{
    self, StreamCopyReport, StreamRekeyReport, StreamVerificationSummary, VerifyAllOptions,
};

/// How the work is stopped.
#[derive(Debug, Default)]
struct RunOptions {
    cancel: CancellationToken,
}

/// The rekey of a single backup, which rewrites it for the recipients of the context when it is awaited. A backup that is
/// not encrypted is not changed.
///
/// # Cancel safety
/// If the future is dropped, the backup is either unchanged or encrypted for the new recipients; it is complete in both
/// cases. Another content may remain, which maintenance removes.
#[derive(Debug)]
#[must_use = "a rekey does nothing until it is awaited"]
pub struct StreamBackupRekey {
    koan: Koan,
    backup: StreamBackupRef,
    profile: Option<String>,
    options: RunOptions,
}

impl StreamBackupRekey {
    pub(super) fn new(koan: Koan, backup: StreamBackupRef) -> Self {
        Self { koan, backup, profile: None, options: RunOptions::default() }
    }

    profile_setter!();

    cancel_setter! {
        /// Stops the rekey when the token is cancelled. The backup is unchanged then.
    }
}

impl IntoFuture for StreamBackupRekey {
    type Output = Result<StreamRekeyReport>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        in_runtime(async move {
            let (environment, profile) = (&self.koan.environment, self.profile.as_deref());
            streams::rekey(environment, profile, &self.backup, &self.options.cancel).await
        })
    }
}

/// The copy of a single backup into another storage profile, which runs when it is awaited. The bytes of its content are
/// not changed, and its `.meta` is created last. A copy that exists is not changed.
///
/// ```
/// # koan_backup_shop::orders(async |koan| {
/// let handle = koan.streams("order")?.backup("order-17").await?;
/// let error = koan.copy_stream_backup(&handle).await.expect_err("no target");
/// assert!(error.to_string().contains(".to_profile"));
/// # Ok(())
/// # });
/// ```
///
/// # Cancel safety
/// If the future is dropped, the copy exists completely or not at all. A content without `.meta` may remain, which
/// maintenance removes.
#[derive(Debug)]
#[must_use = "a copy does nothing until it is awaited"]
pub struct StreamBackupCopy {
    koan: Koan,
    backup: StreamBackupRef,
    profile: Option<String>,
    to: Option<String>,
    options: RunOptions,
}

impl StreamBackupCopy {
    pub(super) fn new(koan: Koan, backup: StreamBackupRef) -> Self {
        Self { koan, backup, profile: None, to: None, options: RunOptions::default() }
    }

    profile_setter!();

    /// Sets the storage profile that receives the copy.
    pub fn to_profile(mut self, profile: impl Into<String>) -> Self {
        self.to = Some(profile.into());
        self
    }

    cancel_setter! {
        /// Stops the copy when the token is cancelled. No file of the copy remains.
    }
}

impl IntoFuture for StreamBackupCopy {
    type Output = Result<StreamCopyReport>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        in_runtime(async move {
            let (environment, profile) = (&self.koan.environment, self.profile.as_deref());
            let Some(to) = &self.to else {
                let profiles = names(environment.storages.iter().map(|(name, _)| name));
                let text = "the copy of a single backup has no target profile";
                let help = format!("set one of {profiles} with `.to_profile(…)`");
                return Err(Error::new(ErrorKind::Configuration, text).with_help(help));
            };
            streams::copy(environment, profile, &self.backup, to, &self.options.cancel).await
        })
    }
}

/// The verification of all single backups of this application, which runs when it is awaited. Damage is reported and is no
/// error, and the results are recorded for the health of the catalog.
///
/// ```
/// # koan_backup_shop::orders(async |koan| {
/// # koan.streams("order")?.backup("order-17").await?;
/// let summary = koan.verify_stream_backups().object("order").await?.require_valid()?;
/// assert_eq!(summary.valid, 1);
/// # Ok(())
/// # });
/// ```
#[derive(Debug)]
#[must_use = "a verification does nothing until it is awaited"]
pub struct StreamBackupsVerification {
    koan: Koan,
    options: VerifyAllOptions,
}

impl StreamBackupsVerification {
    pub(super) fn new(koan: Koan) -> Self {
        Self { koan, options: VerifyAllOptions::default() }
    }

    /// Selects the backups with this object name.
    pub fn object(mut self, object: impl Into<String>) -> Self {
        self.options.object = Some(object.into());
        self
    }

    /// Selects one or several storage profiles. By default, the backups of all profiles are verified.
    pub fn profiles<Count>(mut self, names: impl Names<Count>) -> Self {
        self.options.profiles.extend(names.into_names());
        self
    }

    cancel_setter! {
        /// Stops the verification when the token is cancelled.
    }
}

impl IntoFuture for StreamBackupsVerification {
    type Output = Result<StreamVerificationSummary>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        in_runtime(async move { streams::verify_all(&self.koan.environment, &self.options).await })
    }
}
