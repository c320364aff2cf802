//! The detection of the logical type of a Rust type from the first call of its `Deserialize` implementation.
//!
//! A [`Tracer`] is a deserializer that records the first call and then fails, so no value of the type is
//! needed. In newtypes and options, it records the call of their content.

use std::any::type_name;
use std::fmt;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};

use super::{LogicalType, known};

/// The logical type of a Rust type, as it was traced.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traced {
    /// The logical type.
    pub logical: LogicalType,
    /// Whether the type is an option.
    pub nullable: bool,
    /// Whether the only value of the type is `null`.
    pub unit: bool,
}

impl Traced {
    /// Returns the result for a type that is not an option.
    pub(crate) fn of(logical: LogicalType) -> Self {
        Self { logical, nullable: false, unit: false }
    }
}

/// Returns the logical type of `T`.
pub(crate) fn trace<'de, T: Deserialize<'de>>() -> Traced {
    let mut traced = trace_with(|tracer| T::deserialize(tracer).map(drop));
    if let Some(logical) = known::known_type::<T>() {
        traced.logical = logical;
    }
    traced
}

/// Returns the logical type of the value that `deserialize` reads. It is used for fields with
/// `#[serde(with = "…")]`.
pub(crate) fn trace_with(deserialize: impl FnOnce(Tracer<'_>) -> Result<(), TraceError>) -> Traced {
    let mut traced = Traced::of(LogicalType::Json);
    // The tracer always returns an error; `traced` contains the result.
    let _ = deserialize(Tracer { traced: &mut traced, field: None });
    traced
}

/// Returns the logical type of one field of the struct `T`.
pub(crate) fn trace_field<'de, T: Deserialize<'de>>(field: &'static str) -> Traced {
    let mut traced = Traced::of(LogicalType::Json);
    let _ = T::deserialize(Tracer { traced: &mut traced, field: Some(field) });
    traced
}

/// Returns the field names of the struct `T`, or `None` if `T` is a map, whose names are not fixed.
pub(crate) fn trace_names<'de, T: Deserialize<'de>>() -> Option<&'static [&'static str]> {
    let mut names = None;
    let mut traced = Traced::of(LogicalType::Json);
    let _ =
        T::deserialize(NameTracer { names: &mut names, inner: Tracer { traced: &mut traced, field: None } });
    names
}

/// A deserializer that records the first call of a `Deserialize` implementation and then fails.
#[derive(Debug)]
pub struct Tracer<'a> {
    traced: &'a mut Traced,
    /// The field to trace if the type is a struct, or `None` to trace the type itself.
    field: Option<&'static str>,
}

/// The error with which every trace ends.
#[derive(Debug)]
pub struct TraceError;

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("traced")
    }
}

impl std::error::Error for TraceError {}

impl serde::de::Error for TraceError {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

impl Tracer<'_> {
    fn record<'de, V: Visitor<'de>>(self, logical: LogicalType) -> Result<V::Value, TraceError> {
        self.traced.logical = known::by_type_name(type_name::<V::Value>()).unwrap_or(logical);
        Err(TraceError)
    }
}

macro_rules! record {
    ($($method:ident => $logical:expr),* $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, TraceError> {
            self.record::<V>($logical)
        })*
    };
}

const fn integer(bits: u8, signed: bool) -> LogicalType {
    LogicalType::Integer { bits, signed }
}

impl<'de> Deserializer<'de> for Tracer<'_> {
    type Error = TraceError;

    record! {
        deserialize_any => LogicalType::Json,
        deserialize_bool => LogicalType::Bool,
        deserialize_i8 => integer(8, true),
        deserialize_i16 => integer(16, true),
        deserialize_i32 => integer(32, true),
        deserialize_i64 => integer(64, true),
        deserialize_i128 => integer(128, true),
        deserialize_u8 => integer(8, false),
        deserialize_u16 => integer(16, false),
        deserialize_u32 => integer(32, false),
        deserialize_u64 => integer(64, false),
        deserialize_u128 => integer(128, false),
        deserialize_f32 => LogicalType::Float { bits: 32 },
        deserialize_f64 => LogicalType::Float { bits: 64 },
        deserialize_char => LogicalType::Text,
        deserialize_str => LogicalType::Text,
        deserialize_string => LogicalType::Text,
        deserialize_bytes => LogicalType::Bytes,
        deserialize_byte_buf => LogicalType::Bytes,
        deserialize_seq => LogicalType::List,
        deserialize_map => LogicalType::Map,
        deserialize_identifier => LogicalType::Text,
        deserialize_ignored_any => LogicalType::Json,
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TraceError> {
        if self.field.is_none() {
            self.traced.nullable = true;
        }
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, _: V) -> Result<V::Value, TraceError> {
        self.traced.unit = true;
        self.record::<V>(LogicalType::Json)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, TraceError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, TraceError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, TraceError> {
        self.record::<V>(LogicalType::List)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        _: V,
    ) -> Result<V::Value, TraceError> {
        self.record::<V>(LogicalType::List)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TraceError> {
        match self.field {
            Some(field) => visitor.visit_map(OneField { traced: self.traced, field: Some(field) }),
            None => {
                let fields = fields.iter().map(|&field| field.to_owned()).collect();
                self.record::<V>(LogicalType::Struct { fields })
            }
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, TraceError> {
        let variants = variants.iter().map(|&variant| variant.to_owned()).collect();
        self.record::<V>(LogicalType::Enum { variants })
    }
}

/// The access to a map with one entry, whose value is traced.
struct OneField<'a> {
    traced: &'a mut Traced,
    field: Option<&'static str>,
}

impl<'de> MapAccess<'de> for OneField<'_> {
    type Error = TraceError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, TraceError> {
        let field = self.field.take().ok_or(TraceError)?;
        seed.deserialize(BorrowedStrDeserializer::new(field)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, TraceError> {
        seed.deserialize(Tracer { traced: self.traced, field: None })
    }
}

/// A deserializer that records the field names of a struct, also of a struct in a newtype or an option.
struct NameTracer<'a> {
    names: &'a mut Option<&'static [&'static str]>,
    inner: Tracer<'a>,
}

impl<'de> Deserializer<'de> for NameTracer<'_> {
    type Error = TraceError;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, TraceError> {
        Err(TraceError::custom(""))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TraceError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, TraceError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TraceError> {
        *self.names = Some(fields);
        self.inner.deserialize_struct(name, fields, visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map enum identifier ignored_any
    }
}
