//! What the refusals of a type say of it: fields that are missing, and the names of variants.
//!
//! An internally tagged enum and a struct with a flattened field are read into a buffer of serde, which asks for anything. Their
//! fields are learned one after the other: each refusal names the next field that is missing, or the variants that there are.

use std::collections::BTreeMap;
use std::fmt;

/// The type refuses a sample, and why.
#[derive(Debug, thiserror::Error)]
#[error("refused")]
pub enum Refused {
    /// It gives no reason that helps.
    Other,
    /// A field is not there.
    Missing(&'static str),
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

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::Variant(expected)
    }
}

/// What was learned of the places of one sample.
#[derive(Debug, Default)]
pub(super) struct Learned {
    /// The names of the fields of maps that are read into a buffer.
    maps: BTreeMap<String, Vec<String>>,
    variants: BTreeMap<String, &'static [&'static str]>,
    /// The map that ended last.
    closed: Option<String>,
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
        self.closed = None;
    }

    pub(super) fn close(&mut self, path: &str) {
        self.closed = Some(path.to_owned());
    }

    /// Takes note of a refusal; `last` is the place that was asked about last. Whether something was learned.
    pub(super) fn note(&mut self, why: &Refused, last: Option<&str>) -> bool {
        match why {
            Refused::Other => false,
            Refused::Missing(field) => {
                let Some(path) = self.closed.clone() else { return false };
                if let Some(variants) = self.variants.get(&path).copied() {
                    // The list that was tried first has shown the variants.
                    self.variants.entry(format!("{path}.{field}")).or_insert(variants);
                }
                self.add(&path, field)
            }
            Refused::Variant(variants) => match last {
                Some(place) if !variants.is_empty() => {
                    self.variants.insert(place.to_owned(), variants).is_none()
                }
                _ => false,
            },
        }
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
        for (path, known) in &self.maps {
            let Some(serde_json::Value::Object(fields)) = at(written, path) else { continue };
            let others = fields.keys().filter(|name| !known.contains(name));
            unseen.extend(others.map(|name| (path.clone(), name.clone())));
        }
        unseen
    }
}

/// The value at a place, in the first element of lists.
fn at<'v>(value: &'v serde_json::Value, path: &str) -> Option<&'v serde_json::Value> {
    if path.is_empty() {
        return Some(value);
    }
    if let Some(rest) = path.strip_prefix("[]") {
        return at(value.get(0)?, rest);
    }
    let name = path.strip_prefix('.').or_else(|| path.strip_prefix("::"))?;
    let end = name.find(['.', '[', ':', '{']).unwrap_or(name.len());
    at(value.get(&name[..end])?, &name[end..])
}
