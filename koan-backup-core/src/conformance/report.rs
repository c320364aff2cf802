//! How a provider did.

use std::fmt;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::provider::Capabilities;

/// How a provider did in every case.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use = "a provider that does not conform loses data"]
#[non_exhaustive]
pub struct Conformance {
    /// What sort of database it is.
    pub kind: String,
    /// What it claims.
    pub capabilities: Capabilities,
    /// Every case, in the order of the suite.
    pub cases: Vec<CaseResult>,
}

/// How a provider did in one case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CaseResult {
    /// What holds if it passes.
    pub name: &'static str,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It is about something that the provider does not claim.
    NotClaimed,
    /// It does not hold, and why.
    Failed(String),
}

impl Conformance {
    pub(super) fn new(kind: &str, capabilities: Capabilities) -> Self {
        Self { kind: kind.to_owned(), capabilities, cases: Vec::new() }
    }

    /// How many cases passed.
    pub fn passed(&self) -> usize {
        self.cases.iter().filter(|case| case.outcome == Outcome::Passed).count()
    }

    /// The report, if no case failed.
    ///
    /// # Errors
    /// Cases failed: the error names each and why.
    pub fn require_passed(self) -> Result<Self> {
        let failed: Vec<_> = self
            .cases
            .iter()
            .filter_map(|case| match &case.outcome {
                Outcome::Failed(why) => Some(format!("{}: {why}", case.name)),
                Outcome::Passed | Outcome::NotClaimed => None,
            })
            .collect();
        if failed.is_empty() {
            return Ok(self);
        }
        let text = format!("provider `{}` does not conform:\n{}", self.kind, failed.join("\n"));
        Err(Error::new(ErrorKind::Provider, text))
    }
}

/// One line a case.
impl fmt::Display for Conformance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for case in &self.cases {
            match &case.outcome {
                Outcome::Passed => writeln!(f, "{}: passed       {}", self.kind, case.name)?,
                Outcome::NotClaimed => writeln!(f, "{}: not claimed  {}", self.kind, case.name)?,
                Outcome::Failed(why) => writeln!(f, "{}: FAILED       {}: {why}", self.kind, case.name)?,
            }
        }
        Ok(())
    }
}
