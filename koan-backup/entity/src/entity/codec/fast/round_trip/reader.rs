//! A deserializer that reads a type from the tokens of a line, with the same calls that `serde_json` makes
//! for that line.

use std::cell::Cell;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, MapAccess, VariantAccess, Visitor};

use super::super::super::fallback::Fallback;
use super::super::super::token::{LineTokens, Token};
use super::private_name::is_private_to_serde_json;

type Result<T> = std::result::Result<T, Fallback>;

/// Sets the flag if the result is an error. The flag is necessary because a type may ignore the error.
#[inline]
fn flagged<T>(has_failed: &Cell<bool>, result: Result<T>) -> Result<T> {
    result.inspect_err(|_| has_failed.set(true))
}

macro_rules! unsupported {
    ($($method:ident($($ty:ty),*)),* $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, $(_: $ty,)* _: V) -> Result<V::Value> {
            flagged(self.has_failed, Err(Fallback))
        })*
    };
}

/// Implements, as an error, the methods that no deserializer in this file supports.
macro_rules! never_supported {
    () => {
        unsupported!(
            deserialize_i128(),
            deserialize_u128(),
            deserialize_seq(),
            deserialize_tuple(usize),
            deserialize_tuple_struct(&'static str, usize),
        );
    };
}

/// Implements, as an error, the methods that the deserializers of a line and of a name do not support, in
/// contrast to the deserializer of a value.
macro_rules! unsupported_except_for_values {
    () => {
        unsupported!(
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

/// The deserializer of a line.
pub(super) struct LineReader<'a> {
    line: &'a LineTokens<'a>,
    has_failed: &'a Cell<bool>,
}

impl<'a> LineReader<'a> {
    pub(super) fn new(line: &'a LineTokens<'a>, has_failed: &'a Cell<bool>) -> Self {
        Self { line, has_failed }
    }
}

impl<'de> Deserializer<'de> for LineReader<'de> {
    type Error = Fallback;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let mut fields =
            LineFields { line: self.line, has_failed: self.has_failed, next: 0, is_at_value: false };
        let value = visitor.visit_map(&mut fields);
        // `serde_json` refuses a line if the visitor has not read all its fields.
        let is_at_end = fields.next == self.line.tokens.len();
        flagged(self.has_failed, value.and_then(|value| if is_at_end { Ok(value) } else { Err(Fallback) }))
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
        if is_private_to_serde_json(name) {
            flagged(self.has_failed, Err(Fallback))
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    never_supported!();
    unsupported_except_for_values!();
    unsupported!(deserialize_str(), deserialize_string(), deserialize_identifier(),);
}

/// The access to the fields of a line.
struct LineFields<'a> {
    line: &'a LineTokens<'a>,
    has_failed: &'a Cell<bool>,
    next: usize,
    /// Whether the name of the next field was read, and its value was not.
    is_at_value: bool,
}

impl<'de> MapAccess<'de> for &mut LineFields<'de> {
    type Error = Fallback;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        if std::mem::replace(&mut self.is_at_value, true) {
            return flagged(self.has_failed, Err(Fallback));
        }
        match self.line.get(self.next) {
            Some((slot, _)) => flagged(
                self.has_failed,
                seed.deserialize(NameReader { name: slot.name(), has_failed: self.has_failed }).map(Some),
            ),
            None => Ok(None),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        let is_at_value = std::mem::take(&mut self.is_at_value);
        let Some((_, token)) = self.line.get(self.next).filter(|_| is_at_value) else {
            return flagged(self.has_failed, Err(Fallback));
        };
        self.next += 1;
        flagged(self.has_failed, seed.deserialize(ScalarReader { token, has_failed: self.has_failed }))
    }
}

/// The deserializer of the name of a field or of a variant.
struct NameReader<'a> {
    name: &'a str,
    has_failed: &'a Cell<bool>,
}

impl<'de> Deserializer<'de> for NameReader<'_> {
    type Error = Fallback;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        flagged(self.has_failed, visitor.visit_str(self.name))
    }

    never_supported!();
    unsupported_except_for_values!();
    unsupported!(
        deserialize_option(),
        deserialize_newtype_struct(&'static str),
        deserialize_map(),
        deserialize_struct(&'static str, &'static [&'static str]),
    );

    serde::forward_to_deserialize_any! { str string identifier }
}

/// Supports only unit variants.
impl<'de> EnumAccess<'de> for NameReader<'_> {
    type Error = Fallback;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self)> {
        let (name, has_failed) = (self.name, self.has_failed);
        let variant = flagged(has_failed, seed.deserialize(self))?;
        Ok((variant, NameReader { name, has_failed }))
    }
}

impl<'de> VariantAccess<'de> for NameReader<'_> {
    type Error = Fallback;

    fn unit_variant(self) -> Result<()> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, _: S) -> Result<S::Value> {
        flagged(self.has_failed, Err(Fallback))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value> {
        flagged(self.has_failed, Err(Fallback))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value> {
        flagged(self.has_failed, Err(Fallback))
    }
}

/// The deserializer of a value of a line.
struct ScalarReader<'a> {
    token: &'a Token<'a>,
    has_failed: &'a Cell<bool>,
}

impl ScalarReader<'_> {
    #[inline]
    fn number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        flagged(
            self.has_failed,
            match *self.token {
                Token::I64(v) => match u64::try_from(v) {
                    Ok(v) => visitor.visit_u64(v),
                    Err(_) => visitor.visit_i64(v),
                },
                Token::U64(v) => visitor.visit_u64(v),
                Token::F64(v) => visitor.visit_f64(v),
                _ => Err(Fallback),
            },
        )
    }

    #[inline]
    fn single_precision<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        flagged(
            self.has_failed,
            match *self.token {
                Token::F32(v) => visitor.visit_f64(v.into()),
                _ => Err(Fallback),
            },
        )
    }

    #[inline]
    fn text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        flagged(
            self.has_failed,
            self.token.with_text(|text| visitor.visit_str(text)).unwrap_or(Err(Fallback)),
        )
    }

    #[inline]
    fn boolean<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        flagged(
            self.has_failed,
            match *self.token {
                Token::Bool(v) => visitor.visit_bool(v),
                _ => Err(Fallback),
            },
        )
    }

    #[inline]
    fn null<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        flagged(
            self.has_failed,
            match self.token {
                Token::Null => visitor.visit_unit(),
                _ => Err(Fallback),
            },
        )
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
    type Error = Fallback;

    read_as!(number:
        deserialize_i8, deserialize_i16, deserialize_i32, deserialize_i64, deserialize_u8, deserialize_u16,
        deserialize_u32, deserialize_u64, deserialize_f64,
    );
    read_as!(single_precision: deserialize_f32);
    read_as!(text: deserialize_char, deserialize_str, deserialize_string, deserialize_identifier);
    read_as!(boolean: deserialize_bool);
    read_as!(null: deserialize_unit);
    never_supported!();
    unsupported!(
        deserialize_bytes(),
        deserialize_byte_buf(),
        deserialize_map(),
        deserialize_struct(&'static str, &'static [&'static str]),
    );

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.token {
            Token::Null => self.null(visitor),
            Token::Bool(_) => self.boolean(visitor),
            // Numbers are not supported, because `serde_json` makes a different call for them if its feature
            // `arbitrary_precision` is enabled.
            _ => self.text(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        flagged(self.has_failed, visitor.visit_unit())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.token {
            Token::Null => flagged(self.has_failed, visitor.visit_none()),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        self.null(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value> {
        if is_private_to_serde_json(name) {
            flagged(self.has_failed, Err(Fallback))
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let has_failed = self.has_failed;
        let variant = |name: &str| visitor.visit_enum(NameReader { name, has_failed });
        flagged(has_failed, self.token.with_text(variant).unwrap_or(Err(Fallback)))
    }
}
