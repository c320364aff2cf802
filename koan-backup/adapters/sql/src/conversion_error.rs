//! The error of a value that cannot be converted.

use std::borrow::Cow;
use std::fmt;

/// The reason why a value of a column cannot be converted to a value of a field, or the reverse. The text
/// never contains the value.
#[derive(Debug, PartialEq, Eq)]
pub struct ConversionError(Cow<'static, str>);

impl ConversionError {
    /// Creates the error with a text, which must not contain the value.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self(text.into())
    }

    /// Returns the text.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConversionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConversionError {}
