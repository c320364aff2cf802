//! The text form of JSON documents that people and programs read.

use serde::Serialize;

/// Encodes a document in the form in which it is stored: indented JSON with a line feed at the end.
pub(crate) fn document<T: Serialize>(document: &T) -> Vec<u8> {
    let mut json = serde_json::to_vec_pretty(document).expect("documents have text keys and finite numbers");
    json.push(b'\n');
    json
}
