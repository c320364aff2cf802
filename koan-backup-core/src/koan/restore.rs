//! The builders of restores and viability checks: `koan.restore("nightly").replace_existing().await?`

use std::future::IntoFuture;
use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;

use super::context::{ContextRef, Koan};
use super::setters::{application_setter, run_setters, selection_setters, timeout_setter};
use crate::archive::Manifest;
use crate::catalog::{BackupRef, StoredBackup};
use crate::encryption::Identities;
use crate::environment::latest;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, Result};
use crate::foundation::id::SetName;
use crate::foundation::runtime::in_runtime;
use crate::operations::restore::{self, RestoreOptions, RestoreReport, Verification, ViabilityReport};
use crate::operations::tree;
use crate::provider::{ConflictMode, RestoreLevel, SessionIntent};

/// The builder of a restore, which runs when it is awaited. The archive is verified before the first write.
///
/// A lease in the storage prevents the removal of the backup during the restore, unless it is a dry run. If
/// the storage cannot be written, the restore continues without a lease and logs a warning.
///
/// ```
/// # use koan_backup_shop::Order;
/// # koan_backup_shop::run(async |koan| {
/// let trial = koan.restore("nightly").entity::<Order>().replace_existing().dry_run().await?;
/// println!("{} orders would be inserted", trial.entities[0].counts.inserted);
///
/// let report = koan.restore("nightly").entity::<Order>().replace_existing().await?;
/// assert_eq!(report.entities[0].records, 2);
/// # Ok(())
/// # });
/// ```
///
/// # Cancel safety
/// If the future is dropped or the restore is cancelled before the commit begins, providers with transactions
/// roll back what was written. Cancelling does not interrupt a commit. If the future is dropped during a
/// commit, the database decides whether the commit takes effect.
#[derive(Debug)]
#[must_use = "a restore does nothing until it is awaited"]
pub struct RestoreBuilder {
    koan: ContextRef,
    source: RestoreSource,
    options: RestoreOptions,
    invalid: Option<Error>,
}

/// The place of the backup that is restored.
#[derive(Clone, Debug)]
enum RestoreSource {
    /// A storage profile.
    Profile(BackupRef),
    /// The directory tree with this root.
    Directory(PathBuf, BackupRef),
}

impl RestoreBuilder {
    pub(super) fn new(koan: ContextRef, backup: BackupRef) -> Self {
        let options = koan.defaults().restore();
        Self { koan, source: RestoreSource::Profile(backup), options, invalid: None }
    }

    /// Creates the builder of a restore from the directory tree in `root`.
    pub(super) fn from_directory(koan: ContextRef, root: PathBuf, backup: BackupRef) -> Self {
        let options = RestoreOptions { profile: None, ..koan.defaults().restore() };
        Self { koan, source: RestoreSource::Directory(root, backup), options, invalid: None }
    }

    selection_setters!();

    /// Writes the records to this set instead of the set from which they were backed up.
    pub fn to_set(mut self, name: impl Into<String>) -> Self {
        match SetName::new(name) {
            Ok(set) => self.options.target_set = Some(set),
            Err(error) => self.invalid = Some(error),
        }
        self
    }

    /// Sets the storage profile of the backup.
    pub fn from_profile(mut self, profile: impl Into<String>) -> Self {
        self.options.profile = Some(profile.into());
        self
    }

    application_setter!();

    /// Sets what happens to a record whose key already exists. By default it is overwritten. With
    /// [`replace_existing`](Self::replace_existing), the mode has no effect: no existing record is kept, and none is a
    /// conflict.
    pub fn on_conflict(mut self, mode: ConflictMode) -> Self {
        self.options.conflict = mode;
        self
    }

    /// Deletes existing records that are not in the archive, and overwrites the others, so that the records are those of
    /// the archive afterwards.
    pub fn replace_existing(mut self) -> Self {
        self.options.replace_existing = true;
        self
    }

    /// Sets which objects of the database a provider may suspend to be faster. The default is
    /// [`RestoreLevel::Fast`]. A level combines several settings; [`keep_indexes`](Self::keep_indexes),
    /// [`keep_constraints`](Self::keep_constraints) and [`without_bulk_mode`](Self::without_bulk_mode)
    /// disable the same optimizations one by one.
    pub fn level(mut self, level: RestoreLevel) -> Self {
        self.options.level = level;
        self
    }

    /// Does not suspend constraints: no constraint is dropped, altered or deferred beyond its declaration.
    /// Records must then be in an order that the foreign keys accept. A restore that cannot work without
    /// suspending a constraint is refused. Providers without constraints ignore this setting.
    pub fn keep_constraints(mut self) -> Self {
        self.options.keep_constraints = true;
        self
    }

    /// Does not suspend indexes: no index is dropped and rebuilt. Providers without indexes ignore this
    /// setting.
    pub fn keep_indexes(mut self) -> Self {
        self.options.keep_indexes = true;
        self
    }

    /// Disables the faster methods for empty or replaced tables, such as TRUNCATE and dropping objects: all
    /// tables are written as if they kept existing rows. Providers without such methods ignore this setting.
    pub fn without_bulk_mode(mut self) -> Self {
        self.options.without_bulk_mode = true;
        self
    }

    /// Compares every record with the database and writes nothing.
    pub fn dry_run(mut self) -> Self {
        self.options.intent = SessionIntent::Compare;
        self
    }

    /// Creates missing tables from the schemas of the entities.
    pub fn create_missing(mut self) -> Self {
        self.options.create_missing = true;
        self
    }

    /// Restores the completed entities of a backup in which other entities failed.
    pub fn allow_partial(mut self) -> Self {
        self.options.allow_partial = true;
        self
    }

    /// Accepts the loss of fields that the archive has and the type does not.
    pub fn allow_field_loss(mut self) -> Self {
        self.options.allow_field_loss = true;
        self
    }

    /// Verifies only the directory and documents of the archive before the first write. The hash of each
    /// entry is still checked before the commit.
    pub fn without_verification(mut self) -> Self {
        self.options.verification = Verification::BeforeCommit;
        self
    }

    /// Sets the number of records in a batch. The default is 1000.
    pub fn batch_size(mut self, records: usize) -> Self {
        self.options.batch_size = records;
        self
    }

    /// Sets the number of blocks that are decoded at the same time. The maximum is the number of cores plus
    /// one. The default is 4.
    pub fn max_concurrency(mut self, blocks: usize) -> Self {
        self.options.max_concurrency = blocks;
        self
    }

    timeout_setter!();

    run_setters! {
        /// Rolls the restore back when the token is cancelled.
    }

    /// Checks, without writing, whether this restore would succeed.
    pub fn viability(self) -> ViabilityBuilder {
        ViabilityBuilder(self)
    }

    /// Returns the context, the place of the backup, and the options, if all are valid.
    fn into_parts(self) -> Result<(Koan, RestoreSource, RestoreOptions)> {
        match self.invalid {
            Some(error) => Err(error),
            None => Ok((self.koan.require()?.clone(), self.source, self.options)),
        }
    }

    /// Announces the end of a restore whose settings are invalid.
    fn announce_if_invalid(&self) {
        if let (Some(error), Ok(environment)) = (&self.invalid, self.koan.environment()) {
            let (RestoreSource::Profile(backup) | RestoreSource::Directory(_, backup)) = &self.source;
            restore::announce_refusal(environment, backup, &self.options, error);
        }
    }
}

/// Finds the backup, and the keys that decrypt it.
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
        backup.unreadable.iter().for_each(|manifest| {
            tracing::warn!(
                target: "koan::backup", used = %backup.manifest.id, manifest = %manifest.path,
                problem = %manifest.problem,
                "a manifest that cannot be read may belong to a newer backup"
            );
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
        in_runtime(async move {
            self.announce_if_invalid();
            let (koan, source, options) = self.into_parts()?;
            match source {
                RestoreSource::Profile(backup) => {
                    let found = Box::pin(find(&koan, &backup, &options));
                    restore::run(&koan.environment, &backup, found, &options).await
                }
                RestoreSource::Directory(root, backup) => {
                    tree::restore(&koan.environment, root, &backup, &options).await
                }
            }
        })
    }
}

/// A viability check of a restore, which runs when it is awaited.
///
/// ```
/// # koan_backup_shop::run(async |koan| {
/// let check = koan.restore("latest").viability().await?;
/// for finding in &check.findings {
///     println!("{finding}");
/// }
/// assert!(check.is_viable());
/// # Ok(())
/// # });
/// ```
#[derive(Debug)]
#[must_use = "a viability check does nothing until it is awaited"]
pub struct ViabilityBuilder(RestoreBuilder);

impl IntoFuture for ViabilityBuilder {
    type Output = Result<ViabilityReport>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        in_runtime(async move {
            let (koan, source, options) = self.0.into_parts()?;
            match source {
                RestoreSource::Profile(backup) => {
                    let (backup, identities) = find(&koan, &backup, &options).await?;
                    restore::assess(&koan.environment, &backup, &identities, &options).await
                }
                RestoreSource::Directory(root, backup) => {
                    Box::pin(tree::assess(&koan.environment, root, &backup, &options)).await
                }
            }
        })
    }
}
