//! The builders that read the content of a backup: `koan.extract("latest").to_files("files").await?`.

use std::future::IntoFuture;
use std::path::{Path, PathBuf};

use futures::future::BoxFuture;

use super::Koan;
use super::setters::{application_setter, cancel_setter};
use crate::archive::Manifest;
use crate::catalog::BackupRef;
use crate::environment::newest;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, Result};
use crate::foundation::id::SetName;
use crate::foundation::runtime::in_runtime;
use crate::operations::extract::{
    self, ExtractOptions, ExtractReport, OpenBackup, RecordStream, no_entity_error,
};
use crate::operations::tree::DirectoryBackupReport;

/// The builder of an extraction of a stored backup. Its types need not be known to the application.
///
/// ```
/// # let folder = tempfile::tempdir().expect("a temporary directory");
/// # let (files, tree) = (folder.path().join("files"), folder.path().join("tree"));
/// # koan_backup_shop::run(async move |koan| {
/// let report = koan.extract("nightly").to_files(&files).await?;
/// assert!(report.undecrypted.is_empty());
/// let report = koan.extract("nightly").to_directory(&tree).await?;
/// println!("{} records", report.item_count());
/// # Ok(())
/// # });
/// ```
#[derive(Debug)]
#[must_use = "select the form with `.to_files(…)` or `.to_directory(…)`"]
pub struct ExtractBuilder {
    koan: Koan,
    backup: BackupRef,
    options: ExtractOptions,
}

impl ExtractBuilder {
    pub(super) fn new(koan: Koan, backup: BackupRef) -> Self {
        Self { koan, backup, options: ExtractOptions::default() }
    }

    /// Sets the storage profile of the backup.
    pub fn from_profile(mut self, profile: impl Into<String>) -> Self {
        self.options.profile = Some(profile.into());
        self
    }

    application_setter!();

    cancel_setter! {
        /// Stops the extraction when `token` is cancelled. What was written is removed.
    }

    /// Unpacks the archive into an empty or new directory, as `unzip` does: `manifest.json`, `entities/User.jsonl`, and
    /// the documents. Everything is verified. Encrypted records are decrypted if a key of the context decrypts them;
    /// otherwise their files stay encrypted, and the report lists them.
    pub fn to_files(self, directory: impl AsRef<Path>) -> ExtractFilesBuilder {
        ExtractFilesBuilder { extract: self, directory: directory.as_ref().to_owned() }
    }

    /// Converts the backup into a backup of the directory tree in `root`. Encrypted entities are decrypted with a key
    /// of the context and encrypted for its recipients; without either, the conversion is refused.
    pub fn to_directory(self, root: impl AsRef<Path>) -> ExtractDirectoryBuilder {
        ExtractDirectoryBuilder { extract: self, root: root.as_ref().to_owned() }
    }

    /// Finds and opens the backup.
    pub(super) async fn open(&self) -> Result<OpenBackup> {
        let environment = &self.koan.environment;
        let has_archive = |manifest: &Manifest| manifest.archive.is_some();
        let storage = environment.storage(self.options.profile.as_deref())?;
        let lookup = environment.lookup(self.options.application.as_ref());
        let opened = async {
            let found = newest::find(environment, storage, lookup, &self.backup, has_archive).await?;
            OpenBackup::open(environment, found).await
        };
        until_cancelled(&self.options.cancel, opened).await
    }
}

/// The builder of an extraction into files, which runs when it is awaited.
///
/// # Cancel safety
/// If the future is dropped, fails or is cancelled, everything that was written is removed.
#[derive(Debug)]
#[must_use = "an extraction does nothing until it is awaited"]
pub struct ExtractFilesBuilder {
    extract: ExtractBuilder,
    directory: PathBuf,
}

impl IntoFuture for ExtractFilesBuilder {
    type Output = Result<ExtractReport>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        in_runtime(async move {
            self.extract.koan.environment.require_outside_storage(&self.directory).await?;
            let backup = self.extract.open().await?;
            extract::to_files(&backup, self.directory, &self.extract.options).await
        })
    }
}

/// The builder of an extraction into a directory tree, which runs when it is awaited.
///
/// # Cancel safety
/// Until the registry of the tree is written, dropping the future or cancelling stops the extraction. Nothing is
/// registered then, and the files that were written are removed.
#[derive(Debug)]
#[must_use = "an extraction does nothing until it is awaited"]
pub struct ExtractDirectoryBuilder {
    extract: ExtractBuilder,
    root: PathBuf,
}

impl IntoFuture for ExtractDirectoryBuilder {
    type Output = Result<DirectoryBackupReport>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        in_runtime(async move {
            let environment = &self.extract.koan.environment;
            environment.require_outside_storage(&self.root).await?;
            let backup = self.extract.open().await?;
            extract::to_tree(environment, &backup, self.root, &self.extract.options).await
        })
    }
}

/// The builder of a stream of the records of one entity, which opens the backup when it is awaited.
///
/// ```
/// # koan_backup_shop::run(async |koan| {
/// let records = koan.records("nightly").entity("Order").await?;
/// assert_eq!(records.item_count(), 2);
/// # Ok(())
/// # });
/// ```
#[derive(Debug)]
#[must_use = "nothing is read until the builder is awaited"]
pub struct RecordsBuilder {
    extract: ExtractBuilder,
    entity: Option<String>,
    set: Option<SetName>,
    invalid: Option<Error>,
}

impl RecordsBuilder {
    pub(super) fn new(koan: Koan, backup: BackupRef) -> Self {
        Self { extract: ExtractBuilder::new(koan, backup), entity: None, set: None, invalid: None }
    }

    /// Sets the entity, by the name that the backup contains.
    pub fn entity(mut self, name: impl Into<String>) -> Self {
        self.entity = Some(name.into());
        self
    }

    /// Sets the set. Without this setting, it is `root`, or the only set of the entity.
    pub fn set(mut self, name: impl Into<String>) -> Self {
        match SetName::new(name) {
            Ok(set) => self.set = Some(set),
            Err(error) => self.invalid = Some(error),
        }
        self
    }

    /// Sets the storage profile of the backup.
    pub fn from_profile(mut self, profile: impl Into<String>) -> Self {
        self.extract = self.extract.from_profile(profile);
        self
    }

    /// Looks up a backup name among the backups of another application. Without this setting, only backups of the
    /// application of this context are considered. A backup id is found in any application.
    pub fn from_application(
        mut self,
        application: impl Into<String>,
        environment: impl Into<String>,
    ) -> Self {
        self.extract = self.extract.from_application(application, environment);
        self
    }

    /// Stops the reading when `token` is cancelled. The stream ends with an error then.
    pub fn cancel_on(mut self, token: tokio_util::sync::CancellationToken) -> Self {
        self.extract = self.extract.cancel_on(token);
        self
    }
}

impl IntoFuture for RecordsBuilder {
    type Output = Result<RecordStream>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        in_runtime(async move {
            if let Some(error) = self.invalid {
                return Err(error);
            }
            let entity = self.entity.ok_or_else(no_entity_error)?;
            let backup = self.extract.open().await?;
            RecordStream::new(backup, &entity, self.set.as_ref(), self.extract.options.cancel)
        })
    }
}
