//! Why a value cannot be in its place.

use std::borrow::Cow;
use std::fmt;

/// Why a value cannot be in its place. Never holds the value.
#[derive(Debug, PartialEq, Eq)]
pub struct Misfit(pub Cow<'static, str>);

impl Misfit {
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
