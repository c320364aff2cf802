//! The error of serializers and deserializers that handle the common case only.

use std::fmt;

use serde::{de, ser};

/// The error of a value that is not a common case, so that the caller must use the general path. It contains
/// no reason, because no caller needs one.
#[derive(Debug)]
pub(super) struct Fallback;

impl fmt::Display for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("only the general path handles this value")
    }
}

impl std::error::Error for Fallback {}

impl de::Error for Fallback {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

impl ser::Error for Fallback {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}
