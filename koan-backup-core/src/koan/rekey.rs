//! `koan.rekey("nightly").await?`

use std::future::IntoFuture;

use futures::future::BoxFuture;

use super::Koan;
use super::setters::{application_setter, cancel_setter};
use crate::catalog::{self, BackupRef, Origin};
use crate::declaration::selection::Selection;
use crate::environment::latest;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{ErrorKind, Result};
use crate::operations::rekey::{self, RekeyOptions, RekeyReport, RekeySummary};

/// A backup that is sealed for the recipients of the context when this is awaited.
///
/// One at a time: while somebody else seals it, this fails with [`ErrorKind::Busy`](crate::ErrorKind::Busy).
/// While somebody restores it, the old archive stays, and the report says so.
///
/// # Cancel safety
/// Dropping the future leaves the backup as it was, or sealed for the new recipients, whole in either case.
/// An archive that was written and does not count may stay: the new one, or the old one, which the old keys
/// still open.
#[derive(Debug)]
#[must_use = "nothing happens before it is awaited"]
pub struct RekeyBuilder {
    koan: Koan,
    backup: BackupRef,
    options: RekeyOptions,
}

impl RekeyBuilder {
    pub(super) fn new(koan: Koan, backup: BackupRef) -> Self {
        Self { koan, backup, options: RekeyOptions::default() }
    }

    /// The storage profile the backup is in.
    pub fn from_profile(mut self, profile: impl Into<String>) -> Self {
        self.options.profile = Some(profile.into());
        self
    }

    application_setter!();

    cancel_setter! {
        /// Stops when `token` is cancelled: the backup is as it was.
    }
}

impl IntoFuture for RekeyBuilder {
    type Output = Result<RekeyReport>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let environment = &self.koan.environment;
            let has_archive = |manifest: &crate::archive::Manifest| manifest.archive.is_some();
            let storage = environment.storage(self.options.profile.as_deref())?;
            let lookup = environment.lookup(self.options.application.as_ref());
            let all = Selection::default();
            let found = latest::find(environment, storage, lookup, &self.backup, &all, has_archive);
            let backup = until_cancelled(&self.options.cancel, found).await?;
            rekey::run(environment, backup, &self.options.cancel).await
        })
    }
}

/// All backups of a profile, sealed for the recipients of the context when this is awaited. Those of other
/// applications are left as they are, and so are those that record no environment, unless they are
/// [included](Self::include_unidentified).
#[derive(Debug)]
#[must_use = "nothing happens before it is awaited"]
pub struct RekeyAllBuilder {
    koan: Koan,
    options: RekeyOptions,
    unidentified: Unidentified,
}

/// What becomes of backups that record no environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unidentified {
    Skipped,
    Included,
}

impl RekeyAllBuilder {
    pub(super) fn new(koan: Koan) -> Self {
        Self { koan, options: RekeyOptions::default(), unidentified: Unidentified::Skipped }
    }

    /// Also encrypts backups of older versions that record no environment and no other application's name for
    /// the recipients of this context. Without this they stay as they are, because another application may
    /// share them and would not be able to open them.
    pub fn include_unidentified(mut self) -> Self {
        self.unidentified = Unidentified::Included;
        self
    }

    /// The storage profile.
    pub fn in_profile(mut self, profile: impl Into<String>) -> Self {
        self.options.profile = Some(profile.into());
        self
    }

    cancel_setter! {
        /// Stops when `token` is cancelled: the summary names the backups that are as they were.
    }
}

impl IntoFuture for RekeyAllBuilder {
    type Output = Result<RekeySummary>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let environment = &self.koan.environment;
            let storage = environment.storage(self.options.profile.as_deref())?;
            let mut summary = RekeySummary::default();
            let listed = until_cancelled(&self.options.cancel, catalog::list_all(storage)).await?;
            summary.unreadable = listed.unreadable;
            for backup in listed.backups {
                let id = backup.manifest.id;
                match backup.manifest.producer.origin(&environment.identity) {
                    Origin::Other => {
                        summary.other_applications.push(id);
                        continue;
                    }
                    Origin::Unidentified if self.unidentified == Unidentified::Skipped => {
                        summary.unidentified.push(id);
                        if rekey::is_encrypted(&backup.manifest) {
                            summary.unidentified_encrypted.push(id);
                        }
                        continue;
                    }
                    Origin::Own | Origin::Unidentified => {}
                }
                if self.options.cancel.is_cancelled() {
                    summary.cancelled.push(id);
                    continue;
                }
                match rekey::run(environment, backup, &self.options.cancel).await {
                    Ok(report) if report.scope.is_none() => summary.untouched.push(report.id),
                    Ok(report) => summary.rekeyed.push(report),
                    Err(error) if error.kind() == ErrorKind::Cancelled => summary.cancelled.push(id),
                    Err(error) => summary.failed.push((id, error)),
                }
            }
            for note in summary.notes() {
                tracing::warn!(
                    target: "koan::backup", storage = %storage.location(), %note,
                    "backups were left as they were"
                );
            }
            Ok(summary)
        })
    }
}
