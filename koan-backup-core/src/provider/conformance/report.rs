//! The report of the conformance suite.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::foundation::error::{Error, ErrorKind, Result};
use crate::provider::Capabilities;

/// The maximum duration of a case.
const CASE_TIMEOUT: Duration = Duration::from_secs(600);

/// The results of a provider in all cases.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use = "a provider that does not conform loses data"]
#[non_exhaustive]
pub struct Conformance {
    /// The kind of database.
    pub kind: String,
    /// The capabilities that the provider declares.
    pub capabilities: Capabilities,
    /// The results, in the order of the suite.
    pub cases: Vec<CaseResult>,
}

/// The result of a provider in one case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CaseResult {
    /// The name of the case: a statement that is true if the case passes.
    pub name: &'static str,
    /// The outcome.
    pub outcome: CaseOutcome,
}

/// The outcome of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum CaseOutcome {
    /// The statement of the case is true.
    Passed,
    /// The case is about a capability that the provider does not declare.
    NotClaimed,
    /// The statement of the case is false, for this reason.
    Failed(String),
}

impl CaseOutcome {
    /// Runs a case, and returns its outcome. A case that does not end within [`CASE_TIMEOUT`] fails.
    pub(in crate::provider) async fn of(case: impl Future<Output = Result<()>>) -> Self {
        match tokio::time::timeout(CASE_TIMEOUT, case).await {
            Ok(Ok(())) => Self::Passed,
            Ok(Err(error)) => Self::Failed(error.chain()),
            Err(_) => Self::Failed(format!("the case did not end within {} s", CASE_TIMEOUT.as_secs())),
        }
    }
}

impl Conformance {
    pub(in crate::provider) fn new(kind: &str, capabilities: Capabilities) -> Self {
        Self { kind: kind.to_owned(), capabilities, cases: Vec::new() }
    }

    /// Returns how many cases passed.
    pub fn passed(&self) -> usize {
        self.cases.iter().filter(|case| case.outcome == CaseOutcome::Passed).count()
    }

    /// Returns the report if no case failed.
    ///
    /// # Errors
    /// Cases failed. The error lists each of them with the reason.
    pub fn require_passed(self) -> Result<Self> {
        let failed: Vec<_> = self
            .cases
            .iter()
            .filter_map(|case| match &case.outcome {
                CaseOutcome::Failed(reason) => Some(format!("{}: {reason}", case.name)),
                CaseOutcome::Passed | CaseOutcome::NotClaimed => None,
            })
            .collect();
        if failed.is_empty() {
            return Ok(self);
        }
        let text = format!("provider `{}` does not conform:\n{}", self.kind, failed.join("\n"));
        Err(Error::new(ErrorKind::Provider, text))
    }
}

/// Formats one line for each case.
impl fmt::Display for Conformance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for case in &self.cases {
            match &case.outcome {
                CaseOutcome::Passed => writeln!(f, "{}: passed       {}", self.kind, case.name)?,
                CaseOutcome::NotClaimed => writeln!(f, "{}: not declared {}", self.kind, case.name)?,
                CaseOutcome::Failed(reason) => {
                    writeln!(f, "{}: FAILED       {}: {reason}", self.kind, case.name)?
                }
            }
        }
        Ok(())
    }
}
