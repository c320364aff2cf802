//! What is wrong with a configuration.

use std::fmt;

use koan_backup_core::{Error, ErrorKind};
use serde::Serialize;

use crate::origin::Origin;

/// A problem of a configuration: where it is, what is wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Problem {
    /// Where the problem is; `None` if it has no place, for example because a file is missing.
    pub origin: Option<Origin>,
    /// The key with the problem, for example `backup.batch_size`. It is empty for a problem of a complete file.
    pub key: String,
    /// What is wrong. It contains no secret.
    pub message: String,
    /// What to do, if it is not evident from the message.
    pub remedy: Option<String>,
}

impl Problem {
    pub(crate) fn new(origin: Origin, key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { origin: Some(origin), key: key.into(), message: message.into(), remedy: None }
    }

    pub(crate) fn of_file(message: String) -> Self {
        Self { origin: None, key: String::new(), message, remedy: None }
    }

    pub(crate) fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Returns the error for one or several problems.
    pub(crate) fn error(problems: &[Self]) -> Error {
        let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
        let text = match texts.as_slice() {
            [one] => one.clone(),
            several => format!("the configuration has {} problems:\n{}", several.len(), several.join("\n")),
        };
        Error::new(ErrorKind::Configuration, text)
    }
}

/// Formats the problem as `koan.toml:3:5: message; remedy`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        f.write_str(&self.message)?;
        self.remedy.iter().try_for_each(|remedy| write!(f, "; {remedy}"))
    }
}
