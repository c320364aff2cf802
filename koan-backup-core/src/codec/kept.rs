//! Whether a type keeps a row whose line is made of scalars, found out without reading that line.
//!
//! The row is read as the type with the calls that `serde_json` would make for the line, and what the type writes is compared with
//! the values of the line while it is written. So the line decodes as the type, and the type writes that very line. Where the calls
//! would be others (numbers of 128 bits, a number that is asked for as anything, lists, structures), nothing is said.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor,
};
use serde::ser::{self, Serialize, Serializer};

use super::plain::{Plain, PlainRow};
use super::same_as::writes;
use crate::refusal::{refuse, refuse_lists_and_variants};

/// Whether the plain line of `row`, which has scalars only, decodes as a `T` that writes this very line. `false` says nothing.
pub(crate) fn keeps<T: Serialize + DeserializeOwned>(row: &PlainRow<'_>) -> bool {
    T::deserialize(LineReader(row)).is_ok_and(|value| value.serialize(LineComparison(row)).is_ok())
}

/// It is not known.
#[derive(Debug, thiserror::Error)]
#[error("not known at a glance")]
struct Unsure;

impl de::Error for Unsure {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

impl ser::Error for Unsure {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

type Result<T> = std::result::Result<T, Unsure>;

macro_rules! unsure {
    ($($method:ident($($ty:ty),*)),* $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, $(_: $ty,)* _: V) -> Result<V::Value> {
            Err(Unsure)
        })*
    };
}

/// Neither a line nor a value of one that is a scalar is any of these.
macro_rules! neither_line_nor_scalar {
    () => {
        unsure!(
            deserialize_i128(),
            deserialize_u128(),
            deserialize_seq(),
            deserialize_tuple(usize),
            deserialize_tuple_struct(&'static str, usize),
        );
    };
}

/// The line of a row, as `serde_json` reads it.
struct LineReader<'a>(&'a PlainRow<'a>);

impl<'de> Deserializer<'de> for LineReader<'de> {
    type Error = Unsure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let mut fields = LineFields { row: self.0, next: 0, is_at_value: false };
        let value = visitor.visit_map(&mut fields)?;
        // A visitor that ends early leaves a part of the line, which is an error.
        if fields.next == self.0.values.len() { Ok(value) } else { Err(Unsure) }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value> {
        if is_raw(name) { Err(Unsure) } else { visitor.visit_newtype_struct(self) }
    }

    neither_line_nor_scalar!();
    unsure!(
        deserialize_bool(),
        deserialize_i8(),
        deserialize_i16(),
        deserialize_i32(),
        deserialize_i64(),
        deserialize_u8(),
        deserialize_u16(),
        deserialize_u32(),
        deserialize_u64(),
        deserialize_f32(),
        deserialize_f64(),
        deserialize_char(),
        deserialize_str(),
        deserialize_string(),
        deserialize_bytes(),
        deserialize_byte_buf(),
        deserialize_unit(),
        deserialize_unit_struct(&'static str),
        deserialize_enum(&'static str, &'static [&'static str]),
        deserialize_identifier(),
        deserialize_ignored_any(),
    );
}

/// What `serde_json` calls a newtype that takes text as it stands.
fn is_raw(name: &str) -> bool {
    name.starts_with("$serde_json::")
}

struct LineFields<'a> {
    row: &'a PlainRow<'a>,
    next: usize,
    is_at_value: bool,
}

impl<'de> MapAccess<'de> for &mut LineFields<'de> {
    type Error = Unsure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        if std::mem::replace(&mut self.is_at_value, true) {
            return Err(Unsure);
        }
        match self.row.place(self.next) {
            Some((slot, _)) => seed.deserialize(StrDeserializer::new(slot.name())).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        let (Some((_, value)), true) = (self.row.place(self.next), std::mem::take(&mut self.is_at_value))
        else {
            return Err(Unsure);
        };
        self.next += 1;
        seed.deserialize(ScalarReader(value))
    }
}

/// A value of a line, as `serde_json` reads it.
struct ScalarReader<'a>(&'a Plain<'a>);

impl ScalarReader<'_> {
    #[inline]
    fn number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match *self.0 {
            Plain::I64(v) => match u64::try_from(v) {
                Ok(v) => visitor.visit_u64(v),
                Err(_) => visitor.visit_i64(v),
            },
            Plain::U64(v) => visitor.visit_u64(v),
            Plain::F64(v) => visitor.visit_f64(v),
            _ => Err(Unsure),
        }
    }

    #[inline]
    fn text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.0.text(|text| visitor.visit_str(text)).unwrap_or(Err(Unsure))
    }
}

macro_rules! read_as {
    ($read:ident: $($method:ident),* $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            self.$read(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for ScalarReader<'de> {
    type Error = Unsure;

    read_as!(number:
        deserialize_i8, deserialize_i16, deserialize_i32, deserialize_i64, deserialize_u8, deserialize_u16, deserialize_u32,
        deserialize_u64, deserialize_f64,
    );
    read_as!(text: deserialize_char, deserialize_str, deserialize_string, deserialize_identifier);
    neither_line_nor_scalar!();
    unsure!(
        deserialize_bytes(),
        deserialize_byte_buf(),
        deserialize_map(),
        deserialize_struct(&'static str, &'static [&'static str]),
    );

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match *self.0 {
            Plain::Null => visitor.visit_unit(),
            Plain::Bool(v) => visitor.visit_bool(v),
            // With its feature `arbitrary_precision`, `serde_json` has another call for numbers.
            _ => self.text(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match *self.0 {
            Plain::Bool(v) => visitor.visit_bool(v),
            _ => Err(Unsure),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match *self.0 {
            Plain::F32(v) => visitor.visit_f64(v.into()),
            _ => Err(Unsure),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Plain::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Plain::Null => visitor.visit_unit(),
            _ => Err(Unsure),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value> {
        if is_raw(name) { Err(Unsure) } else { visitor.visit_newtype_struct(self) }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let variant = |text: &str| visitor.visit_enum(text.into_deserializer());
        self.0.text(variant).unwrap_or(Err(Unsure))
    }
}

/// Takes what a type writes as long as it is what stands in the line of a row.
struct LineComparison<'a>(&'a PlainRow<'a>);

struct FieldComparison<'a> {
    row: &'a PlainRow<'a>,
    next: usize,
}

impl ser::SerializeStruct for FieldComparison<'_> {
    type Ok = ();
    type Error = Unsure;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<()> {
        let (slot, stored) = self.row.place(self.next).ok_or(Unsure)?;
        self.next += 1;
        let is_same = slot.name() == key && writes(value, stored);
        if is_same { Ok(()) } else { Err(Unsure) }
    }

    fn end(self) -> Result<()> {
        if self.next == self.row.values.len() { Ok(()) } else { Err(Unsure) }
    }
}

impl<'a> Serializer for LineComparison<'a> {
    type Ok = ();
    type Error = Unsure;
    type SerializeMap = ser::Impossible<(), Unsure>;
    type SerializeStruct = FieldComparison<'a>;

    refuse_lists_and_variants!(Unsure);

    // The keys of a map are sorted in a line.
    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap> {
        Err(Unsure)
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<FieldComparison<'a>> {
        if is_raw(name) { Err(Unsure) } else { Ok(FieldComparison { row: self.0, next: 0 }) }
    }

    refuse! { Unsure =>
        serialize_bool(bool),
        serialize_i8(i8),
        serialize_i16(i16),
        serialize_i32(i32),
        serialize_i64(i64),
        serialize_u8(u8),
        serialize_u16(u16),
        serialize_u32(u32),
        serialize_u64(u64),
        serialize_f32(f32),
        serialize_f64(f64),
        serialize_char(char),
        serialize_str(&str),
        serialize_bytes(&[u8]),
        serialize_none(),
        serialize_unit(),
        serialize_unit_struct(&'static str),
        serialize_unit_variant(&'static str, u32, &'static str),
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::super::row::{Projection, Row};
    use super::*;
    use crate::codec::encode_plain;
    use crate::schema::{FieldSchema, LogicalType, WireForm};
    use crate::value::Value;

    /// Whether `T` is seen to keep a row, of which the long way must then say the same.
    fn kept<T: Serialize + DeserializeOwned>(fields: &[(&str, LogicalType, Value<'_>)]) -> bool {
        let mut projection = Projection::default();
        for (name, logical, _) in fields {
            projection.field(&FieldSchema {
                name: (*name).to_owned(),
                column: None,
                rust_type: String::new(),
                logical: logical.clone(),
                wire: WireForm::Plain,
                nullable: true,
                key: false,
                required: false,
            });
        }
        let values: Vec<_> = fields.iter().map(|(_, _, value)| value.borrowed()).collect();
        let row = Row { projection: &projection, values: &values };
        let is_kept = PlainRow::of(&row).is_some_and(|row| keeps::<T>(&row));
        let mut line = Vec::new();
        let prove = |line: &[u8]| crate::codec::prove::<T>(line, &mut Vec::new());
        let is_proven = encode_plain(&row, &mut line, |_| false, prove);
        assert!(!is_kept || is_proven, "kept at a glance, and not proven: {row:?}");
        is_kept
    }

    const INTEGER: LogicalType = LogicalType::Integer { bits: 64, signed: true };

    fn id(value: i64) -> (&'static str, LogicalType, Value<'static>) {
        ("id", INTEGER, Value::I64(value))
    }

    fn text(value: &str) -> (&'static str, LogicalType, Value<'_>) {
        ("text", LogicalType::Text, Value::Str(value.into()))
    }

    #[derive(Serialize, Deserialize)]
    struct Usual {
        id: i64,
        text: Option<String>,
    }

    #[test]
    fn what_comes_back_as_it_is_is_kept() {
        for value in [0, -1, i64::MIN, i64::MAX] {
            assert!(kept::<Usual>(&[id(value), text("a \"quoted\" \\ text\n")]));
        }
        assert!(kept::<Usual>(&[id(1), ("text", LogicalType::Text, Value::Null)]));
    }

    #[test]
    fn another_order_and_another_number_of_fields_are_not_kept() {
        assert!(!kept::<Usual>(&[text("a"), id(1)]));
        assert!(!kept::<Usual>(&[id(1)]));
        assert!(!kept::<Usual>(&[id(1), text("a"), ("more", INTEGER, Value::Null)]));
        assert!(!kept::<Usual>(&[id(1), ("other", LogicalType::Text, Value::Null)]));
    }

    #[test]
    fn what_the_type_changes_is_not_kept() {
        #[derive(Serialize, Deserialize)]
        struct Small {
            id: u8,
            text: Trimmed,
        }
        #[derive(Serialize, Deserialize)]
        #[serde(from = "String")]
        struct Trimmed(String);
        impl From<String> for Trimmed {
            fn from(text: String) -> Self {
                Self(text.trim().to_owned())
            }
        }
        assert!(kept::<Small>(&[id(255), text("a")]));
        assert!(!kept::<Small>(&[id(256), text("a")]));
        assert!(!kept::<Small>(&[id(-1), text("a")]));
        assert!(!kept::<Small>(&[id(255), text("a ")]));
    }

    #[test]
    fn floats_are_kept_at_their_own_width() {
        #[derive(Serialize, Deserialize)]
        struct Wide {
            rate: f64,
        }
        #[derive(Serialize, Deserialize)]
        struct Narrow {
            rate: f32,
        }
        let rate = |bits, value| [("rate", LogicalType::Float { bits }, Value::F64(value))];
        for value in [0.1, -0.0, 1e300, f64::MIN_POSITIVE, 5.0] {
            assert!(kept::<Wide>(&rate(64, value)), "{value}");
        }
        assert!(kept::<Narrow>(&rate(32, f64::from(0.1f32))));
        // The schema and the type do not agree.
        assert!(!kept::<Narrow>(&rate(64, 0.1)));
        assert!(!kept::<Wide>(&rate(32, f64::from(0.1f32))));
        assert!(!kept::<Narrow>(&rate(32, 0.1)));
    }

    #[test]
    fn what_serde_json_reads_in_another_way_is_left_to_it() {
        #[derive(Serialize, Deserialize)]
        struct Anything {
            id: serde_json::Value,
        }
        #[derive(Serialize, Deserialize)]
        struct Huge {
            id: i128,
        }
        #[derive(Serialize, Deserialize)]
        struct Raw {
            id: Box<serde_json::value::RawValue>,
        }
        assert!(!kept::<Anything>(&[id(1)]));
        assert!(!kept::<Huge>(&[id(1)]));
        assert!(!kept::<Raw>(&[id(1)]));
    }

    #[test]
    fn a_type_that_reads_a_part_of_a_line_or_loses_its_place_does_not_keep_it() {
        /// Takes the names of all fields and no value, or one field.
        struct Careless<const KEYS_ONLY: bool>;
        impl<const KEYS_ONLY: bool> Serialize for Careless<KEYS_ONLY> {
            fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                Usual { id: 1, text: Some("a".to_owned()) }.serialize(serializer)
            }
        }
        impl<'de, const KEYS_ONLY: bool> Deserialize<'de> for Careless<KEYS_ONLY> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
                deserializer.deserialize_map(Self)
            }
        }
        impl<'de, const KEYS_ONLY: bool> Visitor<'de> for Careless<KEYS_ONLY> {
            type Value = Self;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self, A::Error> {
                if KEYS_ONLY {
                    while map.next_key::<String>()?.is_some() {}
                } else {
                    map.next_entry::<String, i64>()?;
                }
                Ok(self)
            }
        }
        assert!(!kept::<Careless<true>>(&[id(1), text("a")]));
        assert!(!kept::<Careless<false>>(&[id(1), text("a")]));
    }

    #[test]
    fn a_type_that_is_written_as_a_map_is_left_to_the_long_way() {
        assert!(!kept::<std::collections::HashMap<String, i64>>(&[id(1)]));
    }
}
