//! `koan.diff(before, after).await?`

use std::future::IntoFuture;
use std::sync::Arc;

use futures::future::BoxFuture;

use super::Koan;
use super::setters::cancel_setter;
use crate::catalog::BackupRef;
use crate::foundation::error::Result;
use crate::foundation::identity::ApplicationIdentity;
use crate::operations::diff::{self, BackupDiff, DiffOptions, Difference, OnDifference};

/// Two backups that are compared when this is awaited.
///
/// Records are compared as the types of today read them: a field that one of the backups lacks has its default. Memory is bounded,
/// however many records there are.
///
/// # Errors
/// One of the backups does not exist, has no archive, is damaged, or is sealed as a whole and there is no key. An entity that
/// cannot be compared is told in the report.
#[derive(Debug)]
#[must_use = "nothing is compared before it is awaited"]
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

    /// The storage profile of the first backup.
    pub fn before_in(mut self, profile: impl Into<String>) -> Self {
        self.options.before_profile = Some(profile.into());
        self
    }

    /// The storage profile of the second backup.
    pub fn after_in(mut self, profile: impl Into<String>) -> Self {
        self.options.after_profile = Some(profile.into());
        self
    }

    /// Looks both backups up by name among those of another application.
    pub fn from_application(self, application: impl Into<String>, environment: impl Into<String>) -> Self {
        let (application, environment) = (application.into(), environment.into());
        let both = self.before_from_application(&application, &environment);
        both.after_from_application(application, environment)
    }

    /// Looks the first backup up by name among those of another application.
    pub fn before_from_application(
        mut self,
        application: impl Into<String>,
        environment: impl Into<String>,
    ) -> Self {
        self.options.before_application = Some(ApplicationIdentity::asked_for(application, environment));
        self
    }

    /// Looks the second backup up by name among those of another application.
    pub fn after_from_application(
        mut self,
        application: impl Into<String>,
        environment: impl Into<String>,
    ) -> Self {
        self.options.after_application = Some(ApplicationIdentity::asked_for(application, environment));
        self
    }

    /// Only the entities of these names.
    pub fn entities<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.options.entities.extend(names.into_iter().map(Into::into));
        self
    }

    /// Is given each record that differs as it is found: by entity, and within one in no order. That counts once the whole has
    /// ended well: an archive may turn out to be damaged at its end.
    pub fn on_difference(mut self, take: impl Fn(&Difference) + Send + Sync + 'static) -> Self {
        self.options.on_difference = OnDifference(Some(Arc::new(take)));
        self
    }

    cancel_setter! {
        /// Stops comparing when the token is cancelled.
    }
}

impl IntoFuture for DiffBuilder {
    type Output = Result<BackupDiff>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(
            async move { diff::run(&self.koan.environment, &self.before, &self.after, &self.options).await },
        )
    }
}
