//! The diagnosis of a configured application, which also works if its configuration has problems.

use std::collections::BTreeSet;

use koan_backup_core::builders::DiagnosisBuilder;
use koan_backup_core::provider::blocking;
use koan_backup_core::report::{Check, CheckCode, CheckSubject};
use koan_backup_core::{Error, ErrorKind, KoanBuilder, Result};

use crate::build::{self, Opened};
use crate::configuration::Configuration;
use crate::key_path;
use crate::loaded::Loaded;
use crate::origin::Origin;
use crate::problem::Problem;
use crate::sources::ConfigurationSources;

/// The remedy of a problem whose message contains no other one.
const REMEDY: &str = "correct the setting";

impl Configuration {
    /// Diagnoses the configured application. Each provider, storage profile or key that cannot be opened is a check of
    /// its own, and does not hide the others. Nothing is created.
    ///
    /// ```no_run
    /// use koan_backup::Koan;
    /// use koan_backup::config::Configuration;
    ///
    /// # async fn run() -> koan_backup::Result<()> {
    /// let diagnosis = Configuration::load("koan.toml")?.diagnose(Koan::builder()).await?.await?;
    /// for problem in diagnosis.problems() {
    ///     eprintln!("{}: {}", problem.label(), problem.detail);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The runtime is shutting down.
    pub async fn diagnose(&self, builder: KoanBuilder) -> Result<DiagnosisBuilder> {
        let loaded = self.loaded().clone();
        let summary = summary(self);
        // Secrets are read and databases are opened, which may block the thread.
        let opened = blocking("opens what is configured", move || build::open(&loaded, builder)).await?;
        Ok(checks(opened, summary))
    }
}

impl ConfigurationSources {
    /// Diagnoses the configured application, as [`Configuration::diagnose`] does. If the sources cannot be loaded, the
    /// checks are their problems.
    ///
    /// # Errors
    /// The runtime is shutting down.
    pub async fn diagnose(&self, builder: KoanBuilder) -> Result<DiagnosisBuilder> {
        match Loaded::read(self) {
            Ok(loaded) => Configuration::from_loaded(loaded).diagnose(builder).await,
            Err(problems) => {
                let checks = problems.into_iter().map(|problem| invalid(problem).check);
                Ok(checks.fold(DiagnosisBuilder::without_context(), DiagnosisBuilder::check))
            }
        }
    }
}

/// Returns the files of a configuration, and how many values come from elsewhere.
fn summary(configuration: &Configuration) -> String {
    let origins = || configuration.effective().iter().map(|value| &value.origin);
    let files: BTreeSet<_> = origins()
        .filter_map(|origin| match origin {
            Origin::File { path, .. } => Some(path.display().to_string()),
            _ => None,
        })
        .collect();
    let mut parts: Vec<_> = files.into_iter().collect();
    let counts = [
        (origins().filter(|origin| matches!(origin, Origin::Variable { .. })).count(), "the environment"),
        (origins().filter(|origin| matches!(origin, Origin::Flag { .. })).count(), "flags"),
    ];
    for (count, from) in counts.into_iter().filter(|(count, _)| *count > 0) {
        let noun = if count == 1 { "value" } else { "values" };
        parts.push(format!("{count} {noun} from {from}"));
    }
    if parts.is_empty() { "no setting differs from its default".to_owned() } else { parts.join(", ") }
}

/// Creates the diagnosis from what could be opened.
fn checks(opened: Opened, summary: String) -> DiagnosisBuilder {
    let Opened { builder, problems, missing } = opened;
    let mut diagnosis = builder.diagnose();
    let invalid: Vec<_> = problems.into_iter().map(invalid).collect();
    if invalid.iter().all(|invalid| invalid.check.subject != CheckSubject::Configuration) {
        diagnosis = diagnosis.check(Check::ok(CheckSubject::Configuration, summary));
    }
    for Invalid { check, error } in invalid {
        diagnosis = match (check.subject, &check.name) {
            (CheckSubject::Provider, Some(name)) => diagnosis.failed_provider(name, &error),
            (CheckSubject::Storage, Some(name)) => diagnosis.failed_storage(name, &error),
            _ => diagnosis.check(check),
        };
    }
    for (name, path) in missing {
        diagnosis = diagnosis.missing_provider(name, &format!("SQLite database `{path}`"));
    }
    diagnosis
}

/// A problem of a configuration, as a check and as an error.
struct Invalid {
    check: Check,
    error: Error,
}

/// Assigns a problem to its provider or storage profile.
fn invalid(problem: Problem) -> Invalid {
    let path = key_path::parse(&problem.key);
    let segments: Vec<_> = path.iter().map(String::as_str).collect();
    let (subject, name) = match segments.as_slice() {
        ["providers", name, ..] => (CheckSubject::Provider, Some(*name)),
        ["storage", name, ..] => (CheckSubject::Storage, Some(*name)),
        ["encryption", ..] => (CheckSubject::Keys, None),
        _ => (CheckSubject::Configuration, None),
    };
    let remedy = problem.remedy.clone().unwrap_or_else(|| REMEDY.to_owned());
    let text = Problem { remedy: None, ..problem }.to_string();
    let error = Error::new(ErrorKind::Configuration, text).with_help(remedy);
    let mut check = Check::of_error(subject, CheckCode::ConfigurationInvalid, &error, REMEDY);
    check.name = name.map(str::to_owned);
    Invalid { check, error }
}
