//! The builder of a copy: `koan.copy("nightly").to_profile("dr").await?`.

use std::future::IntoFuture;

use futures::future::BoxFuture;

use super::Koan;
use super::setters::{application_setter, run_setters};
use crate::catalog::BackupRef;
use crate::declaration::selection::Selection;
use crate::environment::latest;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::names::names;
use crate::foundation::runtime::in_runtime;
use crate::operations::copy::{self, CopyOptions, CopyReport};

/// The builder of a copy of a backup into another storage profile, which runs when it is awaited.
///
/// ```
/// # koan_backup_shop::run(async |koan| {
/// let copy = koan.copy("nightly").to_profile("dr").await?;
/// koan.restore(copy.id).from_profile("dr").await?;
/// # assert!(!copy.already_existed);
/// # Ok(())
/// # });
/// ```
///
/// # Cancel safety
/// Until the manifest is created, dropping the future or cancelling stops the copy, and no file of the copy
/// remains. Creating the manifest is not cancelled; if the future is dropped meanwhile, the copy exists
/// completely or not at all, and its archive may remain.
#[derive(Debug)]
#[must_use = "a copy does nothing until it is awaited"]
pub struct CopyBuilder {
    koan: Koan,
    backup: BackupRef,
    options: CopyOptions,
}

impl CopyBuilder {
    pub(super) fn new(koan: Koan, backup: BackupRef) -> Self {
        Self { koan, backup, options: CopyOptions::default() }
    }

    /// Sets the storage profile of the backup. Without this setting, the default profile is used.
    pub fn from_profile(mut self, profile: impl Into<String>) -> Self {
        self.options.from = Some(profile.into());
        self
    }

    /// Sets the storage profile that receives the copy.
    pub fn to_profile(mut self, profile: impl Into<String>) -> Self {
        self.options.to = Some(profile.into());
        self
    }

    application_setter!();

    run_setters! {
        /// Stops the copy when `token` is cancelled. No file of the copy remains.
    }
}

impl IntoFuture for CopyBuilder {
    type Output = Result<CopyReport>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        in_runtime(async move {
            let environment = &self.koan.environment;
            let CopyOptions { from, to, application, cancel, listener } = &self.options;
            let profiles = || names(environment.storages.iter().map(|(name, _)| name));
            let Some(to) = to else {
                let text = format!(
                    "the copy has no target profile; set one of {} with `.to_profile(…)`",
                    profiles()
                );
                return Err(Error::new(ErrorKind::Configuration, text));
            };
            let target = environment.storage(Some(to))?;
            if std::ptr::eq(target, environment.storage(from.as_deref())?) {
                return Err(Error::new(
                    ErrorKind::Configuration,
                    format!(
                        "the backup is already in profile `{to}`; select another profile as the target; the \
                         profiles are {}",
                        profiles()
                    ),
                ));
            }
            let is_complete = |manifest: &crate::archive::Manifest| {
                manifest.archive.is_some() && manifest.status.is_complete()
            };
            let lookup = environment.lookup(application.as_ref());
            let storage = environment.storage(from.as_deref())?;
            let all = Selection::default();
            let found = latest::find(environment, storage, lookup, &self.backup, &all, is_complete);
            let backup = until_cancelled(cancel, found).await?;
            let listener = environment.listener(listener);
            copy::run(environment, &backup, target, cancel, &listener).await
        })
    }
}
