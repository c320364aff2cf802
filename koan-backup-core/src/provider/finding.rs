//! What a viability check finds.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// Information only.
    Note,
    /// The restore works, but something will differ from before.
    Warning,
    /// The restore would fail.
    Error,
}

/// One result of a viability check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Finding {
    /// How much the finding matters.
    pub severity: Severity,
    /// The entity that the finding is about, if it is about one.
    pub entity: Option<String>,
    /// What was found, and the remedy.
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
