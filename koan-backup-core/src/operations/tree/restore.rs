//! Restores a backup of a tree: converts it into a staged archive, and restores that archive.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::root::require_registry;
use super::select::select;
use super::stage::StagedConversion;
use super::staging::{Staging, staging_environment};
use crate::catalog::{self, BackupRef, StoredBackup};
use crate::encryption::{ArchiveEncryption, EphemeralKey, Identities};
use crate::environment::Environment;
use crate::foundation::blocking::blocking;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::operations::restore::{self, RestoreOptions, RestoreReport, ViabilityReport};
use crate::storage::Storage;

/// A staging storage for a restore.
struct Staged {
    directory: Staging,
    environment: Environment,
}

impl Staged {
    async fn new(environment: &Environment) -> Result<Self> {
        let clock = Arc::clone(&environment.clock);
        let directory =
            blocking("creates the staging directory", move || Staging::temporary(&clock)).await??;
        let storage = Storage::local(directory.path()?)?.archive_encryption(ArchiveEncryption::Always);
        let key = EphemeralKey::generate()?;
        let clock = Arc::clone(&environment.clock);
        let environment = staging_environment(environment, storage, key, clock, environment.operation_log);
        Ok(Self { directory, environment })
    }

    /// Finds a backup of a tree, and converts it into an archive of the staging storage.
    async fn find<'s>(
        &'s self,
        environment: &Environment,
        root: &Path,
        wanted: &BackupRef,
        options: &RestoreOptions,
    ) -> Result<(StoredBackup<'s>, Arc<Identities>)> {
        let path = root.to_owned();
        let registry = blocking("reads the directory tree", move || require_registry(&path)).await??;
        environment.check_provider_filters(&options.selection)?;
        let backup = select(environment, &root.display().to_string(), &registry, wanted, options)?;
        let storage = self.environment.storage(None)?;
        let recipients = self
            .environment
            .recipients
            .as_ref()
            .ok_or_else(|| Error::new(ErrorKind::Internal, "the staging storage has no key"))?;
        let selection = &options.selection;
        let conversion = StagedConversion { environment, root, backup, selection, storage, recipients };
        conversion.run(&options.cancel).await?;
        let stored = catalog::find_id(storage, backup.id).await?;
        let identities = Arc::new(self.environment.identities().await?);
        let stored = stored.opened(&identities).await?;
        Ok((stored, identities))
    }
}

/// Restores a backup of the tree in `root`.
///
/// # Cancel safety
/// As a restore from a storage profile. The staged archive is removed in each case.
pub(crate) async fn run(
    environment: &Environment,
    root: PathBuf,
    wanted: &BackupRef,
    options: &RestoreOptions,
) -> Result<RestoreReport> {
    let staged = async {
        require_no_profile(options)?;
        Staged::new(environment).await
    };
    let staged =
        staged.await.inspect_err(|error| restore::announce_refusal(environment, wanted, options, error))?;
    let found = Box::pin(staged.find(environment, &root, wanted, options));
    let restored = restore::run(&staged.environment, wanted, found, options).await;
    staged.directory.remove().await;
    restored
}

/// Checks, without writing to a database, whether a restore of a backup of the tree in `root` would succeed.
pub(crate) async fn assess(
    environment: &Environment,
    root: PathBuf,
    wanted: &BackupRef,
    options: &RestoreOptions,
) -> Result<ViabilityReport> {
    require_no_profile(options)?;
    let staged = Staged::new(environment).await?;
    let assessed = async {
        let (backup, identities) = staged.find(environment, &root, wanted, options).await?;
        restore::assess(&staged.environment, &backup, &identities, options).await
    };
    let assessed = until_cancelled(&options.cancel, assessed).await;
    staged.directory.remove().await;
    assessed
}

fn require_no_profile(options: &RestoreOptions) -> Result<()> {
    match &options.profile {
        None => Ok(()),
        Some(profile) => Err(Error::new(
            ErrorKind::Configuration,
            format!("a restore from a directory tree does not read profile `{profile}`"),
        )
        .with_help("remove `.from_profile(…)`, or use `koan.restore(…)`")),
    }
}
