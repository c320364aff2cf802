//! The builder of a diagnosis: `koan.diagnose().await?`.

use std::future::IntoFuture;
use std::time::Duration;

use futures::future::BoxFuture;

use super::builder::KoanBuilder;
use super::context::Koan;
use super::setters::cancel_setter;
use crate::catalog::Expectations;
use crate::foundation::error::{Error, Result};
use crate::foundation::runtime::in_runtime;
use crate::operations::diagnosis::{
    self, Check, CheckCode, CheckSubject, Diagnosis, DiagnosisOptions, Examined,
};

/// The builder of a diagnosis, which runs when it is awaited: it checks the configuration, the databases, the storage
/// profiles, the keys, the coverage and the ages of the backups. Each finding has a remedy.
///
/// Each storage gets a probe, a small file that is removed again. Nothing else is written: no database and no
/// storage profile is created.
///
/// ```
/// # koan_backup_shop::run(async |koan| {
/// use std::time::Duration;
///
/// let diagnosis = koan.diagnose().timeout(Duration::from_secs(10)).await?;
/// for check in &diagnosis.checks {
///     println!("{:?} {}: {}", check.state, check.label(), check.detail);
/// }
/// # assert!(diagnosis.is_healthy());
/// # Ok(())
/// # });
/// ```
///
/// # Cancel safety
/// Dropping the future stops the checks, and a task of the runtime removes the probes. Cancelling also waits until
/// the probes are removed.
#[derive(Debug)]
#[must_use = "a diagnosis does nothing until it is awaited"]
pub struct DiagnosisBuilder {
    source: Source,
    options: DiagnosisOptions,
    expectations: Option<Expectations>,
    checks: Vec<Check>,
    failed: FailedParts,
}

/// What is examined.
#[derive(Debug)]
enum Source {
    Context(Koan),
    Builder(Box<KoanBuilder>),
    /// Only the checks that were added.
    Checks,
}

/// The names of the providers and storage profiles that could not be opened.
#[derive(Debug, Default)]
pub(super) struct FailedParts {
    pub(super) providers: Vec<String>,
    pub(super) storages: Vec<String>,
}

impl DiagnosisBuilder {
    pub(super) fn of_context(koan: Koan) -> Self {
        Self::new(Source::Context(koan))
    }

    pub(super) fn of_builder(builder: KoanBuilder) -> Self {
        Self::new(Source::Builder(Box::new(builder)))
    }

    /// Returns a diagnosis that consists only of checks that are [added](Self::check), for an application whose
    /// configuration cannot be read.
    pub fn without_context() -> Self {
        Self::new(Source::Checks)
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            options: DiagnosisOptions::default(),
            expectations: None,
            checks: Vec::new(),
            failed: FailedParts::default(),
        }
    }

    /// Sets the time limit of each check. A provider or store that does not respond within it is a problem. The
    /// default is 30 seconds.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.options.timeout = limit;
        self
    }

    /// Sets the expected ages of the backups and of their verifications. The default is the expectations of the
    /// [context](crate::KoanBuilder::expectations).
    pub fn expectations(mut self, expectations: Expectations) -> Self {
        self.expectations = Some(expectations);
        self
    }

    /// Adds a check that the caller made.
    pub fn check(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    /// Adds a provider that could not be opened. Its entities are not checked.
    pub fn failed_provider(mut self, name: impl Into<String>, error: &Error) -> Self {
        let (name, remedy) = (name.into(), "check the path or address of the database, and its permissions");
        let check = Check::of_error(CheckSubject::Provider, CheckCode::ProviderFailed, error, remedy);
        self.checks.push(check.with_name(&name));
        self.failed.providers.push(name);
        self
    }

    /// Adds a storage profile that could not be opened.
    pub fn failed_storage(mut self, name: impl Into<String>, error: &Error) -> Self {
        let (name, remedy) = (name.into(), "check the path or address of the storage, and its permissions");
        let check = Check::of_error(CheckSubject::Storage, CheckCode::StorageFailed, error, remedy);
        self.checks.push(check.with_name(&name));
        self.failed.storages.push(name);
        self
    }

    /// Adds a provider whose database does not exist yet, and was not created. Its entities are not checked.
    pub fn missing_provider(mut self, name: impl Into<String>, database: &str) -> Self {
        let name = name.into();
        self.checks.push(diagnosis::not_created_database(database).with_name(&name));
        self.failed.providers.push(name);
        self
    }

    cancel_setter! {
        /// Stops the diagnosis when the token is cancelled. The probes in the storages are removed.
    }
}

impl IntoFuture for DiagnosisBuilder {
    type Output = Result<Diagnosis>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        in_runtime(async move {
            let Self { source, options, expectations, mut checks, failed } = self;
            let mut examined = match source {
                Source::Checks => return Ok(Diagnosis::new(checks)),
                Source::Context(koan) => Examined {
                    state: koan.environment.state.clone(),
                    environment: koan.environment,
                    expectations: koan.defaults.expectations.clone(),
                    expired_streams: koan.defaults.maintenance.expired_streams(),
                    checks: Vec::new(),
                },
                Source::Builder(builder) => builder.examined(&failed)?,
            };
            checks.append(&mut examined.checks);
            examined.checks = checks;
            if let Some(expectations) = expectations {
                examined.expectations = expectations;
            }
            diagnosis::run(examined, &options).await
        })
    }
}
