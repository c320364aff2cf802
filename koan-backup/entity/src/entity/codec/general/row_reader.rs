//! The deserializer of a row.

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, Visitor};

use super::super::error::RecordError;
use super::super::row::Row;
use super::value_reader::ValueReader;
use crate::foundation::value::Value;

impl Row<'_> {
    /// Deserializes a `T` from the row, in which each value has the serde name of its field.
    ///
    /// # Errors
    /// The row does not decode as `T`.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, RecordError> {
        T::deserialize(RowReader { row: *self })
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

/// The access to the fields of a row.
struct RowMap<'a> {
    row: Row<'a>,
    next: usize,
    /// Whether the name of the next field was read, and its value was not.
    is_at_value: bool,
}

impl RowMap<'_> {
    /// Creates the error for a type that requests only names or only values. A type that requests only names
    /// would read the first name endlessly.
    fn call_order_error() -> RecordError {
        RecordError::new("its type requests field names and values in the wrong order")
    }
}

impl<'de> MapAccess<'de> for RowMap<'de> {
    type Error = RecordError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, RecordError> {
        let Row { projection, values } = self.row;
        if std::mem::replace(&mut self.is_at_value, true) {
            return Err(Self::call_order_error());
        }
        while projection.omits_null() && values.get(self.next).is_some_and(Value::is_null) {
            self.next += 1;
        }
        match projection.slots().get(self.next) {
            Some(slot) => seed.deserialize(StrDeserializer::new(slot.name())).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, RecordError> {
        let Row { projection, values } = self.row;
        if !std::mem::take(&mut self.is_at_value) {
            return Err(Self::call_order_error());
        }
        let (Some(slot), Some(value)) = (projection.slots().get(self.next), values.get(self.next)) else {
            return Err(RecordError::new("the row has fewer values than its projection has slots"));
        };
        self.next += 1;
        let reader = ValueReader { value, logical: slot.logical(), wire: slot.wire() };
        seed.deserialize(reader).map_err(|error| error.with_date_reason(value).within(slot.name()))
    }
}
