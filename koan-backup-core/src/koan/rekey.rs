//! The builders of rekeys: `koan.rekey("nightly").await?`.

use std::future::IntoFuture;

use futures::future::BoxFuture;

use super::Koan;
use super::setters::{application_setter, run_setters};
use crate::catalog::{self, BackupRef, Origin};
use crate::declaration::selection::Selection;
use crate::environment::latest;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{ErrorKind, Result};
use crate::foundation::runtime::in_runtime;
use crate::operations::rekey::{self, RekeyOptions, RekeyReport, RekeySummary};
use crate::operations::streams;

/// The builder of the rekey of a backup, which rewrites the backup for the recipients of the context when it
/// is awaited.
///
/// While another process rekeys the backup, awaiting the builder fails with
/// [`ErrorKind::Busy`](crate::ErrorKind::Busy). While another process restores the backup, the old archive is
/// not removed, and [`RekeyReport::old_archive`] contains its path.
///
/// ```
/// # koan_backup_shop::run(async |koan| {
/// // The context has the new recipients, and the keys that open the old archive.
/// let report = koan.rekey("nightly").await?.require_replaced()?;
/// println!("now for {:?}", report.key_ids);
/// # Ok(())
/// # });
/// ```
///
/// # Cancel safety
/// If the future is dropped, the backup is either unchanged or encrypted for the new recipients; it is
/// complete in both cases. The other archive, to which the manifest does not refer, may remain. The old keys
/// still decrypt the old archive.
#[derive(Debug)]
#[must_use = "a rekey does nothing until it is awaited"]
pub struct RekeyBuilder {
    koan: Koan,
    backup: BackupRef,
    options: RekeyOptions,
}

impl RekeyBuilder {
    pub(super) fn new(koan: Koan, backup: BackupRef) -> Self {
        Self { koan, backup, options: RekeyOptions::default() }
    }

    /// Sets the storage profile of the backup.
    pub fn from_profile(mut self, profile: impl Into<String>) -> Self {
        self.options.profile = Some(profile.into());
        self
    }

    application_setter!();

    run_setters! {
        /// Stops the rekey when `token` is cancelled. The backup is unchanged then.
    }
}

impl IntoFuture for RekeyBuilder {
    type Output = Result<RekeyReport>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        in_runtime(async move {
            let environment = &self.koan.environment;
            let has_archive = |manifest: &crate::archive::Manifest| manifest.archive.is_some();
            let storage = environment.storage(self.options.profile.as_deref())?;
            let lookup = environment.lookup(self.options.application.as_ref());
            let all = Selection::default();
            let found = latest::find(environment, storage, lookup, &self.backup, &all, has_archive);
            let backup = until_cancelled(&self.options.cancel, found).await?;
            rekey::run(environment, backup, &self.options).await
        })
    }
}

/// The builder of the rekey of all backups of a profile, including single backups of event streams, which runs when it is
/// awaited. Backups of other
/// applications are not changed. Backups that record no environment are not changed either, unless they are
/// [included](Self::include_unidentified).
///
/// ```
/// # koan_backup_shop::run(async |koan| {
/// let summary = koan.rekey_all().await?.require_all()?;
/// println!("{} archives rewritten, {} unchanged", summary.rekeyed.len(), summary.unchanged.len());
/// # Ok(())
/// # });
/// ```
#[derive(Debug)]
#[must_use = "a rekey does nothing until it is awaited"]
pub struct RekeyAllBuilder {
    koan: Koan,
    options: RekeyOptions,
    unidentified: Unidentified,
}

/// What happens to backups that record no environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unidentified {
    Skipped,
    Included,
}

impl RekeyAllBuilder {
    pub(super) fn new(koan: Koan) -> Self {
        Self { koan, options: RekeyOptions::default(), unidentified: Unidentified::Skipped }
    }

    /// Also rekeys backups of older versions that record no environment and no other application. By default
    /// they are not changed, because they may belong to another application, which could not decrypt them any
    /// more.
    pub fn include_unidentified(mut self) -> Self {
        self.unidentified = Unidentified::Included;
        self
    }

    /// Sets the storage profile.
    pub fn in_profile(mut self, profile: impl Into<String>) -> Self {
        self.options.profile = Some(profile.into());
        self
    }

    run_setters! {
        /// Stops the rekey when `token` is cancelled. The summary lists the unchanged backups.
    }
}

impl IntoFuture for RekeyAllBuilder {
    type Output = Result<RekeySummary>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        in_runtime(async move {
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
                match rekey::run(environment, backup, &self.options).await {
                    Ok(report) if report.scope.is_none() => summary.unchanged.push(report.id),
                    Ok(report) => summary.rekeyed.push(report),
                    Err(error) if error.kind() == ErrorKind::Cancelled => summary.cancelled.push(id),
                    Err(error) => summary.failed.push((id, error)),
                }
            }
            let profile = environment.profile_name(self.options.profile.as_deref());
            summary.streams = streams::rekey_all(environment, profile, storage, &self.options.cancel).await;
            for note in summary.notes() {
                tracing::warn!(
                    target: "koan::backup", storage = %storage.location(), %note,
                    "backups were not rekeyed"
                );
            }
            Ok(summary)
        })
    }
}
