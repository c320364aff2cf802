//! `koan.restore("nightly").replace_existing().await?`

use std::future::IntoFuture;
use std::sync::Arc;

use futures::future::BoxFuture;

use super::Koan;
use super::setters::{application_setter, run_setters, selection_setters, timeout_setter};
use crate::archive::Manifest;
use crate::catalog::{BackupRef, StoredBackup};
use crate::encryption::Identities;
use crate::environment::latest;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, Result};
use crate::foundation::id::SetName;
use crate::operations::restore::{self, RestoreOptions, RestoreReport, Verification, ViabilityReport};
use crate::provider::{ConflictMode, RestoreLevel, SessionIntent};

/// A restore that is done when it is awaited. The archive is verified whole before the first write.
///
/// A lease in the storage keeps the backup from being removed meanwhile, unless nothing is written. Where the storage cannot be
/// written, the restore goes on without, and a warning is logged.
///
/// # Cancel safety
/// Until the commit begins, dropping the future or cancelling undoes what was written, where the provider has transactions.
/// The commit is not cancelled; a future that is dropped while it runs leaves it to the database which of the two it is.
#[derive(Debug)]
#[must_use = "a restore is done when it is awaited"]
pub struct RestoreBuilder {
    koan: Result<Koan>,
    backup: BackupRef,
    options: RestoreOptions,
    invalid: Option<Error>,
}

impl RestoreBuilder {
    pub(super) fn new(koan: Result<Koan>, backup: BackupRef) -> Self {
        Self { koan, backup, options: RestoreOptions::default(), invalid: None }
    }

    selection_setters!();

    /// Puts the records into this set instead of the one they were in.
    pub fn to_set(mut self, name: impl Into<String>) -> Self {
        match SetName::new(name) {
            Ok(set) => self.options.target_set = Some(set),
            Err(error) => self.invalid = Some(error),
        }
        self
    }

    /// The storage profile the backup is in.
    pub fn from_profile(mut self, profile: impl Into<String>) -> Self {
        self.options.profile = Some(profile.into());
        self
    }

    application_setter!();

    /// What happens to a record whose key exists already; by default the archive wins.
    pub fn on_conflict(mut self, mode: ConflictMode) -> Self {
        self.options.conflict = mode;
        self
    }

    /// Leaves exactly the archive's records: others go.
    pub fn replace_existing(mut self) -> Self {
        self.options.replace_existing = true;
        self
    }

    /// How far a provider may go to be fast; as far as it can by default.
    pub fn level(mut self, level: RestoreLevel) -> Self {
        self.options.level = level;
        self
    }

    /// Compares every record with what is there and writes nothing. Constraints beyond the key are tried by the restore
    /// itself only.
    pub fn dry_run(mut self) -> Self {
        self.options.intent = SessionIntent::Compare;
        self
    }

    /// Makes missing tables from the entity's schema.
    pub fn create_missing(mut self) -> Self {
        self.options.create_missing = true;
        self
    }

    /// Restores the entities that completed of a backup that failed in part.
    pub fn allow_partial(mut self) -> Self {
        self.options.allow_partial = true;
        self
    }

    /// Accepts that fields of the archive that the type does not have are lost.
    pub fn allow_field_loss(mut self) -> Self {
        self.options.allow_field_loss = true;
        self
    }

    /// Does not read the whole archive before the first write: only its directory and documents. Each entity's hash is
    /// still checked before the commit.
    pub fn without_verification(mut self) -> Self {
        self.options.verification = Verification::BeforeCommit;
        self
    }

    /// Records written at once; 1000 by default.
    pub fn batch_size(mut self, records: usize) -> Self {
        self.options.batch_size = records;
        self
    }

    /// Blocks decoded at once, up to one more than there are cores; 4 by default.
    pub fn max_concurrency(mut self, blocks: usize) -> Self {
        self.options.max_concurrency = blocks;
        self
    }

    timeout_setter!();

    run_setters! {
        /// Undoes the restore when the token is cancelled.
    }

    /// Whether this restore would work, found without writing.
    pub fn viability(self) -> ViabilityBuilder {
        ViabilityBuilder(self)
    }

    /// The context, the backup as it was named, and the options, if they can be.
    fn checked(self) -> Result<(Koan, BackupRef, RestoreOptions)> {
        match self.invalid {
            Some(error) => Err(error),
            None => Ok((self.koan?, self.backup, self.options)),
        }
    }
}

/// The backup that is to be restored, with the keys that it takes.
async fn find<'k>(
    koan: &'k Koan,
    backup: &BackupRef,
    options: &RestoreOptions,
) -> Result<(StoredBackup<'k>, Arc<Identities>)> {
    let accepts = |manifest: &Manifest| {
        manifest.status.is_complete() || (options.allow_partial && manifest.archive.is_some())
    };
    let lookup = koan.environment.lookup(options.application.as_ref());
    let storage = koan.environment.storage(options.profile.as_deref())?;
    koan.environment.check_provider_filters(&options.selection)?;
    let found = async {
        let (environment, selection) = (&koan.environment, &options.selection);
        let backup = latest::find(environment, storage, lookup, backup, selection, accepts).await?;
        let notes = backup.unreadable.iter();
        notes.for_each(|manifest| {
            tracing::warn!(target: "koan::backup", used = %backup.manifest.id, manifest = %manifest.path, problem = %manifest.problem, "a manifest that cannot be read may be that of a newer backup");
        });
        let identities = koan.environment.identities_for(&backup.manifest).await?;
        let backup = backup.opened(&identities).await?;
        backup.require_opened(&identities)?;
        Ok((backup, identities))
    };
    until_cancelled(&options.cancel, found).await
}

impl IntoFuture for RestoreBuilder {
    type Output = Result<RestoreReport>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (koan, backup, options) = self.checked()?;
            let found = Box::pin(find(&koan, &backup, &options));
            restore::run(&koan.environment, found, &options).await
        })
    }
}

/// A check of a restore that is done when it is awaited.
#[derive(Debug)]
#[must_use = "the check is done when it is awaited"]
pub struct ViabilityBuilder(RestoreBuilder);

impl IntoFuture for ViabilityBuilder {
    type Output = Result<ViabilityReport>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (koan, backup, options) = self.0.checked()?;
            let (backup, identities) = find(&koan, &backup, &options).await?;
            restore::assess(&koan.environment, &backup, &identities, &options).await
        })
    }
}
