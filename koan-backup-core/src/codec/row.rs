//! A row of a database, and reading a type from it.

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, Visitor};

use super::error::RecordError;
use super::token::label;
use super::general::value_reader::ValueReader;
use crate::schema::{EntitySchema, FieldSchema, LogicalType, WireForm};
use crate::value::Value;

/// What one place in a row is: made once for a read, shared by all its rows.
#[derive(Clone, Debug)]
pub struct Slot {
    name: String,
    /// The name as it stands in front of a value in a line.
    label: Vec<u8>,
    logical: LogicalType,
    wire: WireForm,
    key: bool,
}

/// The places of a row, in the order of its values.
#[derive(Clone, Debug, Default)]
pub struct Projection {
    slots: Vec<Slot>,
    /// Rows hold the fields of one variant each, so values that are not there are left out.
    omit_null: bool,
}

/// One row: a value for each place of its projection.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// What the values are.
    pub projection: &'a Projection,
    /// As many values as the projection has places.
    pub values: &'a [Value<'a>],
}

impl Slot {
    /// The serde name of its field.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn label(&self) -> &[u8] {
        &self.label
    }

    pub(super) fn logical(&self) -> &LogicalType {
        &self.logical
    }

    pub(super) fn wire(&self) -> WireForm {
        self.wire
    }
}

impl Projection {
    /// No places yet, for rows of `schema`.
    pub fn new(schema: &EntitySchema) -> Self {
        Self { slots: Vec::new(), omit_null: schema.variants }
    }

    /// A place for each field of `schema`, in order.
    pub fn of(schema: &EntitySchema) -> Self {
        let mut projection = Self::new(schema);
        schema.fields.iter().for_each(|field| projection.field(field));
        projection
    }

    /// Adds the place of a field.
    pub fn field(&mut self, field: &FieldSchema) {
        self.slots.push(Slot {
            name: field.name.clone(),
            label: label(&field.name),
            logical: field.logical.clone(),
            wire: field.wire,
            key: field.key,
        });
    }

    /// Adds the place of a column that is in no field and that a flattened map takes up.
    pub fn extra(&mut self, name: impl Into<String>) {
        let name = name.into();
        self.slots.push(Slot {
            label: label(&name),
            name,
            logical: LogicalType::Json,
            wire: WireForm::Plain,
            key: false,
        });
    }

    /// Whether rows leave out values that are not there, so that no line tells them from what is none.
    pub(super) fn omits_null(&self) -> bool {
        self.omit_null
    }

    /// The places.
    pub(super) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The index of a place by its name, looked for at `expected` first.
    pub(super) fn position_from(&self, expected: usize, name: &str) -> Option<usize> {
        let there = self.slots.get(expected).is_some_and(|slot| slot.name == name);
        if there { Some(expected) } else { self.slots.iter().position(|slot| slot.name == name) }
    }

    /// How many places there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is no place.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

impl<'a> Row<'a> {
    /// Reads a `T`: each value under the serde name of its field.
    ///
    /// # Errors
    /// The row does not decode as `T`.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, RecordError> {
        T::deserialize(RowReader { row: *self })
    }

    /// What stands behind the first `places`, by name: in a record, what a flattened map holds besides the fields of its schema.
    pub fn behind(&self, places: usize) -> impl Iterator<Item = (&'a str, &'a Value<'a>)> + Clone {
        let slots = self.projection.slots.iter().map(|slot| slot.name.as_str());
        slots.zip(self.values).skip(places)
    }

    /// The names of the values that are JSON text which does not stand in `line` as it is.
    pub(crate) fn rewritten_json<'l>(&self, line: &'l [u8]) -> impl Iterator<Item = &'a str> + use<'a, 'l> {
        let places = self.projection.slots.iter().zip(self.values);
        places.filter_map(move |(slot, value)| match value {
            Value::Json(text) => {
                let written = [&slot.label, text.as_bytes()].concat();
                memchr::memmem::find(line, &written).is_none().then_some(slot.name.as_str())
            }
            _ => None,
        })
    }

    /// The place that has the most bytes, by name, and how many they are.
    pub(crate) fn largest(&self) -> Option<(String, usize)> {
        let places = self.projection.slots.iter().zip(self.values);
        let sizes = places.map(|(slot, value)| (slot.name.clone(), size(value)));
        sizes.max_by_key(|(_, bytes)| *bytes)
    }

    /// The values of the key.
    pub(crate) fn key(&self) -> impl Iterator<Item = &'a Value<'a>> {
        self.key_parts().map(|(_, value)| value)
    }

    /// The key by the names of its fields.
    pub(crate) fn key_parts(&self) -> impl Iterator<Item = (&'a str, &'a Value<'a>)> {
        let places = self.projection.slots.iter().zip(self.values);
        places.filter(|(slot, _)| slot.key).map(|(slot, value)| (slot.name.as_str(), value))
    }
}

/// The bytes of a value that can have many.
fn size(value: &Value<'_>) -> usize {
    match value {
        Value::Str(text) | Value::Json(text) | Value::Decimal(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 0,
    }
}

struct RowReader<'a> {
    row: Row<'a>,
}

impl<'de> Deserializer<'de> for RowReader<'de> {
    type Error = RecordError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_map(RowMap { row: self.row, next: 0, is_at_value: false })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, RecordError> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct RowMap<'a> {
    row: Row<'a>,
    next: usize,
    is_at_value: bool,
}

impl RowMap<'_> {
    /// A type that asks for names only would be told the first one for ever.
    fn lost() -> RecordError {
        RecordError::new("its type asks for a name or a value out of turn")
    }
}

impl<'de> MapAccess<'de> for RowMap<'de> {
    type Error = RecordError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, RecordError> {
        let Row { projection, values } = self.row;
        if std::mem::replace(&mut self.is_at_value, true) {
            return Err(Self::lost());
        }
        while projection.omit_null && values.get(self.next).is_some_and(Value::is_null) {
            self.next += 1;
        }
        match projection.slots.get(self.next) {
            Some(slot) => seed.deserialize(StrDeserializer::new(&slot.name)).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, RecordError> {
        let Row { projection, values } = self.row;
        if !std::mem::take(&mut self.is_at_value) {
            return Err(Self::lost());
        }
        let (Some(slot), Some(value)) = (projection.slots.get(self.next), values.get(self.next)) else {
            return Err(RecordError::new("the row has fewer values than its projection has places"));
        };
        self.next += 1;
        let reader = ValueReader { value, logical: &slot.logical, wire: slot.wire };
        seed.deserialize(reader).map_err(|error| error.explained(value).within(&slot.name))
    }
}
