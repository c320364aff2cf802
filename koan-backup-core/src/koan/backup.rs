//! The builder of a backup: `koan.backup("nightly").tag("nightly").await?`.

use std::future::IntoFuture;
use std::path::Path;

use futures::future::BoxFuture;

use super::context::ContextRef;
use super::directory::DirectoryBackupBuilder;
use super::names::Names;
use super::refused_backup::{RefusedBackup, ValidBackup};
use super::setters::{run_setters, selection_setters, timeout_setter};
use crate::archive::Compression;
use crate::entity::EntityDescriptor;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupName;
use crate::foundation::runtime::in_runtime;
use crate::operations::backup::{self, BackupOptions, BackupReport};

/// The builder of a backup, which runs when it is awaited.
///
/// Only one backup with a given name can run at a time in a storage. While another process makes a backup
/// with the same name, awaiting the builder fails with [`ErrorKind::Busy`](crate::ErrorKind::Busy), and the
/// error identifies that process. The backup holds a lease and renews it until it ends. If the lease is lost,
/// the backup stops and nothing is published. A lease is not a fence: a process that is paused between the
/// last check of its lease and the publication may publish after another process has published; both backups
/// are complete then. See [`KoanBuilder::lease_time`](super::KoanBuilder::lease_time).
///
/// ```
/// use std::time::Duration;
/// # koan_backup_shop::run(async |koan| {
/// let report = koan
///     .backup("before-the-sale")
///     .description("prices change at midnight")
///     .tags(["manual"])
///     .exclude(["Order"])
///     .verify_after()
///     .timeout(Duration::from_secs(600))
///     .await?;
/// println!("{} records in {}", report.item_count(), report.id());
/// # Ok(())
/// # });
/// ```
///
/// # Cancel safety
/// Until the manifest is written, dropping the future or cancelling stops the backup, and nothing is
/// published. Writing the manifest is not cancelled; if the future is dropped meanwhile, the backup is
/// published completely or not at all. The lease is released in each case, in the background if the future is
/// dropped.
#[derive(Debug)]
#[must_use = "a backup does nothing until it is awaited"]
pub struct BackupBuilder {
    koan: ContextRef,
    name: String,
    options: BackupOptions,
    invalid: Option<Error>,
    requirement: SelectionRequirement,
}

/// Whether a backup must select entities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SelectionRequirement {
    /// A backup that selects nothing contains everything.
    None,
    /// A backup that selects nothing is refused.
    Selected,
}

impl BackupBuilder {
    pub(super) fn new(koan: ContextRef, name: String) -> Self {
        let options = koan.defaults().backup();
        Self { koan, name, options, invalid: None, requirement: SelectionRequirement::None }
    }

    /// Makes the backup fail if it selects nothing.
    pub(super) fn requiring_selection(mut self) -> Self {
        self.requirement = SelectionRequirement::Selected;
        self
    }

    /// Sets the series. By default it is the [name](crate::BackupName) without a date at its end, for example
    /// `nightly` for `nightly-2026-11-29`. Retention, health and statistics treat the backups of a series
    /// together.
    pub fn series(mut self, name: impl Into<String>) -> Self {
        match crate::foundation::series::SeriesName::new(name) {
            Ok(series) => self.options.series = Some(series),
            Err(error) => self.invalid = Some(error.context("`.series(…)` is not valid")),
        }
        self
    }

    /// Sets a description for people.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.options.description = Some(description.into());
        self
    }

    /// Records who or what started the backup, for example `alice` or `the nightly job`: at most 200 characters.
    pub fn triggered_by(mut self, who: impl Into<String>) -> Self {
        self.options.triggered_by = Some(who.into());
        self
    }

    /// Records why the backup was started: at most 1000 characters. Without a
    /// [description](Self::description), one is composed from who started the backup and why.
    pub fn reason(mut self, why: impl Into<String>) -> Self {
        self.options.reason = Some(why.into());
        self
    }

    /// Adds a tag, by which a catalog query can select the backup. Several calls add several tags.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.options.tags.push(tag.into());
        self
    }

    /// Adds one or several tags.
    pub fn tags<Count>(mut self, tags: impl Names<Count>) -> Self {
        self.options.tags.extend(tags.into_names());
        self
    }

    /// Adds metadata of the application, a key and its value, to the manifest.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.metadata.insert(key.into(), value.into());
        self
    }

    selection_setters!();

    /// Selects only entities for which `predicate` returns `true`.
    pub fn filter(mut self, predicate: impl Fn(&EntityDescriptor) -> bool + Send + Sync + 'static) -> Self {
        self.options.selection.predicate = Some(std::sync::Arc::new(predicate));
        self
    }

    /// Sets the storage profile that receives the archive.
    pub fn to_profile(mut self, profile: impl Into<String>) -> Self {
        self.options.profile = Some(profile.into());
        self
    }

    /// Sets how records are compressed.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.options.compression = compression;
        self
    }

    /// Omits the schema snapshots of entities. A restore then detects changes of a type only by its records.
    ///
    /// An entity whose policy excludes its schema has no snapshot in any backup.
    pub fn without_schemas(mut self) -> Self {
        self.options.without_schemas = true;
        self
    }

    /// Continues with the other entities when an entity fails. The status of the backup is `failed` then.
    pub fn continue_on_error(mut self) -> Self {
        self.options.continue_on_error = true;
        self
    }

    /// Reads manifest and archive back from the storage after the publication, and verifies them. The
    /// operation succeeds only if they are valid.
    ///
    /// If the stored backup is damaged, the operation fails, and the status of the backup becomes `failed`,
    /// so that restores by name and retention do not rely on it. If the backup cannot be read back, or the
    /// verification is cancelled, the operation fails as well, and the published backup is kept; the error
    /// contains its id. If another process rekeys the backup meanwhile, the new archive is verified; if
    /// another process removes the backup, the operation fails.
    pub fn verify_after(mut self) -> Self {
        self.options.verify_after = true;
        self
    }

    /// Does not verify the backup after its publication, even if the [defaults](crate::KoanBuilder::backup_defaults) of
    /// the context request it.
    pub fn without_verification(mut self) -> Self {
        self.options.verify_after = false;
        self
    }

    /// Sets the maximum number of entities that are read at the same time, if the provider supports it. The
    /// default is 4.
    pub fn max_concurrency(mut self, entities: usize) -> Self {
        self.options.max_concurrency = entities;
        self
    }

    /// Sets the number of rows between two checks for cancellation and two progress events. The default is
    /// 1000.
    pub fn batch_size(mut self, rows: usize) -> Self {
        self.options.batch_size = rows;
        self
    }

    timeout_setter!();

    run_setters! {
        /// Cancels the backup when the token is cancelled. Nothing is published then.
    }
}

impl BackupBuilder {
    /// Writes the backup into the directory tree in `root`, as plain files, and not into a storage profile. A tree that
    /// does not exist is created. Call it last, because the returned builder has no other settings.
    ///
    /// The records are compressed only in the staging storage, so [`compression`](Self::compression) has no effect.
    /// With [`verify_after`](Self::verify_after), the files are read back before the backup is registered. Encrypted
    /// entities are encrypted in the tree as well; their content cannot be read back without a key, so their bytes are
    /// compared.
    pub fn to_directory(mut self, root: impl AsRef<Path>) -> DirectoryBackupBuilder {
        if self.options.profile != self.koan.defaults().backup.profile {
            let text = "a backup cannot be written into a storage profile and into a directory tree";
            let error = Error::new(ErrorKind::Configuration, text);
            self.invalid = Some(error.with_help("use either `.to_profile(…)` or `.to_directory(…)`"));
        }
        DirectoryBackupBuilder::new(self.into_parts(), root.as_ref())
    }

    /// Returns the context, the name and the options, if all are valid.
    fn into_parts(self) -> Result<ValidBackup, RefusedBackup> {
        let koan = match self.koan.require() {
            Ok(koan) => koan.clone(),
            Err(error) => return Err(RefusedBackup::without_name(error)),
        };
        let selects_nothing = || {
            self.requirement == SelectionRequirement::Selected && !self.options.selection.selects_something()
        };
        let problem = self.invalid.or_else(|| selects_nothing().then(|| nothing_selected(&self.name)));
        match (problem, BackupName::of_new_backup(self.name)) {
            (None, Ok(name)) => Ok((koan, name, self.options)),
            (Some(error), Ok(name)) => Err(RefusedBackup::new(error, (koan, name, self.options))),
            (Some(error), Err(_)) | (None, Err(error)) => Err(RefusedBackup::without_name(error)),
        }
    }
}

fn nothing_selected(name: &str) -> Error {
    Error::new(
        ErrorKind::Configuration,
        format!(
            "backup `{0}` of selected entities selects none; add `.entity::<T>()`, `.entities(…)`, \
             `.providers(…)`, `.sets(…)` or `.filter(…)`, or back everything up with \
             `Backup::all(\"{0}\")`",
            name.escape_debug()
        ),
    )
}

impl IntoFuture for BackupBuilder {
    type Output = Result<BackupReport>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        in_runtime(async move {
            let (koan, name, options) = self.into_parts().map_err(RefusedBackup::announce)?;
            backup::run(&koan.environment, &name, &options).await
        })
    }
}
