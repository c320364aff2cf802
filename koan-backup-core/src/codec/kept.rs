//! Whether a type keeps a row whose line is made of scalars, found out without reading that line.
//!
//! The row is read as the type with the calls that `serde_json` would make for the line, and what the type writes is compared with
//! the values of the line while it is written. So the line decodes as the type, and the type writes that very line. Where the calls
//! would be others (numbers of 128 bits, a number that is asked for as anything, lists, structures), nothing is said.

use std::cell::Cell;
use std::fmt;

use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, MapAccess, VariantAccess, Visitor,
};
use serde::ser::{self, Serialize, Serializer};

use super::plain::{Plain, PlainRow};
use super::same_as::writes;
use crate::refusal::{refuse_lists_and_variants, refuse_scalars};

/// Whether the plain line of `row`, which has scalars only, decodes as a `T` that writes this very line. `false` says nothing.
pub(crate) fn keeps<T: Serialize + DeserializeOwned>(row: &PlainRow<'_>) -> bool {
    let doubt = Doubt::default();
    let value = T::deserialize(LineReader { row, doubt: &doubt });
    // A type may pass over an error that it was given, after which `serde_json` would not find its place in the line.
    !doubt.0.get() && value.is_ok_and(|value| value.serialize(LineComparison(row)).is_ok())
}

/// Whether anything that was asked for was not given.
#[derive(Default)]
struct Doubt(Cell<bool>);

impl Doubt {
    /// The same, noted if it is an error.
    #[inline]
    fn of<R>(&self, given: Result<R>) -> Result<R> {
        given.inspect_err(|_| self.0.set(true))
    }
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
            self.doubt.of(Err(Unsure))
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
struct LineReader<'a> {
    row: &'a PlainRow<'a>,
    doubt: &'a Doubt,
}

impl<'de> Deserializer<'de> for LineReader<'de> {
    type Error = Unsure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let mut fields = LineFields { row: self.row, doubt: self.doubt, next: 0, is_at_value: false };
        let value = visitor.visit_map(&mut fields);
        // A visitor that ends early leaves a part of the line, which is an error.
        let is_at_end = fields.next == self.row.values.len();
        self.doubt.of(value.and_then(|value| if is_at_end { Ok(value) } else { Err(Unsure) }))
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
        if is_raw(name) { self.doubt.of(Err(Unsure)) } else { visitor.visit_newtype_struct(self) }
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
    doubt: &'a Doubt,
    next: usize,
    is_at_value: bool,
}

impl<'de> MapAccess<'de> for &mut LineFields<'de> {
    type Error = Unsure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        if std::mem::replace(&mut self.is_at_value, true) {
            return self.doubt.of(Err(Unsure));
        }
        match self.row.place(self.next) {
            Some((slot, _)) => {
                self.doubt.of(seed.deserialize(NameReader { name: slot.name(), doubt: self.doubt }).map(Some))
            }
            None => Ok(None),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        let is_at_value = std::mem::take(&mut self.is_at_value);
        let Some((_, value)) = self.row.place(self.next).filter(|_| is_at_value) else {
            return self.doubt.of(Err(Unsure));
        };
        self.next += 1;
        self.doubt.of(seed.deserialize(ScalarReader { value, doubt: self.doubt }))
    }
}

/// The name of a field or of a variant.
struct NameReader<'a> {
    name: &'a str,
    doubt: &'a Doubt,
}

impl<'de> Deserializer<'de> for NameReader<'_> {
    type Error = Unsure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.doubt.of(visitor.visit_str(self.name))
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
        deserialize_bytes(),
        deserialize_byte_buf(),
        deserialize_option(),
        deserialize_unit(),
        deserialize_unit_struct(&'static str),
        deserialize_newtype_struct(&'static str),
        deserialize_map(),
        deserialize_struct(&'static str, &'static [&'static str]),
        deserialize_enum(&'static str, &'static [&'static str]),
        deserialize_ignored_any(),
    );

    serde::forward_to_deserialize_any! { str string identifier }
}

/// The name of a variant without content.
impl<'de> EnumAccess<'de> for NameReader<'_> {
    type Error = Unsure;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self)> {
        let (name, doubt) = (self.name, self.doubt);
        let variant = doubt.of(seed.deserialize(self))?;
        Ok((variant, NameReader { name, doubt }))
    }
}

impl<'de> VariantAccess<'de> for NameReader<'_> {
    type Error = Unsure;

    fn unit_variant(self) -> Result<()> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, _: S) -> Result<S::Value> {
        self.doubt.of(Err(Unsure))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value> {
        self.doubt.of(Err(Unsure))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value> {
        self.doubt.of(Err(Unsure))
    }
}

/// A value of a line, as `serde_json` reads it.
struct ScalarReader<'a> {
    value: &'a Plain<'a>,
    doubt: &'a Doubt,
}

impl ScalarReader<'_> {
    #[inline]
    fn number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.doubt.of(match *self.value {
            Plain::I64(v) => match u64::try_from(v) {
                Ok(v) => visitor.visit_u64(v),
                Err(_) => visitor.visit_i64(v),
            },
            Plain::U64(v) => visitor.visit_u64(v),
            Plain::F64(v) => visitor.visit_f64(v),
            _ => Err(Unsure),
        })
    }

    #[inline]
    fn single<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.doubt.of(match *self.value {
            Plain::F32(v) => visitor.visit_f64(v.into()),
            _ => Err(Unsure),
        })
    }

    #[inline]
    fn text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.doubt.of(self.value.text(|text| visitor.visit_str(text)).unwrap_or(Err(Unsure)))
    }

    #[inline]
    fn boolean<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.doubt.of(match *self.value {
            Plain::Bool(v) => visitor.visit_bool(v),
            _ => Err(Unsure),
        })
    }

    #[inline]
    fn null<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.doubt.of(match self.value {
            Plain::Null => visitor.visit_unit(),
            _ => Err(Unsure),
        })
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
    read_as!(single: deserialize_f32);
    read_as!(text: deserialize_char, deserialize_str, deserialize_string, deserialize_identifier);
    read_as!(boolean: deserialize_bool);
    read_as!(null: deserialize_unit);
    neither_line_nor_scalar!();
    unsure!(
        deserialize_bytes(),
        deserialize_byte_buf(),
        deserialize_map(),
        deserialize_struct(&'static str, &'static [&'static str]),
    );

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.value {
            Plain::Null => self.null(visitor),
            Plain::Bool(_) => self.boolean(visitor),
            // With its feature `arbitrary_precision`, `serde_json` has another call for numbers.
            _ => self.text(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.doubt.of(visitor.visit_unit())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.value {
            Plain::Null => self.doubt.of(visitor.visit_none()),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        self.null(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value> {
        if is_raw(name) { self.doubt.of(Err(Unsure)) } else { visitor.visit_newtype_struct(self) }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let doubt = self.doubt;
        let variant = |name: &str| visitor.visit_enum(NameReader { name, doubt });
        doubt.of(self.value.text(variant).unwrap_or(Err(Unsure)))
    }
}

/// Takes what a type writes as long as it is what stands in the line of a row.
struct LineComparison<'a>(&'a PlainRow<'a>);

struct FieldComparison<'a> {
    row: &'a PlainRow<'a>,
    next: usize,
    /// Of all fields so far: a type may pass over an error.
    is_same: bool,
}

impl ser::SerializeStruct for FieldComparison<'_> {
    type Ok = ();
    type Error = Unsure;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<()> {
        let place = self.row.place(self.next);
        self.next += 1;
        self.is_same &= place.is_some_and(|(slot, stored)| slot.name() == key && writes(value, stored));
        if self.is_same { Ok(()) } else { Err(Unsure) }
    }

    fn end(self) -> Result<()> {
        if self.is_same && self.next == self.row.values.len() { Ok(()) } else { Err(Unsure) }
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
        if is_raw(name) { Err(Unsure) } else { Ok(FieldComparison { row: self.0, next: 0, is_same: true }) }
    }

    refuse_scalars!(Unsure);
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
    fn a_type_that_passes_over_an_error_is_left_to_the_long_way() {
        #[derive(Serialize, Deserialize)]
        enum Status {
            Open,
        }
        fn lenient<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
            deserializer: D,
        ) -> std::result::Result<Option<T>, D::Error> {
            Ok(T::deserialize(deserializer).ok())
        }
        #[derive(Serialize, Deserialize)]
        struct Lenient {
            id: i64,
            #[serde(deserialize_with = "lenient")]
            text: Option<Status>,
        }
        #[derive(Serialize, Deserialize)]
        struct LenientNumber {
            id: i64,
            #[serde(deserialize_with = "lenient")]
            text: Option<i128>,
        }
        // `serde_json` loses its place at the `null` that neither of them is.
        let null = ("text", LogicalType::Text, Value::Null);
        assert!(kept::<Lenient>(&[id(1), text("Open")]));
        assert!(!kept::<Lenient>(&[id(1), null.clone()]));
        assert!(!kept::<LenientNumber>(&[id(1), null.clone()]));

        /// Reads as nothing what does not read, and writes what was there.
        struct Whole(Usual);
        impl<'de> Deserialize<'de> for Whole {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
                #[derive(Deserialize)]
                struct Other {
                    id: i64,
                    #[serde(rename = "missing")]
                    _missing: i64,
                }
                let id = Other::deserialize(deserializer).map_or(1, |other| other.id);
                Ok(Self(Usual { id, text: None }))
            }
        }
        impl Serialize for Whole {
            fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                self.0.serialize(serializer)
            }
        }
        assert!(!kept::<Whole>(&[id(1), null]));
    }

    #[test]
    fn what_a_type_writes_besides_is_not_passed_over() {
        struct Loose(i64);
        impl<'de> Deserialize<'de> for Loose {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
                Usual::deserialize(deserializer).map(|usual| Self(usual.id))
            }
        }
        impl Serialize for Loose {
            fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                let mut fields = serializer.serialize_struct("Loose", 2)?;
                let _ = ser::SerializeStruct::serialize_field(&mut fields, "id", &(self.0 + 1));
                let _ = ser::SerializeStruct::serialize_field(&mut fields, "text", &None::<i64>);
                ser::SerializeStruct::end(fields)
            }
        }
        assert!(!kept::<Loose>(&[id(1), ("text", LogicalType::Text, Value::Null)]));
    }

    #[test]
    fn names_are_text_and_nothing_else() {
        #[derive(Serialize)]
        struct Numbered {
            id: Name,
        }
        #[derive(Serialize)]
        #[serde(transparent)]
        struct Name(String);
        /// Asks for a number and takes text as well.
        impl<'de> Deserialize<'de> for Name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
                deserializer.deserialize_u64(Self(String::new()))
            }
        }
        impl<'de> Visitor<'de> for Name {
            type Value = Self;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> std::result::Result<Self, E> {
                Ok(Self(text.to_owned()))
            }
        }
        impl<'de> Deserialize<'de> for Numbered {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
                struct Map;
                impl<'de> Visitor<'de> for Map {
                    type Value = Numbered;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a map")
                    }
                    fn visit_map<A: MapAccess<'de>>(
                        self,
                        mut map: A,
                    ) -> std::result::Result<Numbered, A::Error> {
                        let mut id = Name(String::new());
                        while let Some((_, value)) = map.next_entry::<Name, String>()? {
                            id = Name(value);
                        }
                        Ok(Numbered { id })
                    }
                }
                deserializer.deserialize_map(Map)
            }
        }
        assert!(!kept::<Numbered>(&[("id", LogicalType::Text, Value::Str("a".into()))]));
    }

    #[test]
    fn a_type_that_is_written_as_a_map_is_left_to_the_long_way() {
        assert!(!kept::<std::collections::HashMap<String, i64>>(&[id(1)]));
    }
}
