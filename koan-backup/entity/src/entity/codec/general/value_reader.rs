//! The deserializer of a field from one value of a row.

use serde::de::value::{SeqDeserializer, StrDeserializer};
use serde::de::{Deserializer, Error as _, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::super::error::RecordError;
use super::super::wire_text::{self, list};
use super::json_fault;
use crate::foundation::schema::{LogicalType, WireForm};
use crate::foundation::value::{Timestamp, Value};

/// A deserializer that passes a value to serde in the form in which serde serializes the field.
pub(super) struct ValueReader<'v> {
    pub(super) value: &'v Value<'v>,
    pub(super) logical: &'v LogicalType,
    pub(super) wire: WireForm,
}

type Result<T> = std::result::Result<T, RecordError>;

impl<'v> ValueReader<'v> {
    /// Returns the text of the value if it is JSON, which `serde_json` must parse. Returns `None` for any
    /// other value.
    fn json(&self) -> Option<&'v str> {
        match self.value {
            Value::Json(text) => Some(text),
            Value::Str(text) if !self.logical.is_scalar() && !matches!(self.logical, LogicalType::Json) => {
                Some(text)
            }
            _ => None,
        }
    }

    /// Returns the components of a temporal value in the list form of the crate `time`.
    fn time_list(&self) -> Option<Vec<i32>> {
        if self.wire != WireForm::TimeList {
            return None;
        }
        Some(match *self.value {
            Value::Timestamp(v) => list::timestamp(v),
            Value::DateTime(v) => list::date_time(v),
            Value::Date(v) => list::date(v),
            Value::Time(v) => list::time(v),
            _ => return None,
        })
    }

    /// Returns the text of a temporal value in the form of the crate `time`.
    fn time_text(&self) -> Option<String> {
        if self.wire != WireForm::TimeText {
            return None;
        }
        Some(match *self.value {
            Value::Timestamp(v) => wire_text::timestamp_text(v),
            Value::DateTime(v) => wire_text::date_time_text(v),
            Value::Date(v) => wire_text::date_text(v),
            Value::Time(v) => wire_text::time_of_day_text(v),
            _ => return None,
        })
    }

    /// Returns the Unix time of an instant, if serde serializes the field as a Unix time.
    fn unix_time(&self) -> Option<Result<i64>> {
        let unit = wire_text::unix_unit_nanos(self.wire)?;
        let nanos = match *self.value {
            Value::Timestamp(v) => v.unix_nanos(),
            Value::DateTime(local) => Timestamp { local, offset_seconds: 0 }.unix_nanos(),
            _ => return None,
        };
        let exact =
            nanos.filter(|nanos| nanos % unit == 0).and_then(|nanos| i64::try_from(nanos / unit).ok());
        Some(exact.ok_or_else(|| {
            RecordError::new(
                "is more precise than its serde form, which contains whole units only, or is out of the range of \
                 this form",
            )
        }))
    }
}

macro_rules! json_or_any {
    ($($method:ident($($arg:ident: $ty:ty),*)),* $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, $($arg: $ty,)* visitor: V) -> Result<V::Value> {
            match self.json() {
                Some(text) => read_json(text, |json| json.$method($($arg,)* visitor)),
                None => self.deserialize_any(visitor),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for ValueReader<'de> {
    type Error = RecordError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if let Some(unix_time) = self.unix_time() {
            return visitor.visit_i64(unix_time?);
        }
        if let Some(components) = self.time_list() {
            return visitor.visit_seq(SeqDeserializer::new(components.into_iter()));
        }
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(v) => visitor.visit_bool(*v),
            Value::I64(v) => visitor.visit_i64(*v),
            Value::U64(v) => visitor.visit_u64(*v),
            Value::F64(v) if !v.is_finite() => Err(RecordError::new(
                "is NaN or infinite, which JSON cannot represent; store the value as text or as NULL",
            )),
            Value::F64(v) => visitor.visit_f64(*v),
            Value::Decimal(v) => visitor.visit_str(v),
            Value::Str(v) => visitor.visit_str(v),
            Value::Bytes(v) => match wire_text::encode_bytes(v, self.wire) {
                Some(text) => visitor.visit_string(text),
                None => visitor.visit_bytes(v),
            },
            Value::Uuid(v) => {
                let mut buffer = uuid::Uuid::encode_buffer();
                visitor.visit_str(uuid::Uuid::from_bytes(*v).hyphenated().encode_lower(&mut buffer))
            }
            Value::Json(text) => read_json(text, |json| json.deserialize_any(visitor)),
            Value::Timestamp(_) | Value::DateTime(_) | Value::Date(_) | Value::Time(_) => {
                match (self.time_text(), self.value.temporal_text()) {
                    (Some(text), _) => visitor.visit_string(text),
                    (None, Some(text)) => visitor.visit_str(text.as_str()),
                    (None, None) => visitor.visit_str(""),
                }
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.value {
            Value::Null => visitor.visit_none(),
            // `serde_json` reads JSON `null` in a line as `None` too.
            Value::Json(text) if text.trim_ascii() == "null" => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.value {
            Value::Decimal(text) => match text.parse::<f64>() {
                Ok(number) => visitor.visit_f64(number),
                Err(_) => Err(RecordError::invalid_value(Unexpected::Str(""), &"a number")),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.value {
            Value::Decimal(text) => match text.parse::<i128>() {
                Ok(number) => visitor.visit_i128(number),
                Err(_) => Err(RecordError::invalid_value(Unexpected::Str(""), &"an integer of 128 bits")),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.value {
            Value::Decimal(text) => match text.parse::<u128>() {
                Ok(number) => visitor.visit_u128(number),
                Err(_) => {
                    Err(RecordError::invalid_value(Unexpected::Str(""), &"an unsigned integer of 128 bits"))
                }
            },
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.value {
            Value::Bytes(bytes) => visitor.visit_seq(SeqDeserializer::new(bytes.iter().copied())),
            _ => match self.json() {
                Some(text) => read_json(text, |json| json.deserialize_seq(visitor)),
                None => self.deserialize_any(visitor),
            },
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.value {
            Value::Str(text) if text.starts_with('{') => {
                read_json(text, |json| json.deserialize_enum(name, variants, visitor))
            }
            Value::Str(text) => visitor.visit_enum(StrDeserializer::new(text)),
            Value::Json(text) => read_json(text, |json| json.deserialize_enum(name, variants, visitor)),
            _ => self.deserialize_any(visitor),
        }
    }

    json_or_any! {
        deserialize_map(),
        deserialize_struct(name: &'static str, fields: &'static [&'static str]),
        deserialize_tuple_struct(name: &'static str, len: usize),
        deserialize_unit(),
        deserialize_unit_struct(name: &'static str),
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 char str string bytes byte_buf identifier ignored_any
    }
}

/// Reads a value from JSON text, which must not contain anything after the value.
fn read_json<'de, T>(
    text: &'de str,
    read: impl FnOnce(&mut serde_json::Deserializer<serde_json::de::StrRead<'de>>) -> serde_json::Result<T>,
) -> Result<T> {
    let mut json = serde_json::Deserializer::from_str(text);
    let refused = |error: serde_json::Error| match json_fault::find_fault(text).filter(|_| error.is_syntax())
    {
        Some(fault) => RecordError::new(fault),
        None => RecordError::from_json(&error),
    };
    let value = read(&mut json).map_err(refused)?;
    json.end().map_err(refused)?;
    Ok(value)
}
