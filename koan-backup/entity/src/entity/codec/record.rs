//! Records in the form of values.

use super::error::RecordError;
use super::row::{Projection, Row};
use crate::foundation::schema::{EntitySchema, FieldSchema};
use crate::foundation::value::Value;

/// A record in the form of values: one value for each field of its schema, and the entries of a flattened
/// map.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Record {
    /// The values of the fields, in the order of the schema. A field that the type did not serialize is
    /// [`Value::Null`].
    pub values: Vec<Value<'static>>,
    /// The names and values that do not belong to a field of the schema.
    pub extra: Vec<(String, Value<'static>)>,
}

impl Record {
    /// Creates a record from the values of its fields, in the order of its schema, without extra values.
    #[doc(hidden)]
    pub fn from_values(values: Vec<Value<'_>>) -> Self {
        Self { values: values.into_iter().map(Value::into_owned).collect(), extra: Vec::new() }
    }

    /// Checks that the record has a value in each key field that cannot be NULL. Serde does not always show whether a
    /// type writes a field with the name of its declared key.
    #[doc(hidden)]
    pub fn require_key(&self, schema: &EntitySchema) -> Result<(), RecordError> {
        let is_missing =
            |(index, field): &(usize, &FieldSchema)| !field.nullable && self.values[*index].is_null();
        match schema.key_fields().find(is_missing) {
            None => Ok(()),
            Some((_, field)) => Err(RecordError::in_field(
                &field.name,
                "is declared as the key, and the type writes no such field; declare a field of the record as the key",
            )),
        }
    }

    /// Returns the values of the key fields, in the order of their declaration.
    pub fn key(&self, schema: &EntitySchema) -> Vec<Value<'static>> {
        schema.key_fields().map(|(index, _)| self.values[index].clone()).collect()
    }

    /// Calls `read` with the record as a row; `fields` is [the projection](Projection::of) of its schema.
    pub fn with_row<R>(&self, fields: &Projection, read: impl FnOnce(&Row<'_>) -> R) -> R {
        if self.extra.is_empty() {
            return read(&Row { projection: fields, values: &self.values });
        }
        let mut projection = fields.clone();
        let mut values: Vec<Value<'_>> = self.values.iter().map(Value::borrowed).collect();
        for (name, value) in &self.extra {
            projection.extra(name);
            values.push(value.borrowed());
        }
        read(&Row { projection: &projection, values: &values })
    }
}
