//! The information about a type that its errors contain: missing fields, and the names of variants.
//!
//! Serde reads an internally tagged enum and a struct with a flattened field into a buffer, for which it
//! calls `deserialize_any`. Their fields are learned one after the other: each error contains the next
//! missing field, or the existing variants.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Expected, Unexpected};

/// The reason why a type refuses a sample.
#[derive(Debug)]
pub enum Refused {
    /// A reason that does not help to find a better sample.
    Other,
    /// A field is missing.
    Missing(&'static str),
    /// The sample contains a field that the type does not have.
    Unknown(String),
    /// A value with this shape is not accepted at its path.
    Type(Shape),
    /// A text is not the name of a variant. Contains the names of the variants.
    Variant(&'static [&'static str]),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused")
    }
}

impl std::error::Error for Refused {}

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
    /// Text, a number, a boolean or a unit value.
    Scalar,
}

/// The information that was learned about the paths of one sample.
#[derive(Clone, Debug, Default)]
pub(super) struct Learned {
    /// The names of the fields of maps that are read into a buffer.
    maps: BTreeMap<String, Vec<String>>,
    variants: BTreeMap<String, &'static [&'static str]>,
    /// The paths of the maps that were completely read, in this order.
    closed: Vec<String>,
    /// The map to which a missing field was added last, and the field.
    added: Option<(String, String)>,
    pub(super) others: OtherEntries,
}

/// Whether a map with learned field names also contains other entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum OtherEntries {
    /// Only the learned names are used, so that an error concerns the value of the last name.
    #[default]
    Absent,
    Present,
}

impl Learned {
    pub(super) fn fields(&self, path: &str) -> &[String] {
        self.maps.get(path).map_or(&[], Vec::as_slice)
    }

    pub(super) fn has_fields(&self) -> bool {
        self.maps.values().any(|fields| !fields.is_empty())
    }

    /// Returns the names of the variants that are possible for the text at this path.
    pub(super) fn variants(&self, path: &str) -> Option<&'static [&'static str]> {
        self.variants.get(path).copied()
    }

    /// Begins a new attempt, in which no map was completely read yet.
    pub(super) fn begin(&mut self) {
        self.closed.clear();
    }

    /// Records that the map at this path was completely read.
    pub(super) fn close(&mut self, path: &str) {
        self.closed.retain(|closed| closed != path);
        self.closed.push(path.to_owned());
    }

    /// Learns from the refusal of a sample; `last_path` is the path of the last request. Returns whether the
    /// refusal contained new information.
    pub(super) fn learn_from(&mut self, refusal: &Refused, last_path: Option<&str>) -> bool {
        let added = self.added.take();
        match refusal {
            Refused::Other | Refused::Type(_) => false,
            Refused::Missing(field) => self.add_missing(field, added.filter(|(_, known)| known == field)),
            Refused::Unknown(field) => match added.filter(|(_, known)| known == field) {
                Some(added) => self.add_missing(field, Some(added)),
                None => false,
            },
            Refused::Variant(variants) => match last_path {
                Some(value_path) if !variants.is_empty() => {
                    self.variants.insert(value_path.to_owned(), variants).is_none()
                }
                _ => false,
            },
        }
    }

    /// Adds a field to the last completed map that does not have the field. If the field was added to a map
    /// before and the type still lacks it (`unsuccessful`), it is moved from that map to the map that was
    /// completed before that map.
    fn add_missing(&mut self, field: &str, unsuccessful: Option<(String, String)>) -> bool {
        let mut maps: Vec<String> = self.closed.iter().rev().cloned().collect();
        if let Some((path, _)) = unsuccessful {
            self.remove(&path, field);
            maps.drain(..maps.iter().position(|map| *map == path).map_or(0, |index| index + 1));
        }
        for path in maps {
            if self.add(&path, field) {
                if let Some(variants) = self.variants.get(&path).copied() {
                    // The variants were learned from the refusal of the list, which is an earlier candidate.
                    self.variants.entry(format!("{path}.{field}")).or_insert(variants);
                }
                self.added = Some((path, field.to_owned()));
                return true;
            }
        }
        false
    }

    /// Discards the information about a path and the paths within it.
    pub(super) fn forget(&mut self, value_path: &str) {
        self.maps.retain(|path, _| path != value_path && !is_within(path, value_path));
        self.variants.retain(|path, _| !is_within(path, value_path));
    }

    /// Adds a field to a map. Returns `false` if the map already has it.
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

    /// Returns the fields that the type serialized and that were not learned, each with the path of its map.
    /// These fields are optional.
    pub(super) fn unseen(&self, written: &serde_json::Value) -> Vec<(String, String)> {
        let mut unseen = Vec::new();
        // A map for which no missing field was reported may also have optional fields.
        let other_maps = self.closed.iter().filter(|path| !self.maps.contains_key(*path));
        let maps = self.maps.iter().map(|(path, known)| (path, known.as_slice()));
        for (path, known) in maps.chain(other_maps.map(|path| (path, &[][..]))) {
            let Some(serde_json::Value::Object(fields)) = value_at(written, path) else { continue };
            let other_names = fields.keys().filter(|name| !known.contains(name) && !is_generated_name(name));
            unseen.extend(other_names.map(|name| (path.clone(), name.clone())));
        }
        unseen
    }
}

/// The path segment for the values of a map.
pub(super) const VALUES: &str = "[\u{2026}]";

/// Returns whether a path is within another path.
pub(super) fn is_within(value_path: &str, other: &str) -> bool {
    value_path.strip_prefix(other).is_some_and(|rest| rest.starts_with(['.', '[', '{', ':']))
}

/// Returns whether a name may have been generated for an entry of a map.
fn is_generated_name(name: &str) -> bool {
    name.strip_prefix('w').is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Returns the value at a path. The path leads through the first element of lists and the first entry of
/// maps.
fn value_at<'v>(value: &'v serde_json::Value, path: &str) -> Option<&'v serde_json::Value> {
    if path.is_empty() {
        return Some(value);
    }
    if let Some(rest) = path.strip_prefix("[]") {
        return value_at(value.get(0)?, rest);
    }
    if let Some(rest) = path.strip_prefix(VALUES) {
        return value_at(value.as_object()?.values().next()?, rest);
    }
    let name = path.strip_prefix('.').or_else(|| path.strip_prefix("::"))?;
    let end = name.find(['.', '[', ':', '{']).unwrap_or(name.len());
    value_at(value.get(&name[..end])?, &name[end..])
}
