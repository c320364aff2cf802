//! The builder that opens the archive of a backup for a download: `koan.archive("nightly").await?`.

use std::future::IntoFuture;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::Koan;
use super::setters::{application_setter, cancel_setter};
use crate::archive::Manifest;
use crate::catalog::BackupRef;
use crate::environment::newest;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::Result;
use crate::foundation::identity::ApplicationIdentity;
use crate::foundation::runtime::in_runtime;
use crate::operations::stored_archive::StoredArchive;

/// The builder that opens the archive of a backup, when it is awaited, so that its stored bytes can be read.
///
/// ```
/// # koan_backup_shop::run(async |koan| {
/// let archive = koan.archive("nightly").await?;
/// println!("{}: {} bytes, {}", archive.file_name(), archive.size_bytes(), archive.sha256());
/// # Ok(())
/// # });
/// ```
#[derive(Debug)]
#[must_use = "no archive is opened until the builder is awaited"]
pub struct ArchiveBuilder {
    koan: Koan,
    backup: BackupRef,
    options: ArchiveOptions,
}

#[derive(Debug, Default)]
struct ArchiveOptions {
    profile: Option<String>,
    application: Option<ApplicationIdentity>,
    cancel: CancellationToken,
}

impl ArchiveBuilder {
    pub(super) fn new(koan: Koan, backup: BackupRef) -> Self {
        Self { koan, backup, options: ArchiveOptions::default() }
    }

    /// Sets the storage profile of the backup. Without this setting, the default profile is used.
    pub fn from_profile(mut self, profile: impl Into<String>) -> Self {
        self.options.profile = Some(profile.into());
        self
    }

    application_setter!();

    cancel_setter! {
        /// Stops the opening and every stream when `token` is cancelled. A stream then ends with an error.
    }
}

impl IntoFuture for ArchiveBuilder {
    type Output = Result<StoredArchive>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        in_runtime(async move {
            let environment = &self.koan.environment;
            let ArchiveOptions { profile, application, cancel } = self.options;
            let storage = environment.storage(profile.as_deref())?;
            let lookup = environment.lookup(application.as_ref());
            let has_archive = |manifest: &Manifest| manifest.archive.is_some();
            let found = newest::find(environment, storage, lookup, &self.backup, has_archive);
            let backup = until_cancelled(&cancel, found).await?;
            StoredArchive::open(environment, &backup, cancel).await
        })
    }
}
