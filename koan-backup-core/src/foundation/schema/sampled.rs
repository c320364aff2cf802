//! Makes a value of a type without knowing it, by answering what its `Deserialize` asks for.
//!
//! The answers differ from element to element, so that a set keeps all of them. A type that refuses an answer is asked once more with
//! the next candidate at that place: text that is an address, a date, a number and so on.

mod access;
mod answers;
mod buffered;
mod deserializer;
mod learned;

use std::any::type_name;
use std::collections::{BTreeMap, BTreeSet};

use access::{Element, List};
use buffered::{FORMS, shape};
pub use learned::Refused;
use learned::{Learned, Others, Shape, is_within};
use serde::de::Visitor;

/// Elements of the outermost list, and of those within.
const ELEMENTS: [usize; 3] = [8, 4, 3];
/// From this depth on, options and lists are empty, so that recursive types end.
const MAX_DEPTH: usize = 7;
/// Questions that one value may ask.
const MAX_QUESTIONS: usize = 20_000;
/// Attempts to make one value.
const MAX_ATTEMPTS: usize = 640;
/// Fields that may be absent and are tried one after the other.
const MAX_FIELDS: usize = 64;

/// What was learned of a type while samples of it were made.
#[derive(Debug, Default)]
pub(super) struct Observations {
    /// Which variant enums take that are in no list.
    pub(super) round: usize,
    /// The largest number of variants of an enum, or of combinations of variants of enums within one another.
    pub(super) variants: usize,
    /// The enums that were asked for, by the place of their content.
    enums: BTreeMap<String, usize>,
    /// Whether a list was asked for.
    pub(super) has_list: bool,
    /// The first place that asked for anything, whatever it was given.
    pub(super) anything: Option<String>,
    /// The first place, with the collection there, that has no order of its own.
    pub(super) unordered: Option<(String, String)>,
    candidates: BTreeMap<String, usize>,
    /// Places at which a list or map of other values may be tried, each with the number of its candidates.
    nesting: BTreeMap<String, usize>,
    /// Shapes that the type refuses at a place.
    refused: BTreeSet<(String, Shape)>,
    learned: Learned,
    last: Option<(String, usize)>,
    /// The field that may be absent and is tried: what is refused is then its value, and no later one.
    tried: Option<String>,
    questions: usize,
}

/// Makes a `T` by `make`; none if no answer is accepted. `write` gives what the type writes of a value.
pub(super) fn sample<T>(
    seen: &mut Observations,
    make: &impl Fn(Sampler<'_>) -> Result<T, Refused>,
    write: &impl Fn(&T) -> Option<serde_json::Value>,
) -> Option<T> {
    seen.candidates.clear();
    seen.nesting.clear();
    seen.refused.clear();
    seen.learned = Learned::default();
    let mut made = attempt(seen, make)?;
    // Fields that may be absent are in what is written, though nothing asked for them.
    let mut tried = Vec::new();
    for _ in 0..MAX_FIELDS {
        let unseen = write(&made).map(|written| seen.learned.unseen(&written)).unwrap_or_default();
        let Some((path, field)) = unseen.into_iter().find(|place| !tried.contains(place)) else { break };
        let candidates = seen.candidates.clone();
        let learned = seen.learned.clone();
        seen.learned.add(&path, &field);
        seen.tried = Some(format!("{path}.{field}"));
        match attempt(seen, make) {
            Some(fuller) => made = fuller,
            None => (seen.learned, seen.candidates) = (learned, candidates),
        }
        seen.tried = None;
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
        // The elements of a list of texts are no place of their own, so a variant that they do not name is learned of the list's elements.
        let is_list = matches!(why, Refused::Variant(_))
            && seen.last.as_ref().is_some_and(|(place, _)| seen.shape_at(place) == Some(Shape::List));
        let why = if is_list { Refused::Type(Shape::Scalar) } else { why };
        if seen.learned.note(&why, seen.last.as_ref().map(|(place, _)| place.as_str())) {
            continue;
        }
        // The answer that was given last is the one that was refused.
        let (place, count) = seen.last.take()?;
        let (place, count) = match why {
            Refused::Type(shape) => seen.refuse(place, count, shape),
            Refused::Unknown(_) => seen.around(place, count, Shape::Map),
            _ => (place, count),
        };
        if !seen.advance(place, count) {
            return None;
        }
    }
    None
}

impl Observations {
    /// The shape of what is tried at a place in the buffer of a field.
    fn shape_at(&self, place: &String) -> Option<Shape> {
        let candidate = self.candidates.get(place).copied().unwrap_or(0);
        self.nesting.get(place).filter(|count| **count == FORMS).map(|_| shape(candidate))
    }

    /// The place of a value of a shape that the last answer is, or is in.
    fn around(&self, last: String, count: usize, shape: Shape) -> (String, usize) {
        let around = self.nesting.iter().rev().filter(|(path, _)| **path == last || is_within(&last, path));
        let mut around = around.filter(|(path, _)| self.shape_at(path) == Some(shape));
        around.next().map(|(path, count)| (path.clone(), *count)).unwrap_or((last, count))
    }

    /// Takes note of a shape that was refused, and finds the place: that of the last answer, or a list or map that it is in.
    fn refuse(&mut self, last: String, count: usize, refused: Shape) -> (String, usize) {
        let (place, count) = match refused {
            Shape::Scalar => (last, count),
            Shape::List | Shape::Map => self.around(last, count, refused),
        };
        // A list was taken, and its elements were not: they are scalars of another type, or no scalars at all.
        let is_element = refused == Shape::Scalar && self.shape_at(&place) == Some(Shape::List);
        if is_element || self.shape_at(&place) == Some(refused) && refused != Shape::Scalar {
            self.refused.insert((place.clone(), refused));
        }
        (place, count)
    }

    /// Which variant an enum takes whose content is at a place. Enums within one another take all combinations, one a round.
    fn variant_at(&mut self, place: &str, variants: usize, offset: usize) -> usize {
        self.enums.insert(place.to_owned(), variants.max(1));
        let around = self.enums.iter().filter(|(other, _)| is_within(place, other));
        let stride = around.fold(1_usize, |product, (_, variants)| product.saturating_mul(*variants));
        self.variants = self.variants.max(stride.saturating_mul(variants));
        (self.round / stride + offset) % variants.max(1)
    }

    /// Goes on to the next candidate at a place, or at the one that it is in when there is none. False if all were refused.
    fn advance(&mut self, mut place: String, mut count: usize) -> bool {
        loop {
            let is_nesting = self.nesting.get(&place) == Some(&FORMS);
            let candidate = self.candidates.entry(place.clone()).or_default();
            *candidate += 1;
            while is_nesting
                && *candidate < count
                && self.refused.contains(&(place.clone(), shape(*candidate)))
            {
                *candidate += 1;
            }
            let is_left = *candidate < count;
            // What was found out of a list or map is not that of the next form.
            self.candidates.retain(|path, _| !is_within(path, &place));
            self.nesting.retain(|path, _| !is_within(path, &place));
            self.refused.retain(|(path, _)| !is_within(path, &place));
            if is_nesting {
                self.learned.forget(&place);
            }
            if is_left {
                return true;
            }
            self.refused.retain(|(path, _)| *path != place);
            let mut outer = self.nesting.iter().filter(|(path, _)| is_within(&place, path));
            let Some((path, candidates)) = outer.next_back() else { return false };
            (place, count) = (path.clone(), *candidates);
        }
    }
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

/// Whether a value is that of a field whose name was learned, which serde puts into a buffer, or is in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Buffered {
    No,
    Field,
}

impl<'a> Sampler<'a> {
    /// One of these variants, the same in all elements of a list, for an enum whose content is at a place.
    fn variant_name(
        &mut self,
        place: &str,
        variants: &'static [&'static str],
    ) -> Result<&'static str, Refused> {
        let variant = self.seen.variant_at(place, variants.len(), 0);
        variants.get(variant).copied().ok_or(Refused::Other)
    }

    /// The place of the map that this is a field of, where the content of an enum is whose tag this is.
    fn parent(&self) -> String {
        self.path.rsplit_once('.').map_or("", |(parent, _)| parent).to_owned()
    }

    /// The candidate at this place.
    fn candidate(&mut self, count: usize) -> usize {
        let is_tried = |tried: &String| self.path == *tried || is_within(&self.path, tried);
        if self.seen.tried.as_ref().is_none_or(is_tried) {
            self.seen.last = Some((self.path.clone(), count));
        }
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
        let offset = if self.lists > 0 { self.seed } else { 0 };
        self.seen.variant_at(&self.path, variants, offset)
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
