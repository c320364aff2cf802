//! The builder that finds a backup: `koan.find("latest").completed().await?`.

use std::future::IntoFuture;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::Koan;
use super::setters::{application_setter, cancel_setter, selection_setters};
use crate::archive::Manifest;
use crate::catalog::BackupRef;
use crate::declaration::selection::Selection;
use crate::environment::latest;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, Result};
use crate::foundation::identity::ApplicationIdentity;
use crate::foundation::runtime::in_runtime;

/// The builder of a search for one backup, which runs when it is awaited. It finds the backup that an
/// operation with the same reference and selection would use, so that a program can show it first.
///
/// ```
/// # koan_backup_shop::run(async |koan| {
/// let found = koan.find("latest").completed().await?;
/// let short = koan.find(found.manifest.id.short().as_str()).await?;
/// assert_eq!(short.manifest.id, found.manifest.id);
/// # Ok(())
/// # });
/// ```
#[derive(Debug)]
#[must_use = "a search does nothing until it is awaited"]
pub struct FindBuilder {
    koan: Koan,
    backup: BackupRef,
    options: FindOptions,
    invalid: Option<Error>,
}

#[derive(Debug, Default)]
struct FindOptions {
    selection: Selection,
    profile: Option<String>,
    application: Option<ApplicationIdentity>,
    accepted: Accepted,
    cancel: CancellationToken,
}

/// The backups that a name may refer to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Accepted {
    #[default]
    Any,
    WithArchive,
    Completed,
}

impl Accepted {
    fn accepts(self, manifest: &Manifest) -> bool {
        match self {
            Self::Any => true,
            Self::WithArchive => manifest.archive.is_some(),
            Self::Completed => manifest.archive.is_some() && manifest.status.is_complete(),
        }
    }
}

/// A backup that was found.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use = "the backup is the result of the search"]
pub struct FoundBackup {
    /// The manifest of the backup; if its archive is encrypted as a whole, the envelope.
    pub manifest: Manifest,
    /// Notes about the search, for example that a newer backup with the same name failed.
    pub notes: Vec<String>,
}

impl FindBuilder {
    pub(super) fn new(koan: Koan, backup: BackupRef) -> Self {
        Self { koan, backup, options: FindOptions::default(), invalid: None }
    }

    selection_setters!();

    application_setter!();

    /// Sets the storage profile of the backup. Without this setting, the default profile is used.
    pub fn from_profile(mut self, profile: impl Into<String>) -> Self {
        self.options.profile = Some(profile.into());
        self
    }

    /// Lets a name refer only to completed backups, as a restore does.
    pub fn completed(mut self) -> Self {
        self.options.accepted = Accepted::Completed;
        self
    }

    /// Lets a name refer only to backups that have an archive, as a restore that allows partial backups does.
    pub fn with_archive(mut self) -> Self {
        self.options.accepted = Accepted::WithArchive;
        self
    }

    cancel_setter! {
        /// Stops the search when the token is cancelled.
    }
}

impl IntoFuture for FindBuilder {
    type Output = Result<FoundBackup>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        in_runtime(async move {
            if let Some(error) = self.invalid {
                return Err(error);
            }
            let environment = &self.koan.environment;
            let FindOptions { selection, profile, application, accepted, cancel } = &self.options;
            let storage = environment.storage(profile.as_deref())?;
            environment.check_provider_filters(selection)?;
            let lookup = environment.lookup(application.as_ref());
            let accepts = |manifest: &Manifest| accepted.accepts(manifest);
            let found = latest::find(environment, storage, lookup, &self.backup, selection, accepts);
            let found = until_cancelled(cancel, found).await?;
            let notes = found.notes(&environment.identity);
            Ok(FoundBackup { manifest: found.manifest, notes })
        })
    }
}
