//! The implementation of `Deserializer` for a sampler, which returns a sample value for each request of a
//! type.

use serde::de::{Deserializer, Visitor};

use super::access::{Element, Fields, List, OneVariant};
use super::answers::{INTEGERS, TEXTS, integer, letters, text};
use super::learned::Refused;
use super::sampler::{Buffered, MAX_DEPTH, Sampler};

/// The number of candidates for a value that is requested with `deserialize_any`: a list of texts, a list of
/// numbers, a number, a boolean, a unit value, a map, and each form of a text.
const ANY_CANDIDATES: usize = TEXTS + 6;

/// The number of the candidate that is a map.
const MAP: usize = 5;
/// The number of the candidate that is the first form of a text.
const FIRST_TEXT: usize = MAP + 1;

macro_rules! integers {
    ($($method:ident $visit:ident $ty:ty),* $(,)?) => {
        $(fn $method<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
            self.count_request()?;
            let number = integer(self.candidate(INTEGERS), self.sample_number);
            visitor.$visit(<$ty>::try_from(number).or_else(|_| <$ty>::try_from(number % 100)).unwrap_or_default())
        })*
    };
}

impl<'de> Deserializer<'de> for Sampler<'_> {
    type Error = Refused;

    integers! {
        deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16, deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64, deserialize_i128 visit_i128 i128, deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16, deserialize_u32 visit_u32 u32, deserialize_u64 visit_u64 u64,
        deserialize_u128 visit_u128 u128,
    }

    fn deserialize_any<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.count_request()?;
        if self.buffered == Buffered::Field {
            return self.deserialize_buffered(visitor);
        }
        let candidate = self.candidate(ANY_CANDIDATES);
        let form = match self.observations.learned.variants(&self.path) {
            // A list whose first element is the tag was refused, and the error contained the names of the
            // variants.
            Some(_) => MAP,
            None => {
                self.observations.variants = self.observations.variants.max(2);
                (candidate + self.observations.round) % ANY_CANDIDATES
            }
        };
        if self.observations.first_any_path.is_none() {
            self.observations.first_any_path = Some(self.path.clone());
        }
        match form {
            0 => self.list(None, Element::Text, visitor),
            1 => self.list(None, Element::Integer, visitor),
            2 => visitor.visit_u64(integer(0, self.sample_number)),
            3 => visitor.visit_bool(self.sample_number % 2 == 1),
            4 => visitor.visit_unit(),
            MAP => visitor.visit_map(self.entries(0)),
            form => visitor.visit_string(text(form - FIRST_TEXT, self.sample_number)),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_bool(self.sample_number % 2 == 1)
    }

    fn deserialize_f32<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.count_request()?;
        visitor.visit_f32(f32::from(u16::try_from(self.sample_number % 1000).unwrap_or(0)) + 0.5)
    }

    fn deserialize_f64<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.count_request()?;
        visitor.visit_f64(f64::from(u16::try_from(self.sample_number % 1000).unwrap_or(0)) + 0.5)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_char(letters(self.sample_number, 1, b'a').chars().next().unwrap_or('a'))
    }

    fn deserialize_str<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.count_request()?;
        if let Some(variants) = self.observations.learned.variants(&self.path) {
            let parent = self.parent();
            return visitor.visit_str(self.variant_name(&parent, variants)?);
        }
        let candidate = self.candidate(TEXTS);
        visitor.visit_string(text(candidate, self.sample_number))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_byte_buf(self.sample_number.to_be_bytes().to_vec())
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        if self.depth >= MAX_DEPTH { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.count_request()?;
        self.list(None, Element::Requested, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(mut self, length: usize, visitor: V) -> Result<V::Value, Refused> {
        self.count_request()?;
        visitor.visit_seq(List { sampler: self, next: 0, length, element: Element::Member })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.count_request()?;
        let length = self.elements().min(2);
        visitor.visit_map(self.entries(length))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.count_request()?;
        visitor.visit_map(Fields { sampler: self, fields: fields.iter(), name: "" })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.count_request()?;
        let variant = variants.get(self.variant_index(variants.len())).ok_or(Refused::Other)?;
        visitor.visit_enum(OneVariant { sampler: self, variant })
    }
}
