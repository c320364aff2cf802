//! The error of a value that cannot be written as canonical JSON.

use std::fmt;

/// The error of a value that cannot be written as canonical JSON: the problem, and the field that has it. The
/// error never contains the value.
#[derive(Debug)]
pub struct CanonicalError {
    path: Vec<String>,
    problem: Problem,
}

/// The reason why a value cannot be written as canonical JSON.
#[derive(Debug)]
enum Problem {
    NotFinite,
    DuplicateKey,
    KeyNotText,
    /// `Serialize` of the type returned an error. Its message is not shown, because it may quote the value.
    Refused,
}

impl CanonicalError {
    pub(super) fn not_finite() -> Self {
        Self { path: Vec::new(), problem: Problem::NotFinite }
    }

    pub(super) fn duplicate_key() -> Self {
        Self { path: Vec::new(), problem: Problem::DuplicateKey }
    }

    pub(super) fn key_not_text() -> Self {
        Self { path: Vec::new(), problem: Problem::KeyNotText }
    }

    /// Adds the name of the outer field to the path of the field.
    pub(crate) fn within(mut self, field: &str) -> Self {
        self.path.insert(0, field.to_owned());
        self
    }

    /// Returns the names of the fields that lead to the value, joined by dots.
    pub fn path(&self) -> String {
        self.path.join(".")
    }
}

impl fmt::Display for CanonicalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "field `{}` ", self.path())?;
        }
        f.write_str(match self.problem {
            Problem::NotFinite => {
                "is NaN or infinite, which JSON cannot represent; store the value as text or as NULL"
            }
            Problem::DuplicateKey => "has two entries with the same key after the keys are converted to text",
            Problem::KeyNotText => {
                "has a map key that cannot be converted to text, which JSON requires for keys"
            }
            Problem::Refused => "was refused by `Serialize` of its type",
        })
    }
}

impl std::error::Error for CanonicalError {}

impl serde::ser::Error for CanonicalError {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self { path: Vec::new(), problem: Problem::Refused }
    }
}
