//! The vector of one record.

use serde::{Deserialize, Serialize};

use super::{RecordKey, VectorPayload};

/// Assigns a vector of the same archive to a record.
///
/// In an archive, an assignment is one line of JSON with the fields of this type. The lines are ordered by the key. An empty
/// payload is omitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VectorAssignment {
    /// The key of the record.
    pub key: RecordKey,
    /// The number of the line that contains the vector, counted from 0.
    pub vector: u64,
    /// What the store keeps beside the vector.
    #[serde(default, skip_serializing_if = "VectorPayload::is_empty")]
    pub payload: VectorPayload,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_contains_key_vector_and_payload() {
        for line in [
            r#"{"key":7,"vector":0}"#,
            r#"{"key":"a b","vector":12,"payload":{"a":1.50,"b":{"z":1,"y":[12345678901234567890]}}}"#,
            r#"{"key":{"order":7,"line":"1"},"vector":1}"#,
        ] {
            let assignment: VectorAssignment = serde_json::from_str(line).expect(line);
            assert_eq!(serde_json::to_string(&assignment).expect("JSON"), line);
        }
        for line in [
            r#"{"key":null,"vector":0}"#,
            r#"{"key":[1],"vector":0}"#,
            r#"{"key": 7,"vector":0,"payload":[]}"#,
            r#"{"key":{"a": 1},"vector":0}"#,
            r#"{"key":7,"vector":-1}"#,
            r#"{"key":7,"vector":0,"payload":{"a":1,"a":2}}"#,
        ] {
            assert!(serde_json::from_str::<VectorAssignment>(line).is_err(), "{line}");
        }
    }
}
