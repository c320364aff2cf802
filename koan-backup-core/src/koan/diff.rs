//! The builder of a comparison: `koan.diff(before, after).await?`.

use std::future::IntoFuture;
use std::sync::Arc;

use futures::future::BoxFuture;

use super::Koan;
use super::names::Names;
use super::setters::run_setters;
use crate::catalog::BackupRef;
use crate::foundation::error::Result;
use crate::foundation::identity::ApplicationIdentity;
use crate::foundation::runtime::in_runtime;
use crate::operations::diff::{self, BackupDiff, DiffOptions, Difference, OnDifference};

/// The builder of a comparison of two backups, which runs when it is awaited.
///
/// Records are compared as the current types read them, so a field that is missing in one of the backups has
/// its default value. The memory use is limited and does not depend on the number of records.
///
/// ```
/// # koan_backup_shop::run(async |koan| {
/// let nightly = koan.catalog().by_name("nightly").await?;
/// let [newer, older] = nightly.as_slice() else { panic!("there are two backups") };
/// let diff = koan.diff(older.id(), newer.id()).on_difference(|found| println!("{found:?}")).await?;
/// let users = diff.entities.iter().find(|found| found.entity == "User").expect("a changed entity");
/// assert_eq!((users.added, users.changed, users.removed), (1, 1, 0));
/// # Ok(())
/// # });
/// ```
///
/// # Errors
/// One of the backups does not exist, has no archive, is damaged, or is encrypted as a whole without a
/// matching key. The report contains the entities that cannot be compared.
#[derive(Debug)]
#[must_use = "a comparison does nothing until it is awaited"]
pub struct DiffBuilder {
    koan: Koan,
    before: BackupRef,
    after: BackupRef,
    options: DiffOptions,
}

impl DiffBuilder {
    pub(super) fn new(koan: Koan, before: BackupRef, after: BackupRef) -> Self {
        Self { koan, before, after, options: DiffOptions::default() }
    }

    /// Sets the storage profile of the first backup.
    pub fn before_in(mut self, profile: impl Into<String>) -> Self {
        self.options.before_profile = Some(profile.into());
        self
    }

    /// Sets the storage profile of the second backup.
    pub fn after_in(mut self, profile: impl Into<String>) -> Self {
        self.options.after_profile = Some(profile.into());
        self
    }

    /// Looks both backups up by name among the backups of another application.
    pub fn from_application(self, application: impl Into<String>, environment: impl Into<String>) -> Self {
        let (application, environment) = (application.into(), environment.into());
        let both = self.before_from_application(&application, &environment);
        both.after_from_application(application, environment)
    }

    /// Looks the first backup up by name among the backups of another application.
    pub fn before_from_application(
        mut self,
        application: impl Into<String>,
        environment: impl Into<String>,
    ) -> Self {
        self.options.before_application = Some(ApplicationIdentity::unvalidated(application, environment));
        self
    }

    /// Looks the second backup up by name among the backups of another application.
    pub fn after_from_application(
        mut self,
        application: impl Into<String>,
        environment: impl Into<String>,
    ) -> Self {
        self.options.after_application = Some(ApplicationIdentity::unvalidated(application, environment));
        self
    }

    /// Selects only the entity with this name, or the entities with these names.
    pub fn entities<Count>(mut self, names: impl Names<Count>) -> Self {
        self.options.entities.extend(names.into_names());
        self
    }

    /// Sets a callback that receives each difference when it is found. The differences are grouped by entity;
    /// within an entity their order is not defined. They are valid only if the complete comparison succeeds,
    /// because damage may be found at the end of an archive.
    pub fn on_difference(mut self, callback: impl Fn(&Difference) + Send + Sync + 'static) -> Self {
        self.options.on_difference = OnDifference(Some(Arc::new(callback)));
        self
    }

    run_setters! {
        /// Stops the comparison when the token is cancelled.
    }
}

impl IntoFuture for DiffBuilder {
    type Output = Result<BackupDiff>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(mut self) -> Self::IntoFuture {
        in_runtime(async move {
            self.options.listener = self.koan.environment.listener(&self.options.listener);
            diff::run(&self.koan.environment, &self.before, &self.after, &self.options).await
        })
    }
}
