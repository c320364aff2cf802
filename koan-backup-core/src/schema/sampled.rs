//! Makes a value of a type without knowing it, by answering what its `Deserialize` asks for.
//!
//! The answers differ from element to element, so that a set keeps all of them. A type that refuses an answer is asked once more with
//! the next candidate at that place: text that is an address, a date, a number and so on.

mod learned;

use std::any::type_name;
use std::collections::BTreeMap;

pub use learned::Refused;
use learned::{Learned, Others};
use serde::de::value::{BorrowedStrDeserializer, StringDeserializer};
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

/// Elements of the outermost list, and of those within.
const ELEMENTS: [usize; 3] = [8, 4, 3];
/// From this depth on, options and lists are empty, so that recursive types end.
const MAX_DEPTH: usize = 7;
/// Questions that one value may ask.
const MAX_QUESTIONS: usize = 20_000;
/// Attempts to make one value.
const MAX_ATTEMPTS: usize = 240;
/// Fields that may be absent and are tried one after the other.
const MAX_FIELDS: usize = 64;

/// What was learned of a type while samples of it were made.
#[derive(Debug, Default)]
pub(super) struct Observations {
    /// Which variant enums take that are in no list.
    pub(super) round: usize,
    /// The largest number of variants of an enum.
    pub(super) variants: usize,
    /// Whether a list was asked for.
    pub(super) has_list: bool,
    /// The first place that asked for anything, whatever it was given.
    pub(super) anything: Option<String>,
    /// The first place, with the collection there, that has no order of its own.
    pub(super) unordered: Option<(String, String)>,
    candidates: BTreeMap<String, usize>,
    learned: Learned,
    last: Option<(String, usize)>,
    questions: usize,
}

/// Makes a `T` by `make`; none if no answer is accepted. `write` gives what the type writes of a value.
pub(super) fn sample<T>(
    seen: &mut Observations,
    make: &impl Fn(Sampler<'_>) -> Result<T, Refused>,
    write: &impl Fn(&T) -> Option<serde_json::Value>,
) -> Option<T> {
    seen.candidates.clear();
    seen.learned = Learned::default();
    let mut made = attempt(seen, make)?;
    // Fields that may be absent are in what is written, though nothing asked for them.
    let mut tried = Vec::new();
    for _ in 0..MAX_FIELDS {
        let unseen = write(&made).map(|written| seen.learned.unseen(&written)).unwrap_or_default();
        let Some((path, field)) = unseen.into_iter().find(|place| !tried.contains(place)) else { break };
        let candidates = seen.candidates.clone();
        seen.learned.add(&path, &field);
        match attempt(seen, make) {
            Some(fuller) => made = fuller,
            None => {
                seen.learned.remove(&path, &field);
                seen.candidates = candidates;
            }
        }
        tried.push((path, field));
    }
    if seen.learned.has_fields() {
        // A flattened map takes any other names.
        seen.learned.others = Others::Given;
        made = attempt(seen, make).unwrap_or(made);
    }
    Some(made)
}

fn attempt<T>(seen: &mut Observations, make: &impl Fn(Sampler<'_>) -> Result<T, Refused>) -> Option<T> {
    for _ in 0..MAX_ATTEMPTS {
        (seen.last, seen.questions) = (None, 0);
        seen.learned.begin();
        let made =
            make(Sampler { seen, path: String::new(), depth: 0, lists: 0, seed: 0, buffered: Buffered::No });
        let why = match made {
            Ok(value) => return Some(value),
            Err(why) => why,
        };
        if seen.learned.note(&why, seen.last.as_ref().map(|(place, _)| place.as_str())) {
            continue;
        }
        // The answer that was given last is the one that was refused.
        let (place, count) = seen.last.take()?;
        let candidate = seen.candidates.entry(place).or_default();
        *candidate += 1;
        if *candidate >= count {
            return None;
        }
    }
    None
}

/// Answers what a type asks for.
#[derive(Debug)]
pub struct Sampler<'a> {
    seen: &'a mut Observations,
    path: String,
    depth: usize,
    /// How many lists this is in.
    lists: usize,
    /// Differs between the elements of a list.
    seed: usize,
    buffered: Buffered,
}

/// Whether a value is that of a field whose name was learned, which serde puts into a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Buffered {
    No,
    Field,
}

const TEXTS: usize = 17;

fn text(candidate: usize, seed: usize) -> String {
    match candidate {
        0 => format!("w{seed:02}"),
        1 => format!("user{seed}@example.org"),
        2 => format!("https://example.org/{seed}"),
        3 => format!("00000000-0000-4000-8000-{seed:012x}"),
        4 => format!("2009-08-07T06:{:02}:{:02}Z", seed / 60 % 60, seed % 60),
        5 => format!("20{:02}-08-07", seed % 100),
        6 => format!("06:{:02}:{:02}", seed / 60 % 60, seed % 60),
        7 => format!("2009-08-07T06:{:02}:{:02}", seed / 60 % 60, seed % 60),
        8 => format!("{}", seed + 1),
        9 => format!("{seed}.5"),
        10 => format!("10.0.{}.{}", seed / 256 % 256, seed % 256),
        11 => format!("1.0.{seed}"),
        12 => letters(seed, 3, b'A'),
        13 => letters(seed, 2, b'A'),
        14 => letters(seed, 3, b'a'),
        15 => letters(seed, 2, b'a'),
        _ => format!("{seed:064x}"),
    }
}

fn letters(seed: usize, length: usize, first: u8) -> String {
    (0..length)
        .map(|place| {
            let letter = u8::try_from(seed / 26usize.pow(u32::try_from(place).unwrap_or(0)) % 26);
            char::from(first + letter.unwrap_or(0))
        })
        .collect()
}

/// How many forms of a whole number are tried.
const INTEGERS: usize = 4;

fn integer(candidate: usize, seed: usize) -> u64 {
    let seed = u64::try_from(seed).unwrap_or(0);
    match candidate {
        0 => seed + 1,
        1 => 1_249_625_104 + seed,
        2 => 1_249_625_104_000 + seed * 1000,
        _ => 0,
    }
}

/// Forms of a value whose type is not asked for: a list of texts, a list of numbers, a number, true, nothing, a map, each text.
const ANYTHING: usize = TEXTS + 6;

/// The form that is a map.
const MAP: usize = 5;
/// The form that is the first text.
const FIRST_TEXT: usize = MAP + 1;

impl<'a> Sampler<'a> {
    /// One of these variants, the same in all elements of a list.
    fn variant_name(&mut self, variants: &'static [&'static str]) -> Result<&'static str, Refused> {
        self.seen.variants = self.seen.variants.max(variants.len());
        variants.get(self.seen.round % variants.len().max(1)).copied().ok_or(Refused::Other)
    }

    /// The candidate at this place.
    fn candidate(&mut self, count: usize) -> usize {
        self.seen.last = Some((self.path.clone(), count));
        self.seen.candidates.get(&self.path).copied().unwrap_or(0)
    }

    fn ask(&mut self) -> Result<(), Refused> {
        self.seen.questions += 1;
        if self.seen.questions > MAX_QUESTIONS { Err(Refused::Other) } else { Ok(()) }
    }

    fn within(self, step: &str) -> Self {
        Self { path: format!("{}{step}", self.path), depth: self.depth + 1, ..self }
    }

    fn elements(&self) -> usize {
        if self.depth >= MAX_DEPTH { 0 } else { ELEMENTS.get(self.lists).copied().unwrap_or(2) }
    }

    fn list<'de, V: Visitor<'de>>(
        self,
        length: Option<usize>,
        element: Element,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.seen.has_list = true;
        let name = type_name::<V::Value>();
        if self.seen.unordered.is_none() && has_no_order(name) {
            self.seen.unordered = Some((self.path.clone(), base(name).to_owned()));
        }
        let length = length.unwrap_or_else(|| self.elements());
        visitor.visit_seq(List { of: self, next: 0, length, element })
    }

    fn variant_of(&mut self, variants: usize) -> usize {
        self.seen.variants = self.seen.variants.max(variants);
        let offset = if self.lists > 0 { self.seed } else { 0 };
        (self.seen.round + offset) % variants.max(1)
    }
}

/// The name of a type without its path and parameters.
fn base(name: &str) -> &str {
    let path = name.split('<').next().unwrap_or(name);
    path.rsplit("::").next().unwrap_or(path)
}

/// Whether a type is known by its name to give its elements in no order of its own.
fn has_no_order(name: &str) -> bool {
    let base = base(name);
    base.ends_with("HashSet") || base.ends_with("HashMap") || base == "DashSet" || base == "DashMap"
}

macro_rules! integers {
    ($($method:ident $visit:ident $ty:ty),* $(,)?) => {
        $(fn $method<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
            self.ask()?;
            let number = integer(self.candidate(INTEGERS), self.seed);
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
        self.ask()?;
        let candidate = self.candidate(ANYTHING);
        let form = match (self.buffered, self.seen.learned.variants(&self.path)) {
            (Buffered::Field, Some(variants)) => return visitor.visit_str(self.variant_name(variants)?),
            // A list, whose first element is the tag, was refused with the names of the variants.
            (Buffered::No, Some(_)) => MAP,
            // The name of a variant, and what is in most fields.
            (Buffered::Field, None) => match candidate {
                0 => FIRST_TEXT,
                candidate if candidate <= FIRST_TEXT => candidate - 1,
                candidate => candidate,
            },
            (Buffered::No, None) => {
                self.seen.variants = self.seen.variants.max(2);
                (candidate + self.seen.round) % ANYTHING
            }
        };
        if self.buffered == Buffered::No && self.seen.anything.is_none() {
            self.seen.anything = Some(self.path.clone());
        }
        match form {
            0 => self.list(None, Element::Text, visitor),
            1 => self.list(None, Element::Integer, visitor),
            2 => visitor.visit_u64(integer(0, self.seed)),
            3 => visitor.visit_bool(self.seed % 2 == 1),
            4 => visitor.visit_unit(),
            MAP => visitor.visit_map(Entries { of: self, next: 0, length: 0, name: None }),
            form => visitor.visit_string(text(form - FIRST_TEXT, self.seed)),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_bool(self.seed % 2 == 1)
    }

    fn deserialize_f32<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.ask()?;
        visitor.visit_f32(f32::from(u16::try_from(self.seed % 1000).unwrap_or(0)) + 0.5)
    }

    fn deserialize_f64<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.ask()?;
        visitor.visit_f64(f64::from(u16::try_from(self.seed % 1000).unwrap_or(0)) + 0.5)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_char(letters(self.seed, 1, b'a').chars().next().unwrap_or('a'))
    }

    fn deserialize_str<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.ask()?;
        if let Some(variants) = self.seen.learned.variants(&self.path) {
            return visitor.visit_str(self.variant_name(variants)?);
        }
        let candidate = self.candidate(TEXTS);
        visitor.visit_string(text(candidate, self.seed))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_byte_buf(self.seed.to_be_bytes().to_vec())
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
        self.ask()?;
        self.list(None, Element::Asked, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(mut self, length: usize, visitor: V) -> Result<V::Value, Refused> {
        self.ask()?;
        visitor.visit_seq(List { of: self, next: 0, length, element: Element::Member })
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
        self.ask()?;
        let length = self.elements().min(2);
        visitor.visit_map(Entries { of: self, next: 0, length, name: None })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.ask()?;
        visitor.visit_map(Fields { of: self, fields: fields.iter(), name: "" })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.ask()?;
        let variant = variants.get(self.variant_of(variants.len())).ok_or(Refused::Other)?;
        visitor.visit_enum(OneVariant { of: self, variant })
    }
}

/// What the elements of a list are.
#[derive(Clone, Copy)]
enum Element {
    /// What is asked for, other in each element.
    Asked,
    /// What is asked for; a member of a tuple.
    Member,
    Text,
    Integer,
}

struct List<'a> {
    of: Sampler<'a>,
    next: usize,
    length: usize,
    element: Element,
}

impl<'de> SeqAccess<'de> for List<'_> {
    type Error = Refused;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Refused> {
        if self.next >= self.length {
            return Ok(None);
        }
        let (index, of) = (self.next, &mut self.of);
        self.next += 1;
        let number = of.seed * ELEMENTS[0] + index;
        match self.element {
            Element::Text => seed.deserialize(StringDeserializer::new(text(0, number))).map(Some),
            Element::Integer => {
                let number = u32::try_from(number).map_err(|_| Refused::Other)?;
                seed.deserialize(serde::de::value::U32Deserializer::new(number)).map(Some)
            }
            Element::Member => {
                let path = format!("{}.{index}", of.path);
                let member = Sampler {
                    seen: of.seen,
                    path,
                    depth: of.depth + 1,
                    lists: of.lists,
                    seed: of.seed,
                    buffered: Buffered::No,
                };
                seed.deserialize(member).map(Some)
            }
            Element::Asked => {
                let path = format!("{}[]", of.path);
                let element = Sampler {
                    seen: of.seen,
                    path,
                    depth: of.depth + 1,
                    lists: of.lists + 1,
                    seed: number,
                    buffered: Buffered::No,
                };
                seed.deserialize(element).map(Some)
            }
        }
    }
}

/// The entries of a map: first those whose names were learned, then so many others.
struct Entries<'a> {
    of: Sampler<'a>,
    next: usize,
    length: usize,
    /// The name that was learned of the entry.
    name: Option<String>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Refused;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Refused> {
        let known = self.of.seen.learned.fields(&self.of.path);
        self.name = known.get(self.next).cloned();
        let has_others = known.is_empty() || self.of.seen.learned.others == Others::Given;
        if self.next >= known.len() + if has_others { self.length } else { 0 } {
            self.of.seen.learned.close(&self.of.path);
            return Ok(None);
        }
        self.next += 1;
        if let Some(name) = &self.name {
            return seed.deserialize(StringDeserializer::new(name.clone())).map(Some);
        }
        let Sampler { depth, lists, seed: number, ref path, .. } = self.of;
        let (path, number) = (format!("{path}{{}}"), number * ELEMENTS[0] + self.next);
        let (seen, buffered) = (&mut *self.of.seen, Buffered::No);
        seed.deserialize(Sampler { seen, path, depth: depth + 1, lists: lists + 1, seed: number, buffered })
            .map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refused> {
        let Sampler { depth, lists, seed: number, ref path, .. } = self.of;
        let (path, number, buffered) = match self.name.take() {
            Some(name) => (format!("{path}.{name}"), number, Buffered::Field),
            None => (format!("{path}[\u{2026}]"), number * ELEMENTS[0] + self.next, Buffered::No),
        };
        let seen = &mut *self.of.seen;
        seed.deserialize(Sampler { seen, path, depth: depth + 1, lists, seed: number, buffered })
    }
}

struct Fields<'a> {
    of: Sampler<'a>,
    fields: std::slice::Iter<'static, &'static str>,
    name: &'static str,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Refused;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Refused> {
        let Some(name) = self.fields.next() else { return Ok(None) };
        self.name = name;
        seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refused> {
        let path = format!("{}.{}", self.of.path, self.name);
        let Sampler { depth, lists, seed: number, .. } = self.of;
        let (seen, buffered) = (&mut *self.of.seen, Buffered::No);
        seed.deserialize(Sampler { seen, path, depth: depth + 1, lists, seed: number, buffered })
    }
}

struct OneVariant<'a> {
    of: Sampler<'a>,
    variant: &'static str,
}

impl<'a, 'de> EnumAccess<'de> for OneVariant<'a> {
    type Error = Refused;
    type Variant = Sampler<'a>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Sampler<'a>), Refused> {
        let variant = seed.deserialize(BorrowedStrDeserializer::new(self.variant))?;
        let step = format!("::{}", self.variant);
        Ok((variant, self.of.within(&step)))
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
