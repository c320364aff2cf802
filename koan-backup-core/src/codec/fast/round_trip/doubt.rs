//! That something is not known, and that this is not forgotten.

use std::cell::Cell;
use std::fmt;

use serde::{de, ser};

/// Whether anything that was asked for was not given.
#[derive(Default)]
pub(super) struct Doubt(Cell<bool>);

impl Doubt {
    /// The same, noted if it is an error.
    #[inline]
    pub(super) fn of<R>(&self, given: Result<R>) -> Result<R> {
        given.inspect_err(|_| self.0.set(true))
    }

    pub(super) fn is_noted(&self) -> bool {
        self.0.get()
    }
}

/// It is not known.
#[derive(Debug, thiserror::Error)]
#[error("not known at a glance")]
pub(super) struct Unsure;

impl de::Error for Unsure {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

impl ser::Error for Unsure {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

pub(super) type Result<T> = std::result::Result<T, Unsure>;

/// Whether it is what `serde_json` calls a number or JSON that is taken as it stands.
pub(super) fn is_raw(name: &str) -> bool {
    name.starts_with("$serde_json::")
}
