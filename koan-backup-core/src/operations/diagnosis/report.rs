//! The report of a diagnosis.

use serde::Serialize;

use super::check::{Check, CheckState};

/// The report of a diagnosis: all checks, those of the configuration first, then those of providers, storage
/// profiles, keys, coverage and backups.
///
/// ```
/// # koan_backup_shop::run(async |koan| {
/// let diagnosis = koan.diagnose().await?;
/// for check in diagnosis.problems() {
///     eprintln!("{}: {}", check.label(), check.detail);
/// }
/// assert!(diagnosis.is_healthy());
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
#[must_use = "the problems are in the report"]
pub struct Diagnosis {
    /// The checks.
    pub checks: Vec<Check>,
}

impl Diagnosis {
    /// Creates a report; the checks are sorted by their subjects.
    pub(crate) fn new(mut checks: Vec<Check>) -> Self {
        checks.sort_by_key(|check| check.subject);
        Self { checks }
    }

    /// Returns whether there is no problem. There may be warnings.
    pub fn is_healthy(&self) -> bool {
        self.problems().next().is_none()
    }

    /// Returns the problems.
    pub fn problems(&self) -> impl Iterator<Item = &Check> {
        self.in_state(CheckState::Problem)
    }

    /// Returns the warnings.
    pub fn warnings(&self) -> impl Iterator<Item = &Check> {
        self.in_state(CheckState::Warning)
    }

    fn in_state(&self, state: CheckState) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(move |check| check.state == state)
    }
}
