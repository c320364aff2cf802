//! `koan.restore("nightly").replace_existing().await?`

use std::any::TypeId;
use std::future::IntoFuture;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::Koan;
use crate::archive::Manifest;
use crate::catalog::{self, BackupRef};
use crate::entity::Entity;
use crate::error::{Error, Result};
use crate::event::{Event, Listener};
use crate::id::SetName;
use crate::provider::{ConflictMode, RestoreLevel, SessionIntent};
use crate::restore::{self, RestoreOptions, RestoreReport, Verification, ViabilityReport};

/// A restore that is done when it is awaited. The archive is verified whole before the first write.
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

    /// Only this entity, and others that are named likewise.
    pub fn entity<T: Entity>(mut self) -> Self {
        self.options.selection.types.push(TypeId::of::<T>());
        self
    }

    /// Only the entities of these names.
    pub fn entities<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.options.selection.names.extend(names.into_iter().map(Into::into));
        self
    }

    /// Not the entities of these names.
    pub fn exclude<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.options.selection.excluded_names.extend(names.into_iter().map(Into::into));
        self
    }

    /// Only entities in these providers.
    pub fn providers<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.options.selection.providers.extend(names.into_iter().map(Into::into));
        self
    }

    /// Only records that were in this set, and others that are named likewise.
    pub fn set(mut self, name: impl Into<String>) -> Self {
        match SetName::new(name) {
            Ok(set) => self.options.selection.sets.push(set),
            Err(error) => self.invalid = Some(error),
        }
        self
    }

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

    /// Undoes the restore when the token is cancelled.
    pub fn cancel_on(mut self, token: CancellationToken) -> Self {
        self.options.cancel = token;
        self
    }

    /// Is told what happens.
    pub fn on_event(mut self, listen: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.options.listener = Listener::new(listen);
        self
    }

    /// Whether this restore would work, found without writing.
    pub fn viability(self) -> ViabilityBuilder {
        ViabilityBuilder(self)
    }

    fn accepts(&self) -> impl Fn(&Manifest) -> bool + use<> {
        let allow_partial = self.options.allow_partial;
        move |manifest| manifest.status.is_complete() || (allow_partial && manifest.archive.is_some())
    }
}

impl IntoFuture for RestoreBuilder {
    type Output = Result<RestoreReport>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let accepts = self.accepts();
            let koan = self.koan?;
            if let Some(error) = self.invalid {
                return Err(error);
            }
            let profile = self.options.profile.as_deref();
            let backup = catalog::find(&koan.environment, profile, &self.backup, accepts).await?;
            restore::run(&koan.environment, &backup, &self.options).await
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
            let accepts = self.0.accepts();
            let koan = self.0.koan?;
            if let Some(error) = self.0.invalid {
                return Err(error);
            }
            let profile = self.0.options.profile.as_deref();
            let backup = catalog::find(&koan.environment, profile, &self.0.backup, accepts).await?;
            restore::assess(&koan.environment, &backup, &self.0.options).await
        })
    }
}
