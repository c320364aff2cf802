//! The serialization of a record, or of a key, into the values of its fields.

use serde::Serialize;
use serde::ser::{self, Error as _, Serializer};

use super::super::error::RecordError;
use super::super::record::Record;
use super::field_value::field_value;
use super::normalize::normalize;
use crate::foundation::refusal::{refuse_lists_and_variants, refuse_scalars};
use crate::foundation::schema::{EntitySchema, FieldSchema};
use crate::foundation::value::Value;

/// A receiver of the fields of one record while the record is serialized.
pub(super) trait FieldSink {
    type Out;

    /// Receives the value of a field of the schema.
    fn field<T: Serialize + ?Sized>(
        &mut self,
        index: usize,
        field: &FieldSchema,
        value: &T,
    ) -> Result<(), RecordError>;

    /// Receives a value that does not belong to a field of the schema.
    fn extra<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), RecordError>;

    /// Ends the record and returns the result.
    fn end(self) -> Self::Out;
}

/// Serializes `value` into a sink.
///
/// # Errors
/// `value` does not serialize as a JSON object of the schema's fields, or the sink refuses a field.
pub(super) fn serialize_fields<T: Serialize, F: FieldSink>(
    value: &T,
    schema: &EntitySchema,
    sink: F,
) -> Result<F::Out, RecordError> {
    value.serialize(FieldWriter { schema, sink, next: 0, key: None })
}

/// Returns the fields of `value` as values.
///
/// # Errors
/// A field cannot be converted to a value.
pub fn to_record<T: Serialize>(value: &T, schema: &EntitySchema) -> Result<Record, RecordError> {
    let values = vec![Value::Null; schema.fields.len()];
    serialize_fields(value, schema, Record { values, extra: Vec::new() })
}

impl FieldSink for Record {
    type Out = Self;

    fn field<T: Serialize + ?Sized>(
        &mut self,
        index: usize,
        field: &FieldSchema,
        value: &T,
    ) -> Result<(), RecordError> {
        self.values[index] = normalize(field, named_value(&field.name, value)?)?;
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

/// Returns the value of a field. An error contains the name of the field.
pub(super) fn named_value<T: Serialize + ?Sized>(
    name: &str,
    value: &T,
) -> Result<Value<'static>, RecordError> {
    field_value(value).map_err(|error| RecordError::from(error.within(name)))
}

/// Returns a key, single or composite, as the values of the key fields in the order of their declaration.
///
/// # Errors
/// A component of the key cannot be converted to a value, or the key does not have one component for each key
/// field.
pub fn key_values<K: Serialize>(key: &K, schema: &EntitySchema) -> Result<Vec<Value<'static>>, RecordError> {
    let fields: Vec<_> = schema.key_fields().map(|(_, field)| field).collect();
    let components = match (fields.len(), field_value(key)?) {
        (1, single) => vec![single],
        (_, Value::Json(text)) => composite_components(&text)?,
        _ => return Err(RecordError::new("the composite key does not serialize as a tuple of its fields")),
    };
    if components.len() != fields.len() {
        return Err(RecordError::new("the key does not have one component for each key field of the entity"));
    }
    fields.into_iter().zip(components).map(|(field, component)| normalize(field, component)).collect()
}

/// Returns the components of a composite key from its JSON text.
fn composite_components(text: &str) -> Result<Vec<Value<'static>>, RecordError> {
    let components: Vec<serde_json::Value> =
        serde_json::from_str(text).map_err(|error| RecordError::from_json(&error))?;
    components.iter().map(|component| field_value(component).map_err(RecordError::from)).collect()
}

/// A serializer that passes the fields of a record to a sink.
struct FieldWriter<'s, F> {
    schema: &'s EntitySchema,
    sink: F,
    /// The index at which the next field is expected, because types serialize their fields in order.
    next: usize,
    /// The key of the map entry whose value follows.
    key: Option<String>,
}

impl<F: FieldSink> FieldWriter<'_, F> {
    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), RecordError> {
        match self.schema.position_from(self.next, name) {
            Some(index) => {
                self.next = index + 1;
                self.sink.field(index, &self.schema.fields[index], value)
            }
            None if self.schema.open => self.sink.extra(name, value),
            None => Err(RecordError::in_field(name, "is serialized by the type but is not in its schema")),
        }
    }
}

impl<F: FieldSink> ser::SerializeStruct for FieldWriter<'_, F> {
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
        Ok(self.sink.end())
    }
}

impl<F: FieldSink> ser::SerializeMap for FieldWriter<'_, F> {
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
        Ok(self.sink.end())
    }
}

impl<'s, F: FieldSink> Serializer for FieldWriter<'s, F> {
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
