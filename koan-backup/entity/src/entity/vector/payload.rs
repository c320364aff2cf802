//! What a store keeps beside a vector.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::entity::codec::{RecordError, json_equal};
use crate::entity::stream::JsonText;

/// What a store keeps beside a vector: JSON by name, sorted by name. The text of the JSON is preserved without its white
/// space. Two payloads are equal if the contents of their JSON are.
#[derive(Clone, Default)]
pub struct VectorPayload(BTreeMap<String, Box<RawValue>>);

impl VectorPayload {
    /// Returns an empty payload.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the JSON with a name.
    ///
    /// # Errors
    /// The text is not JSON.
    pub fn insert(&mut self, name: impl Into<String>, json: &str) -> Result<(), RecordError> {
        self.0.insert(name.into(), JsonText::compacted(json)?.as_json().to_owned());
        Ok(())
    }

    /// Returns the JSON with a name.
    pub fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.get(name).map(|json| &**json)
    }

    /// Removes the JSON with a name. Returns whether it existed.
    pub fn remove(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some()
    }

    /// Returns the names and their JSON, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(name, json)| (name.as_str(), &**json))
    }

    /// Returns whether the payload contains nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns about how many bytes the payload occupies.
    pub fn size_bytes(&self) -> usize {
        self.0.iter().map(|(name, json)| name.len() + json.get().len()).sum()
    }
}

impl PartialEq for VectorPayload {
    fn eq(&self, other: &Self) -> bool {
        let is_same = |((name, json), (other_name, other_json)): ((&str, &RawValue), (&str, &RawValue))| {
            name == other_name && json_equal(json.get(), other_json.get())
        };
        self.0.len() == other.0.len() && self.iter().zip(other.iter()).all(is_same)
    }
}

impl Eq for VectorPayload {}

impl fmt::Debug for VectorPayload {
    /// Shows no content of a record.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VectorPayload({} names)", self.0.len())
    }
}

impl Serialize for VectorPayload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for VectorPayload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = VectorPayload;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<VectorPayload, A::Error> {
                let mut payload = VectorPayload::new();
                while let Some((name, json)) = map.next_entry::<String, Box<RawValue>>()? {
                    if payload.get(&name).is_some() {
                        return Err(A::Error::custom("a payload has two values with one name"));
                    }
                    payload.insert(name, json.get()).map_err(A::Error::custom)?;
                }
                Ok(payload)
            }
        }
        deserializer.deserialize_map(Read)
    }
}
