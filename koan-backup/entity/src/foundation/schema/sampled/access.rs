//! Implementations of `SeqAccess`, `MapAccess`, `EnumAccess` and `VariantAccess`, which pass sample values to
//! a type.

use std::any::type_name;

use serde::de::value::{BorrowedStrDeserializer, StringDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer as _, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::answers::text;
use super::learned::Refused;
use super::learned::{OtherEntries, VALUES};
use super::sampler::{Buffered, ELEMENTS, Sampler};

/// How the elements of a list are generated.
#[derive(Clone, Copy)]
pub(super) enum Element {
    /// Elements of the requested type, each with a different value.
    Requested,
    /// Like `Requested`, but serde first reads the elements into its internal buffer.
    Buffered,
    /// A member of a tuple, of the requested type.
    Member,
    Text,
    Integer,
}

impl Sampler<'_> {
    /// Passes a list to the visitor, and records its path if the collection has no defined order.
    pub(super) fn list<'de, V: Visitor<'de>>(
        self,
        length: Option<usize>,
        element: Element,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.observations.has_list = true;
        let name = type_name::<V::Value>();
        if self.observations.unordered.is_none() && has_no_order(name) {
            self.observations.unordered = Some((self.path.clone(), base_name(name).to_owned()));
        }
        let length = length.unwrap_or_else(|| self.elements());
        visitor.visit_seq(List { sampler: self, next: 0, length, element })
    }
}

/// Returns the name of a type without its path and parameters.
fn base_name(name: &str) -> &str {
    let path = name.split('<').next().unwrap_or(name);
    path.rsplit("::").next().unwrap_or(path)
}

/// Returns whether the name of a type shows that the type has no defined order of its elements.
fn has_no_order(name: &str) -> bool {
    let base = base_name(name);
    base.ends_with("HashSet") || base.ends_with("HashMap") || base == "DashSet" || base == "DashMap"
}

/// The elements of a list or tuple.
pub(super) struct List<'a> {
    pub(super) sampler: Sampler<'a>,
    pub(super) next: usize,
    pub(super) length: usize,
    pub(super) element: Element,
}

impl<'de> SeqAccess<'de> for List<'_> {
    type Error = Refused;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Refused> {
        if self.next >= self.length {
            return Ok(None);
        }
        let (index, sampler) = (self.next, &mut self.sampler);
        self.next += 1;
        let number = sampler.sample_number * ELEMENTS[0] + index;
        match self.element {
            Element::Text => seed.deserialize(StringDeserializer::new(text(0, number))).map(Some),
            Element::Integer => {
                let number = u32::try_from(number).map_err(|_| Refused::Other)?;
                seed.deserialize(serde::de::value::U32Deserializer::new(number)).map(Some)
            }
            Element::Member => {
                let path = format!("{}.{index}", sampler.path);
                let member = Sampler {
                    observations: sampler.observations,
                    path,
                    depth: sampler.depth + 1,
                    lists: sampler.lists,
                    sample_number: sampler.sample_number,
                    buffered: Buffered::No,
                };
                seed.deserialize(member).map(Some)
            }
            Element::Requested | Element::Buffered => {
                let buffered = match self.element {
                    Element::Buffered => Buffered::Field,
                    _ => Buffered::No,
                };
                let path = format!("{}[]", sampler.path);
                let element = Sampler {
                    observations: sampler.observations,
                    path,
                    depth: sampler.depth + 1,
                    lists: sampler.lists + 1,
                    sample_number: number,
                    buffered,
                };
                seed.deserialize(element).map(Some)
            }
        }
    }
}

/// The entries of a map: first the entries whose names were learned, then `length` other entries.
pub(super) struct Entries<'a> {
    pub(super) sampler: Sampler<'a>,
    pub(super) next: usize,
    pub(super) length: usize,
    /// The learned name of the current entry, if it has one.
    pub(super) name: Option<String>,
    /// Whether serde reads the entries without a learned name into its internal buffer.
    pub(super) buffered: Buffered,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Refused;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Refused> {
        let known = self.sampler.observations.learned.fields(&self.sampler.path);
        self.name = known.get(self.next).cloned();
        let has_others =
            known.is_empty() || self.sampler.observations.learned.others == OtherEntries::Present;
        if self.next >= known.len() + if has_others { self.length } else { 0 } {
            self.sampler.observations.learned.close(&self.sampler.path);
            return Ok(None);
        }
        self.next += 1;
        if let Some(name) = &self.name {
            return seed.deserialize(StringDeserializer::new(name.clone())).map(Some);
        }
        let Sampler { lists, sample_number: number, ref path, .. } = self.sampler;
        let (path, number) = (format!("{path}{{}}"), number * ELEMENTS[0] + self.next);
        seed.deserialize(self.sampler.child(path, lists + 1, number, self.buffered)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refused> {
        let Sampler { lists, sample_number: number, ref path, .. } = self.sampler;
        let (path, number, buffered) = match self.name.take() {
            Some(name) => (format!("{path}.{name}"), number, Buffered::Field),
            None => (format!("{path}{VALUES}"), number * ELEMENTS[0] + self.next, self.buffered),
        };
        seed.deserialize(self.sampler.child(path, lists, number, buffered))
    }
}

/// The fields of a struct.
pub(super) struct Fields<'a> {
    pub(super) sampler: Sampler<'a>,
    pub(super) fields: std::slice::Iter<'static, &'static str>,
    pub(super) name: &'static str,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Refused;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Refused> {
        let Some(name) = self.fields.next() else { return Ok(None) };
        self.name = name;
        seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refused> {
        let path = format!("{}.{}", self.sampler.path, self.name);
        let Sampler { lists, sample_number: number, .. } = self.sampler;
        seed.deserialize(self.sampler.child(path, lists, number, Buffered::No))
    }
}

/// A variant of an enum that serde reads into its internal buffer, as a map with one entry: the name of the
/// variant and its content.
pub(super) struct OneEntry<'a> {
    pub(super) sampler: Sampler<'a>,
    pub(super) variant: Option<&'static str>,
    pub(super) segment: String,
}

impl<'de> MapAccess<'de> for OneEntry<'_> {
    type Error = Refused;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Refused> {
        let Some(variant) = self.variant.take() else { return Ok(None) };
        seed.deserialize(BorrowedStrDeserializer::new(variant)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refused> {
        let Sampler { lists, sample_number: number, ref path, .. } = self.sampler;
        let path = format!("{path}{}", self.segment);
        seed.deserialize(self.sampler.child(path, lists, number, Buffered::Field))
    }
}

/// A variant of an enum, with its content.
pub(super) struct OneVariant<'a> {
    pub(super) sampler: Sampler<'a>,
    pub(super) variant: &'static str,
}

impl<'a, 'de> EnumAccess<'de> for OneVariant<'a> {
    type Error = Refused;
    type Variant = Sampler<'a>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Sampler<'a>), Refused> {
        let variant = seed.deserialize(BorrowedStrDeserializer::new(self.variant))?;
        let segment = format!("::{}", self.variant);
        Ok((variant, self.sampler.within(&segment)))
    }
}

impl<'de> VariantAccess<'de> for Sampler<'_> {
    type Error = Refused;

    fn unit_variant(self) -> Result<(), Refused> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Refused> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.deserialize_struct("", fields, visitor)
    }
}
