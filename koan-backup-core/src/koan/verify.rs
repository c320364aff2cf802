//! The builder of a verification: `koan.verify(backup.id()).await?`.

use std::collections::BTreeSet;
use std::future::IntoFuture;

use futures::future::BoxFuture;

use super::context::ContextRef;
use super::names::Names;
use super::setters::{application_setter, run_setters};
use crate::catalog::BackupRef;
use crate::declaration::selection::Selection;
use crate::entity::Entity;
use crate::environment::latest;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::Result;
use crate::foundation::runtime::in_runtime;
use crate::operations::verification;
use crate::operations::verify::{Selected, VerifyOptions, VerifyReport, VerifyScope};

/// The builder of a verification, which runs when it is awaited.
///
/// A verification of the whole backup is recorded in the storage profile, so that the catalog and other processes
/// know when the backup was verified, and whether it is damaged. If the storage cannot be written, the report
/// contains a note. A sample, a verification of some entities, and the verification of a backup of another application
/// are not recorded.
///
/// ```
/// # use koan_backup_shop::User;
/// # koan_backup_shop::run(async |koan| {
/// // Every hash, count and record.
/// koan.verify("nightly").await?.require_valid()?;
/// // The hashes of some blocks of one entity.
/// let sample = koan.verify("nightly").entity::<User>().sample(4).await?;
/// assert!(sample.is_valid(), "{:?}", sample.issues());
/// # Ok(())
/// # });
/// ```
#[derive(Debug)]
#[must_use = "a verification does nothing until it is awaited"]
pub struct VerifyBuilder {
    koan: ContextRef,
    backup: BackupRef,
    options: VerifyOptions,
}

impl VerifyBuilder {
    pub(super) fn new(koan: ContextRef, backup: BackupRef) -> Self {
        Self { koan, backup, options: VerifyOptions::default() }
    }

    /// Verifies only a sample of each entity instead of every byte: this number of blocks, spread evenly,
    /// including the first and the last.
    pub fn sample(mut self, blocks_per_entity: usize) -> Self {
        self.options.scope = VerifyScope::Sample { blocks_per_entity };
        self
    }

    /// Verifies only a sample of each entity: this percentage of its blocks, spread evenly, at least the first
    /// and the last.
    pub fn sample_percent(mut self, percent: u8) -> Self {
        self.options.scope = VerifyScope::SamplePercent { percent };
        self
    }

    /// Verifies only this entity; the rest of the archive is not read. Several calls select several entities.
    /// If the archive cannot be decrypted, the complete file of the archive is always verified.
    pub fn entity<T: Entity>(self) -> Self {
        self.entities([T::descriptor().name()])
    }

    /// Verifies only the entity with this name, or the entities with these names; the rest of the archive
    /// is not read.
    pub fn entities<Count>(mut self, names: impl Names<Count>) -> Self {
        let mut wanted = match self.options.selected {
            Selected::Entities(wanted) => wanted,
            _ => BTreeSet::new(),
        };
        wanted.extend(names.into_names());
        self.options.selected = Selected::Entities(wanted);
        self
    }

    /// Sets the storage profile of the backup.
    pub fn from_profile(mut self, profile: impl Into<String>) -> Self {
        self.options.profile = Some(profile.into());
        self
    }

    application_setter!();

    run_setters! {
        /// Stops the verification when the token is cancelled.
    }
}

impl IntoFuture for VerifyBuilder {
    type Output = Result<VerifyReport>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(mut self) -> Self::IntoFuture {
        in_runtime(async move {
            let environment = self.koan.environment()?;
            self.options.listener = environment.listener(&self.options.listener);
            let profile = self.options.profile.as_deref();
            let lookup = environment.lookup(self.options.application.as_ref());
            let (storage, all) = (environment.storage(profile)?, Selection::default());
            let cancel = &self.options.cancel;
            let found = async {
                let any = |_: &crate::archive::Manifest| true;
                let backup = latest::find(environment, storage, lookup, &self.backup, &all, any).await?;
                let identities = environment.identities_for(&backup.manifest).await?;
                Ok((backup, identities))
            };
            let (backup, identities) = until_cancelled(cancel, found).await?;
            let notes = backup.notes(&environment.identity);
            let mut report = verification::run(environment, &backup, &self.options, &identities).await?;
            report.notes.extend(notes);
            Ok(report)
        })
    }
}
