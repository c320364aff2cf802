//! The fields of one record, in the order of its schema.

use serde::Serialize;
use serde::ser::{self, Error as _, Impossible, Serializer};

use super::error::RecordError;
use super::field_value::field_value;
use super::neutral::neutral;
use crate::schema::EntitySchema;
use crate::value::{KeyText, Value};

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
    /// The values of the key fields, in order of declaration.
    pub fn key(&self, schema: &EntitySchema) -> Vec<Value<'static>> {
        schema.key_fields().map(|(index, _)| self.values[index].clone()).collect()
    }

    /// The key as text for an error: `id=7` or `order_id=1, line=2`.
    pub fn key_text(&self, schema: &EntitySchema) -> String {
        let parts = schema.key_fields();
        parts
            .map(|(index, field)| format!("{}={}", field.name, KeyText(&self.values[index])))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// Writes `value` into a record.
pub(super) fn collect<T: Serialize>(value: &T, schema: &EntitySchema) -> Result<Record, RecordError> {
    let record = Record { values: vec![Value::Null; schema.fields.len()], extra: Vec::new() };
    value.serialize(RecordWriter { schema, record, next: 0, key: None })
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

struct RecordWriter<'s> {
    schema: &'s EntitySchema,
    record: Record,
    /// Where the next field is expected; types write their fields in order.
    next: usize,
    key: Option<String>,
}

impl RecordWriter<'_> {
    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), RecordError> {
        let written = field_value(value).map_err(|error| RecordError::from(error.within(name)))?;
        let expected = self.schema.fields.get(self.next).is_some_and(|field| field.name == name);
        let index = if expected { Some(self.next) } else { self.schema.position(name) };
        match index {
            Some(index) => {
                self.next = index + 1;
                self.record.values[index] = neutral(&self.schema.fields[index], written)?;
            }
            None if self.schema.open => self.record.extra.push((name.to_owned(), written)),
            None => return Err(RecordError::in_field(name, "is written by the type but not in its schema")),
        }
        Ok(())
    }
}

impl ser::SerializeStruct for RecordWriter<'_> {
    type Ok = Record;
    type Error = RecordError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), RecordError> {
        self.field(key, value)
    }

    fn end(self) -> Result<Record, RecordError> {
        Ok(self.record)
    }
}

impl ser::SerializeMap for RecordWriter<'_> {
    type Ok = Record;
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

    fn end(self) -> Result<Record, RecordError> {
        Ok(self.record)
    }
}

type Never = Impossible<Record, RecordError>;

macro_rules! not_a_map {
    ($($method:ident($($ty:ty),*) -> $out:ty),* $(,)?) => {
        $(fn $method(self, $(_: $ty),*) -> Result<$out, RecordError> {
            Err(RecordError::not_a_map())
        })*
    };
}

impl<'s> Serializer for RecordWriter<'s> {
    type Ok = Record;
    type Error = RecordError;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = RecordWriter<'s>;
    type SerializeStruct = RecordWriter<'s>;
    type SerializeStructVariant = Never;

    fn serialize_map(self, _: Option<usize>) -> Result<Self, RecordError> {
        Ok(self)
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, RecordError> {
        Ok(self)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Record, RecordError> {
        value.serialize(self)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Record, RecordError> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Record, RecordError> {
        Err(RecordError::not_a_map())
    }

    not_a_map! {
        serialize_bool(bool) -> Record,
        serialize_i8(i8) -> Record,
        serialize_i16(i16) -> Record,
        serialize_i32(i32) -> Record,
        serialize_i64(i64) -> Record,
        serialize_u8(u8) -> Record,
        serialize_u16(u16) -> Record,
        serialize_u32(u32) -> Record,
        serialize_u64(u64) -> Record,
        serialize_f32(f32) -> Record,
        serialize_f64(f64) -> Record,
        serialize_char(char) -> Record,
        serialize_str(&str) -> Record,
        serialize_bytes(&[u8]) -> Record,
        serialize_none() -> Record,
        serialize_unit() -> Record,
        serialize_unit_struct(&'static str) -> Record,
        serialize_unit_variant(&'static str, u32, &'static str) -> Record,
        serialize_seq(Option<usize>) -> Never,
        serialize_tuple(usize) -> Never,
        serialize_tuple_struct(&'static str, usize) -> Never,
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Never,
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Never,
    }
}
