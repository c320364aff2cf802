//! The error of serializers and deserializers that handle the common case only.

use std::fmt;

use serde::{de, ser};

/// The common case does not apply, so the caller must use the general path. Has no reason, because nobody
/// reads it.
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
