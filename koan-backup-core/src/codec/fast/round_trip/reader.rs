//! A row as a type reads it: with the calls that `serde_json` makes for its line.

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, MapAccess, VariantAccess, Visitor};

use super::super::super::token::{Plain, PlainRow};
use super::doubt::{Doubt, Result, Unsure, is_raw};

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

/// Neither a line nor the name of a field or variant is any of these.
macro_rules! neither_line_nor_name {
    () => {
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
            deserialize_unit(),
            deserialize_unit_struct(&'static str),
            deserialize_enum(&'static str, &'static [&'static str]),
            deserialize_ignored_any(),
        );
    };
}

/// The line of a row, as `serde_json` reads it.
pub(super) struct LineReader<'a> {
    row: &'a PlainRow<'a>,
    doubt: &'a Doubt,
}

impl<'a> LineReader<'a> {
    pub(super) fn new(row: &'a PlainRow<'a>, doubt: &'a Doubt) -> Self {
        Self { row, doubt }
    }
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
    neither_line_nor_name!();
    unsure!(deserialize_str(), deserialize_string(), deserialize_identifier(),);
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
    neither_line_nor_name!();
    unsure!(
        deserialize_option(),
        deserialize_newtype_struct(&'static str),
        deserialize_map(),
        deserialize_struct(&'static str, &'static [&'static str]),
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
