//! JSON documents for people and programs.

use serde::Serialize;

/// Encodes a document as it is stored: indented JSON with a line feed at the end.
pub(crate) fn document<T: Serialize>(document: &T) -> Vec<u8> {
    let mut json = serde_json::to_vec_pretty(document).expect("documents have text keys and finite numbers");
    json.push(b'\n');
    json
}
