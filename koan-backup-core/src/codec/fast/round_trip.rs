//! Whether a type keeps a row whose line is made of scalars, found out without reading that line.
//!
//! The row is read as the type with the calls that `serde_json` would make for the line, and what the type writes is compared with
//! the values of the line while it is written. So the line decodes as the type, and the type writes that very line. Where the calls
//! would be others (numbers of 128 bits, a number that is asked for as anything, lists, structures), nothing is said. Text is given as
//! text that does not outlive the call, which to serde is the same text as one that does.

mod comparison;
mod doubt;
mod reader;
#[cfg(test)]
mod tests;

use serde::Serialize;
use serde::de::DeserializeOwned;

use self::comparison::LineComparison;
use self::doubt::Doubt;
use self::reader::LineReader;
use super::super::token::PlainRow;

/// Whether the plain line of `row`, which has scalars only, decodes as a `T` that writes this very line. `false` says nothing.
pub(crate) fn keeps<T: Serialize + DeserializeOwned>(row: &PlainRow<'_>) -> bool {
    let doubt = Doubt::default();
    let value = T::deserialize(LineReader::new(row, &doubt));
    // A type may pass over an error that it was given, after which `serde_json` would not find its place in the line.
    !doubt.is_noted() && value.is_ok_and(|value| value.serialize(LineComparison::new(row)).is_ok())
}
