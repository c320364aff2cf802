//! Tests without a JSON parser whether a line of single values round-trips through a type.
//!
//! The type deserializes from the tokens through the calls that `serde_json` makes for the line, and what it
//! serializes is compared with the tokens. If both succeed, the line decodes as the type, and the type writes
//! this very line. Where `serde_json` would make other calls (128-bit numbers, numbers in `deserialize_any`,
//! lists, structures), the test fails and the general path decides. Text is passed with `visit_str`, as
//! `serde_json` does for text with escapes.

mod comparison;
mod private_name;
mod reader;
#[cfg(test)]
mod tests;

use std::cell::Cell;

use serde::Serialize;
use serde::de::DeserializeOwned;

use self::comparison::LineComparison;
use self::reader::LineReader;
use super::super::token::LineTokens;

/// Returns whether a `T` can be read from a line of single values and serializes as the same line. `false`
/// means that the general path must decide.
pub(crate) fn tokens_round_trip<T: Serialize + DeserializeOwned>(line: &LineTokens<'_>) -> bool {
    let has_failed = Cell::new(false);
    let value = T::deserialize(LineReader::new(line, &has_failed));
    // A type may ignore an error, after which `serde_json` would be at another position of the line.
    !has_failed.get() && value.is_ok_and(|value| value.serialize(LineComparison::new(line)).is_ok())
}
