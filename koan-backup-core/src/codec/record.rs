//! The fields of one record, in the order of its schema.

use serde::Serialize;
use serde::ser::{self, Error as _, Serializer};

use super::error::RecordError;
use super::general::field_value::field_value;
use super::general::normalize::neutral;
use super::row::{Projection, Row};
use crate::refusal::{refuse_lists_and_variants, refuse_scalars};
use crate::schema::{EntitySchema, FieldSchema};
use crate::value::Value;

/// The fields of one record as values: one for each field of the schema, and what a flattened map holds besides.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Record {
    /// As many as the schema has fields, in their order. A field that was not written is [`Value::Null`].
    pub values: Vec<Value<'static>>,
    /// What is in no field of the schema, by name.
    pub extra: Vec<(String, Value<'static>)>,
}

impl Record {
    /// A record that has nothing besides the values of its fields, which are in the order of its schema.
    pub(crate) fn of_values(values: Vec<Value<'_>>) -> Self {
        Self { values: values.into_iter().map(Value::into_owned).collect(), extra: Vec::new() }
    }

    /// The values of the key fields, in order of declaration.
    pub fn key(&self, schema: &EntitySchema) -> Vec<Value<'static>> {
        schema.key_fields().map(|(index, _)| self.values[index].clone()).collect()
    }

    /// Shows the record as a row; `fields` is [the projection](Projection::of) of its schema.
    pub fn with_row<R>(&self, fields: &Projection, show: impl FnOnce(&Row<'_>) -> R) -> R {
        if self.extra.is_empty() {
            return show(&Row { projection: fields, values: &self.values });
        }
        let mut projection = fields.clone();
        let mut values: Vec<Value<'_>> = self.values.iter().map(Value::borrowed).collect();
        for (name, value) in &self.extra {
            projection.extra(name);
            values.push(value.borrowed());
        }
        show(&Row { projection: &projection, values: &values })
    }
}

/// Takes the fields of one record as a type writes them.
pub(super) trait TakeFields {
    type Out;

    /// Takes the value of a field of the schema.
    fn field<T: Serialize + ?Sized>(
        &mut self,
        index: usize,
        field: &FieldSchema,
        value: &T,
    ) -> Result<(), RecordError>;

    /// Takes a value that is in no field of the schema.
    fn extra<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), RecordError>;

    fn end(self) -> Self::Out;
}

/// Hands the fields that `value` writes to `fields`.
pub(super) fn write_fields<T: Serialize, F: TakeFields>(
    value: &T,
    schema: &EntitySchema,
    fields: F,
) -> Result<F::Out, RecordError> {
    value.serialize(FieldWriter { schema, fields, next: 0, key: None })
}

/// Writes `value` into a record.
pub(super) fn collect<T: Serialize>(value: &T, schema: &EntitySchema) -> Result<Record, RecordError> {
    write_fields(value, schema, Record { values: vec![Value::Null; schema.fields.len()], extra: Vec::new() })
}

impl TakeFields for Record {
    type Out = Self;

    fn field<T: Serialize + ?Sized>(
        &mut self,
        index: usize,
        field: &FieldSchema,
        value: &T,
    ) -> Result<(), RecordError> {
        self.values[index] = neutral(field, named_value(&field.name, value)?)?;
        Ok(())
    }

    fn extra<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), RecordError> {
        self.extra.push((name.to_owned(), named_value(name, value)?));
        Ok(())
    }

    fn end(self) -> Self {
        self
    }
}

/// The value of a field; an error names it.
pub(super) fn named_value<T: Serialize + ?Sized>(
    name: &str,
    value: &T,
) -> Result<Value<'static>, RecordError> {
    field_value(value).map_err(|error| RecordError::from(error.within(name)))
}

/// Writes a key, single or composite, as the values of the key fields.
pub(super) fn key<K: Serialize>(key: &K, schema: &EntitySchema) -> Result<Vec<Value<'static>>, RecordError> {
    let fields: Vec<_> = schema.key_fields().map(|(_, field)| field).collect();
    let written = field_value(key)?;
    let parts = match (fields.len(), written) {
        (1, single) => vec![single],
        (_, Value::Json(text)) => composite(&text)?,
        _ => return Err(RecordError::new("a composite key is a tuple of its fields")),
    };
    if parts.len() != fields.len() {
        return Err(RecordError::new("the key has another number of parts than the entity has key fields"));
    }
    fields.into_iter().zip(parts).map(|(field, part)| neutral(field, part)).collect()
}

fn composite(text: &str) -> Result<Vec<Value<'static>>, RecordError> {
    let parts: Vec<serde_json::Value> =
        serde_json::from_str(text).map_err(|error| RecordError::from_json(&error))?;
    parts.iter().map(|part| field_value(part).map_err(RecordError::from)).collect()
}

struct FieldWriter<'s, F> {
    schema: &'s EntitySchema,
    fields: F,
    /// Where the next field is expected; types write their fields in order.
    next: usize,
    key: Option<String>,
}

impl<F: TakeFields> FieldWriter<'_, F> {
    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), RecordError> {
        match self.schema.position_from(self.next, name) {
            Some(index) => {
                self.next = index + 1;
                self.fields.field(index, &self.schema.fields[index], value)
            }
            None if self.schema.open => self.fields.extra(name, value),
            None => Err(RecordError::in_field(name, "is written by the type but not in its schema")),
        }
    }
}

impl<F: TakeFields> ser::SerializeStruct for FieldWriter<'_, F> {
    type Ok = F::Out;
    type Error = RecordError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), RecordError> {
        self.field(key, value)
    }

    fn end(self) -> Result<F::Out, RecordError> {
        Ok(self.fields.end())
    }
}

impl<F: TakeFields> ser::SerializeMap for FieldWriter<'_, F> {
    type Ok = F::Out;
    type Error = RecordError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), RecordError> {
        match field_value(key)? {
            Value::Str(name) => self.key = Some(name.into_owned()),
            _ => return Err(RecordError::new("has a field whose name is not text")),
        }
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), RecordError> {
        let name = self.key.take().ok_or_else(|| RecordError::custom(""))?;
        self.field(&name, value)
    }

    fn end(self) -> Result<F::Out, RecordError> {
        Ok(self.fields.end())
    }
}

impl<'s, F: TakeFields> Serializer for FieldWriter<'s, F> {
    type Ok = F::Out;
    type Error = RecordError;
    type SerializeMap = Self;
    type SerializeStruct = Self;

    refuse_lists_and_variants!(RecordError::not_a_map());

    fn serialize_map(self, _: Option<usize>) -> Result<Self, RecordError> {
        Ok(self)
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, RecordError> {
        Ok(self)
    }

    refuse_scalars!(RecordError::not_a_map());
}
