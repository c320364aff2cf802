//! What the refusals of a type say of it: fields that are missing, and the names of variants.
//!
//! An internally tagged enum and a struct with a flattened field are read into a buffer of serde, which asks for anything. Their
//! fields are learned one after the other: each refusal names the next field that is missing, or the variants that there are.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Expected, Unexpected};

/// The type refuses a sample, and why.
#[derive(Debug, thiserror::Error)]
#[error("refused")]
pub enum Refused {
    /// It gives no reason that helps.
    Other,
    /// A field is not there.
    Missing(&'static str),
    /// A field is there that the type does not know.
    Unknown(String),
    /// A value has another shape than the type takes at its place.
    Type(Shape),
    /// Text names no variant; these are the variants.
    Variant(&'static [&'static str]),
}

impl serde::de::Error for Refused {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Other
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }

    fn invalid_type(unexpected: Unexpected<'_>, _: &dyn Expected) -> Self {
        Self::Type(match unexpected {
            Unexpected::Seq => Shape::List,
            Unexpected::Map => Shape::Map,
            _ => Shape::Scalar,
        })
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        Self::Unknown(field.to_owned())
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::Variant(expected)
    }
}

/// The shape of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// A list.
    List,
    /// A map.
    Map,
    /// Text, a number, a boolean or nothing.
    Scalar,
}

/// What was learned of the places of one sample.
#[derive(Clone, Debug, Default)]
pub(super) struct Learned {
    /// The names of the fields of maps that are read into a buffer.
    maps: BTreeMap<String, Vec<String>>,
    variants: BTreeMap<String, &'static [&'static str]>,
    /// The maps that ended, in this order.
    closed: Vec<String>,
    /// The map that a field was added to because one was missing, and the field.
    added: Option<(String, String)>,
    pub(super) others: Others,
}

/// Whether a map of which names were learned has other entries as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Others {
    /// What is refused is then the value of the last name.
    #[default]
    Absent,
    Given,
}

impl Learned {
    pub(super) fn fields(&self, path: &str) -> &[String] {
        self.maps.get(path).map_or(&[], Vec::as_slice)
    }

    pub(super) fn has_fields(&self) -> bool {
        self.maps.values().any(|fields| !fields.is_empty())
    }

    /// The names of the variants that text at this place chooses from.
    pub(super) fn variants(&self, path: &str) -> Option<&'static [&'static str]> {
        self.variants.get(path).copied()
    }

    pub(super) fn begin(&mut self) {
        self.closed.clear();
    }

    pub(super) fn close(&mut self, path: &str) {
        self.closed.retain(|closed| closed != path);
        self.closed.push(path.to_owned());
    }

    /// Takes note of a refusal; `last` is the place that was asked about last. Whether something was learned.
    pub(super) fn note(&mut self, why: &Refused, last: Option<&str>) -> bool {
        let added = self.added.take();
        match why {
            Refused::Other | Refused::Type(_) => false,
            Refused::Missing(field) => self.add_missing(field, added.filter(|(_, known)| known == field)),
            Refused::Unknown(field) => match added.filter(|(_, known)| known == field) {
                Some(added) => self.add_missing(field, Some(added)),
                None => false,
            },
            Refused::Variant(variants) => match last {
                Some(place) if !variants.is_empty() => {
                    self.variants.insert(place.to_owned(), variants).is_none()
                }
                _ => false,
            },
        }
    }

    /// Adds a field to the map that ended last and lacks it. One that it was added to before, in vain, is not the map that it is missing
    /// in, and the map is one within.
    fn add_missing(&mut self, field: &str, in_vain: Option<(String, String)>) -> bool {
        let mut maps: Vec<String> = self.closed.iter().rev().cloned().collect();
        if let Some((path, _)) = in_vain {
            self.remove(&path, field);
            maps.drain(..maps.iter().position(|map| *map == path).map_or(0, |at| at + 1));
        }
        for path in maps {
            if self.add(&path, field) {
                if let Some(variants) = self.variants.get(&path).copied() {
                    // The list that was tried first has shown the variants.
                    self.variants.entry(format!("{path}.{field}")).or_insert(variants);
                }
                self.added = Some((path, field.to_owned()));
                return true;
            }
        }
        false
    }

    /// Forgets what was learned of a place and of those within it.
    pub(super) fn forget(&mut self, place: &str) {
        self.maps.retain(|path, _| path != place && !is_within(path, place));
        self.variants.retain(|path, _| !is_within(path, place));
    }

    /// Adds a field to a map; false if it is there.
    pub(super) fn add(&mut self, path: &str, field: &str) -> bool {
        let fields = self.maps.entry(path.to_owned()).or_default();
        let is_new = !fields.iter().any(|known| known == field);
        if is_new {
            fields.push(field.to_owned());
        }
        is_new
    }

    pub(super) fn remove(&mut self, path: &str, field: &str) {
        if let Some(fields) = self.maps.get_mut(path) {
            fields.retain(|known| known != field);
        }
    }

    /// The fields that a sample was written with and that were not learned: those that may be absent, each with its map.
    pub(super) fn unseen(&self, written: &serde_json::Value) -> Vec<(String, String)> {
        let mut unseen = Vec::new();
        // A map of which nothing was missing may have fields as well.
        let others = self.closed.iter().filter(|path| !self.maps.contains_key(*path));
        let maps = self.maps.iter().map(|(path, known)| (path, known.as_slice()));
        for (path, known) in maps.chain(others.map(|path| (path, &[][..]))) {
            let Some(serde_json::Value::Object(fields)) = at(written, path) else { continue };
            let others = fields.keys().filter(|name| !known.contains(name) && !is_answer(name));
            unseen.extend(others.map(|name| (path.clone(), name.clone())));
        }
        unseen
    }
}

/// The step to the values of a map.
pub(super) const VALUES: &str = "[\u{2026}]";

/// Whether a place is within another.
pub(super) fn is_within(place: &str, other: &str) -> bool {
    place.strip_prefix(other).is_some_and(|rest| rest.starts_with(['.', '[', '{', ':']))
}

/// Whether a name may be one that was made up for an entry of a map.
fn is_answer(name: &str) -> bool {
    name.strip_prefix('w').is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The value at a place, in the first element of lists and the first entry of maps.
fn at<'v>(value: &'v serde_json::Value, path: &str) -> Option<&'v serde_json::Value> {
    if path.is_empty() {
        return Some(value);
    }
    if let Some(rest) = path.strip_prefix("[]") {
        return at(value.get(0)?, rest);
    }
    if let Some(rest) = path.strip_prefix(VALUES) {
        return at(value.as_object()?.values().next()?, rest);
    }
    let name = path.strip_prefix('.').or_else(|| path.strip_prefix("::"))?;
    let end = name.find(['.', '[', ':', '{']).unwrap_or(name.len());
    at(value.get(&name[..end])?, &name[end..])
}
