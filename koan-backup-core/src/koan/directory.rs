//! The builders of backups into directory trees, and of restores from them.

use std::future::IntoFuture;
use std::path::{Path, PathBuf};

use futures::future::BoxFuture;

use super::context::Koan;
use super::refused_backup::{RefusedBackup, ValidBackup};
use super::restore::RestoreBuilder;
use crate::catalog::{BackupRef, SizeDrop, require_reason};
use crate::foundation::error::Result;
use crate::foundation::id::BackupId;
use crate::foundation::runtime::{in_runtime, require_timers};
use crate::operations::tree::{self, DirectoryBackupReport};

/// The builder of a backup into a directory tree, which runs when it is awaited.
///
/// Only one operation can write into a tree at a time. While another process does, awaiting the builder fails with
/// [`ErrorKind::Busy`](crate::ErrorKind::Busy). The guide "Directory layout" describes the files.
///
/// ```
/// # let folder = tempfile::tempdir().expect("a temporary directory");
/// # let root = folder.path().join("fixtures");
/// # koan_backup_shop::run(async move |koan| {
/// let report = koan.backup("fixtures").to_directory(&root).await?;
/// println!("{} records in {}/*/{}", report.item_count(), report.root, report.directory);
/// # Ok(())
/// # });
/// ```
///
/// # Cancel safety
/// Until the registry of the tree is written, dropping the future or cancelling stops the backup. Nothing is
/// registered then, and the files that were written are removed.
#[derive(Debug)]
#[must_use = "a backup does nothing until it is awaited"]
pub struct DirectoryBackupBuilder {
    backup: Result<ValidBackup, RefusedBackup>,
    root: PathBuf,
}

impl DirectoryBackupBuilder {
    /// Creates the builder of a backup whose settings are valid, or are refused when the builder is awaited.
    pub(super) fn new(backup: Result<ValidBackup, RefusedBackup>, root: &Path) -> Self {
        Self { backup, root: root.to_owned() }
    }
}

impl IntoFuture for DirectoryBackupBuilder {
    type Output = Result<DirectoryBackupReport>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        in_runtime(async move {
            let (koan, name, options) = self.backup.map_err(RefusedBackup::announce)?;
            tree::back_up(&koan.environment, &name, &options, self.root).await
        })
    }
}

/// A directory tree whose backups can be restored.
///
/// ```
/// # let folder = tempfile::tempdir().expect("a temporary directory");
/// # let root = folder.path().join("fixtures");
/// # koan_backup_shop::run(async move |koan| {
/// # let _ = koan.backup("fixtures").to_directory(&root).await?;
/// let trial = koan.restore_directory(&root).at("latest").replace_existing().dry_run().await?;
/// assert!(trial.dry_run);
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug)]
#[must_use = "select a backup with `.at(…)`"]
pub struct RestoreDirectory {
    koan: Koan,
    root: PathBuf,
}

impl RestoreDirectory {
    pub(super) fn new(koan: Koan, root: &Path) -> Self {
        Self { koan, root: root.to_owned() }
    }

    /// Selects a backup of the tree: `latest`, an id, the last eight digits of an id, the name of its directory such
    /// as `2025-10-02T15-30-45Z`, or the name of the backup (the newest completed backup with this name).
    ///
    /// The returned builder has all settings of a restore except
    /// [`from_profile`](RestoreBuilder::from_profile). Each file of the backup is verified before the first write,
    /// even [`without_verification`](RestoreBuilder::without_verification).
    pub fn at(self, backup: impl Into<BackupRef>) -> RestoreBuilder {
        RestoreBuilder::from_directory(self.koan.into(), self.root, backup.into())
    }
}

impl Koan {
    /// Acknowledges that entities have fewer records in a backup of the directory tree in `root` than in the previous
    /// one. Until then, each later backup of its series into the tree warns of the loss, and retention keeps the last
    /// backup before the loss. Returns the acknowledged losses.
    ///
    /// # Errors
    /// The reason is empty, there is no such backup, it has no loss, it belongs to another application, or the tree
    /// cannot be written.
    pub async fn acknowledge_in_directory(
        &self,
        root: impl AsRef<Path>,
        id: BackupId,
        reason: &str,
    ) -> Result<Vec<SizeDrop>> {
        require_timers()?;
        require_reason(reason)?;
        tree::acknowledge(&self.environment, root.as_ref().to_owned(), id, reason).await
    }
}
