//! Checks, without a JSON parser, whether a line of scalars round-trips through a type.
//!
//! The type is deserialized from the tokens with the same calls that `serde_json` makes for the line, and the
//! serialized value is compared with the tokens. If both succeed, the line decodes as the type, and the type
//! serializes exactly this line. Where `serde_json` would make different calls (128-bit numbers, numbers in
//! `deserialize_any`, lists, structures), the check fails and the general path decides. Text is passed to the
//! type with `visit_str`, as `serde_json` does for text with escapes.

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

/// Returns whether a `T` can be deserialized from a line of scalars and serializes as the same line. If it
/// returns `false`, the general path must decide.
pub(crate) fn tokens_round_trip<T: Serialize + DeserializeOwned>(line: &LineTokens<'_>) -> bool {
    let has_failed = Cell::new(false);
    let value = T::deserialize(LineReader::new(line, &has_failed));
    // A type may ignore an error. `serde_json` would then be at a different position of the line, so the
    // result is not certain.
    !has_failed.get() && value.is_ok_and(|value| value.serialize(LineComparison::new(line)).is_ok())
}
