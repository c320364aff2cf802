//! The findings of a viability check.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// Information only.
    Note,
    /// The restore succeeds, but something will differ from the state at the time of the backup.
    Warning,
    /// The restore would fail.
    Error,
}

/// One result of a viability check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Finding {
    /// The severity of the finding.
    pub severity: Severity,
    /// The entity that the finding concerns, if it concerns one entity.
    pub entity: Option<String>,
    /// The description of the finding, and the remedy.
    pub message: String,
}

impl Finding {
    /// Returns a finding about one entity.
    pub fn new(severity: Severity, entity: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity, entity: Some(entity.into()), message: message.into() }
    }

    /// Returns a finding about several entities or about the whole database.
    pub fn general(severity: Severity, message: impl Into<String>) -> Self {
        Self { severity, entity: None, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.entity {
            Some(entity) => write!(f, "{entity}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}
