//! `koan.backup("nightly").tags(["nightly"]).await?`

use std::future::IntoFuture;

use futures::future::BoxFuture;

use super::Koan;
use super::setters::{run_setters, selection_setters, timeout_setter};
use crate::archive::Compression;
use crate::entity::EntityDescriptor;
use crate::foundation::error::{Error, Result};
use crate::foundation::id::BackupName;
use crate::operations::backup::{self, BackupOptions, BackupReport};

/// A backup that is made when it is awaited.
///
/// Of each name one is made at a time in a storage: while another process makes one, this fails with
/// [`ErrorKind::Busy`](crate::ErrorKind::Busy) and says who it is. It works under a lease that is renewed meanwhile; if that is lost,
/// the work stops, and nothing is published. A lease is no fence: a process that is paused between the last look at its lease and
/// publishing may publish after another has; both backups are whole then. See [`KoanBuilder::lease_time`](super::KoanBuilder::lease_time).
///
/// # Cancel safety
/// Until the manifest is written, dropping the future or cancelling stops the work, and nothing is published. Writing the
/// manifest is not cancelled; if the future is dropped meanwhile, the backup is published whole or not at all. The lease is given back in each case, in the
/// background when the future is dropped.
#[derive(Debug)]
#[must_use = "a backup is made when it is awaited"]
pub struct BackupBuilder {
    koan: Result<Koan>,
    name: String,
    options: BackupOptions,
    invalid: Option<Error>,
}

impl BackupBuilder {
    pub(super) fn new(koan: Result<Koan>, name: String) -> Self {
        Self { koan, name, options: BackupOptions::default(), invalid: None }
    }

    /// The series it belongs to. Without it, the series is the [name](crate::BackupName) without a date at its end: `nightly` of
    /// `nightly-2026-11-29`. Retention, health and statistics count the backups of a series together.
    pub fn series(mut self, name: impl Into<String>) -> Self {
        match crate::foundation::series::SeriesName::new(name) {
            Ok(series) => self.options.series = Some(series),
            Err(error) => self.invalid = Some(error.context("`.series(…)` is not valid")),
        }
        self
    }

    /// What a person wants to know about it later.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.options.description = Some(description.into());
        self
    }

    /// Words to find it by.
    pub fn tags<S: Into<String>>(mut self, tags: impl IntoIterator<Item = S>) -> Self {
        self.options.tags.extend(tags.into_iter().map(Into::into));
        self
    }

    /// Keeps a word of the caller's with it.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.metadata.insert(key.into(), value.into());
        self
    }

    selection_setters!();

    /// Only entities for which `predicate` holds.
    pub fn filter(mut self, predicate: impl Fn(&EntityDescriptor) -> bool + Send + Sync + 'static) -> Self {
        self.options.selection.predicate = Some(std::sync::Arc::new(predicate));
        self
    }

    /// The storage profile it goes to.
    pub fn to_profile(mut self, profile: impl Into<String>) -> Self {
        self.options.profile = Some(profile.into());
        self
    }

    /// How records are compressed.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.options.compression = compression;
        self
    }

    /// Leaves the schema snapshots of entities out of this backup. A restore then finds changes of a type only by its records.
    ///
    /// An entity whose policy excludes its schema has none in any backup.
    pub fn without_schemas(mut self) -> Self {
        self.options.without_schemas = true;
        self
    }

    /// Backs up what can be read even when an entity cannot. The report's status is `failed` then.
    pub fn continue_on_error(mut self) -> Self {
        self.options.continue_on_error = true;
        self
    }

    /// Reads manifest and archive back from the storage after they were published, and verifies them before success is reported.
    ///
    /// If the backup is damaged there, this fails, and its manifest says from then on that it failed: restores by name and
    /// retention do not count on it. If it cannot be read back, or this is cancelled meanwhile, this fails as well, and the backup stays
    /// as it was published: the error names it. If somebody encrypts it for other recipients meanwhile, what is stored then is
    /// verified; if somebody removes it, this fails and says so.
    pub fn verify_after(mut self) -> Self {
        self.options.verify_after = true;
        self
    }

    /// Entities read at once, where a provider can; 4 by default.
    pub fn max_concurrency(mut self, entities: usize) -> Self {
        self.options.max_concurrency = entities;
        self
    }

    /// Rows between two checks for cancellation and two progress events; 1000 by default.
    pub fn batch_size(mut self, rows: usize) -> Self {
        self.options.batch_size = rows;
        self
    }

    timeout_setter!();

    run_setters! {
        /// Cancels the backup when the token is cancelled: nothing is published.
    }
}

impl IntoFuture for BackupBuilder {
    type Output = Result<BackupReport>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let koan = self.koan?;
            if let Some(error) = self.invalid {
                return Err(error);
            }
            let name = BackupName::of_new_backup(self.name)?;
            backup::run(&koan.environment, &name, &self.options).await
        })
    }
}
