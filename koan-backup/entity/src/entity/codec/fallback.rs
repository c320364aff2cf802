//! The error of serializers and deserializers that handle the common case only.

use std::fmt;

use serde::{de, ser};

/// The error of a value that is not a common case, so that the caller must use the general path. It contains
/// no reason, because no caller needs one.
#[derive(Debug, thiserror::Error)]
#[error("only the general path handles this value")]
pub(super) struct Fallback;

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
