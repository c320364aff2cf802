//! The key of a line that may not decode as its type.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};

use super::field_value::field_value;
use crate::foundation::schema::EntitySchema;
use crate::foundation::value::Value;

/// Returns the names and values of the key fields of a line, in the order of the schema. Other fields may
/// have any value. Returns `None` if the line is not a JSON object or lacks a key field.
pub fn key_of_line(line: &[u8], schema: &EntitySchema) -> Option<Vec<(String, Value<'static>)>> {
    let mut json = serde_json::Deserializer::from_slice(line);
    let mut key = KeyFields(schema).deserialize(&mut json).ok()?;
    let components = schema.key_fields().map(|(_, field)| {
        let value = key.remove(&field.name)?;
        Some((field.name.clone(), field_value(&value).ok()?))
    });
    components.collect()
}

/// A deserializer seed that reads only the key fields of a record.
struct KeyFields<'s>(&'s EntitySchema);

impl<'de> DeserializeSeed<'de> for KeyFields<'_> {
    type Value = serde_json::Map<String, serde_json::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for KeyFields<'_> {
    type Value = serde_json::Map<String, serde_json::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut key = serde_json::Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            if self.0.key_fields().any(|(_, field)| field.name == name) {
                key.insert(name, fields.next_value()?);
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok(key)
    }
}
