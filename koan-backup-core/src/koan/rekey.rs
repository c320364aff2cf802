//! `koan.rekey("nightly").await?`

use std::future::IntoFuture;

use futures::future::BoxFuture;

use super::Koan;
use crate::catalog::{self, BackupRef};
use crate::error::Result;
use crate::rekey::{self, RekeyReport, RekeySummary};

/// A backup that is sealed for the recipients of the context when this is awaited.
///
/// # Cancel safety
/// Dropping the future leaves the backup as it was, or sealed for the new recipients, whole in either case. An archive that was
/// written and does not count may stay: the new one, or the old one, which the old keys still open.
#[derive(Debug)]
#[must_use = "nothing happens before it is awaited"]
pub struct RekeyBuilder {
    koan: Koan,
    backup: BackupRef,
    profile: Option<String>,
}

impl RekeyBuilder {
    pub(super) fn new(koan: Koan, backup: BackupRef) -> Self {
        Self { koan, backup, profile: None }
    }

    /// The storage profile the backup is in.
    pub fn from_profile(mut self, profile: impl Into<String>) -> Self {
        self.profile = Some(profile.into());
        self
    }
}

impl IntoFuture for RekeyBuilder {
    type Output = Result<RekeyReport>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let environment = &self.koan.environment;
            let has_archive = |manifest: &crate::archive::Manifest| manifest.archive.is_some();
            let backup =
                catalog::find(environment, self.profile.as_deref(), &self.backup, has_archive).await?;
            rekey::run(environment, backup).await
        })
    }
}

/// All backups of a profile, sealed for the recipients of the context when this is awaited.
#[derive(Debug)]
#[must_use = "nothing happens before it is awaited"]
pub struct RekeyAllBuilder {
    koan: Koan,
    profile: Option<String>,
}

impl RekeyAllBuilder {
    pub(super) fn new(koan: Koan) -> Self {
        Self { koan, profile: None }
    }

    /// The storage profile.
    pub fn in_profile(mut self, profile: impl Into<String>) -> Self {
        self.profile = Some(profile.into());
        self
    }
}

impl IntoFuture for RekeyAllBuilder {
    type Output = Result<RekeySummary>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let environment = &self.koan.environment;
            let storage = environment.storage(self.profile.as_deref())?;
            let mut summary = RekeySummary::default();
            for backup in catalog::list(storage).await? {
                let id = backup.manifest.id;
                match rekey::run(environment, backup).await {
                    Ok(report) if report.entries.is_empty() => summary.untouched.push(report.id),
                    Ok(report) => summary.rekeyed.push(report),
                    Err(error) => summary.failed.push((id, error)),
                }
            }
            Ok(summary)
        })
    }
}
