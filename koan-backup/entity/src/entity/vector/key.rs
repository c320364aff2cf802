//! The key of the record to which a vector belongs.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::value::RawValue;

use crate::entity::codec::RecordError;
use crate::entity::stream::JsonText;

/// The key of a record, as compact JSON: the value of the key field, or an object of the key fields in the order of the type
/// if there are several. Keys are ordered by their text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey(Box<str>);

impl RecordKey {
    /// Returns the key with this JSON.
    ///
    /// # Errors
    /// The text is not JSON, or it is `null`, a list, or not compact.
    pub fn from_json(json: &str) -> Result<Self, RecordError> {
        let text = JsonText::exact(json)?;
        let is_key = !matches!(json.as_bytes().first(), Some(b'[' | b'n') | None);
        if text.other_text().is_some() || !is_key {
            return Err(RecordError::new("contains a key of a record that is not the compact JSON of one"));
        }
        Ok(Self(json.into()))
    }

    /// Returns the compact JSON.
    pub fn as_json(&self) -> &str {
        &self.0
    }
}

impl From<i64> for RecordKey {
    fn from(key: i64) -> Self {
        Self(key.to_string().into())
    }
}

impl From<&str> for RecordKey {
    /// Returns the key of a record whose key is this text.
    fn from(key: &str) -> Self {
        Self(serde_json::Value::from(key).to_string().into())
    }
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RecordKey {
    /// Shows no content of a record.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordKey({} bytes)", self.0.len())
    }
}

impl Serialize for RecordKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RecordKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::from_json(raw.get()).map_err(D::Error::custom)
    }
}
