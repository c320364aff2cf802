//! Whether a type keeps a row whose line is made of scalars, found out without reading that line.
//!
//! The row is read as the type with the calls that `serde_json` would make for the line, and what the type writes is compared with
//! the values of the line while it is written. So the line decodes as the type, and the type writes that very line. Where the calls
//! would be others (numbers of 128 bits, a number that is asked for as anything, lists, structures), nothing is said. Text is given as
//! text that does not outlive the call, which to serde is the same text as one that does.

mod comparison;
mod reader;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::fmt;

use serde::de::{self, DeserializeOwned};
use serde::ser::{self, Serialize};

use self::comparison::LineComparison;
use self::reader::LineReader;
use super::plain::PlainRow;

/// Whether the plain line of `row`, which has scalars only, decodes as a `T` that writes this very line. `false` says nothing.
pub(crate) fn keeps<T: Serialize + DeserializeOwned>(row: &PlainRow<'_>) -> bool {
    let doubt = Doubt::default();
    let value = T::deserialize(LineReader::new(row, &doubt));
    // A type may pass over an error that it was given, after which `serde_json` would not find its place in the line.
    !doubt.0.get() && value.is_ok_and(|value| value.serialize(LineComparison::new(row)).is_ok())
}

/// Whether anything that was asked for was not given.
#[derive(Default)]
struct Doubt(Cell<bool>);

impl Doubt {
    /// The same, noted if it is an error.
    #[inline]
    fn of<R>(&self, given: Result<R>) -> Result<R> {
        given.inspect_err(|_| self.0.set(true))
    }
}

/// It is not known.
#[derive(Debug, thiserror::Error)]
#[error("not known at a glance")]
struct Unsure;

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

type Result<T> = std::result::Result<T, Unsure>;

/// Whether it is what `serde_json` calls a number or JSON that is taken as it stands.
fn is_raw(name: &str) -> bool {
    name.starts_with("$serde_json::")
}
