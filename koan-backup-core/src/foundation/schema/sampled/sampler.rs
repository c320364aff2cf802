//! Answers the requests of a type, and records what was learned about it.

use std::collections::{BTreeMap, BTreeSet};

use super::form::{FORMS, shape};
use super::learned::{Learned, Refused, Shape, is_within};

/// The number of elements of the outermost list, and of the lists within it.
pub(super) const ELEMENTS: [usize; 3] = [8, 4, 3];
/// The depth from which options and lists are empty, so that recursive types end.
pub(super) const MAX_DEPTH: usize = 7;
/// The maximum number of requests of one value.
pub(super) const MAX_QUESTIONS: usize = 20_000;
/// The maximum number of attempts to create one value.
pub(super) const MAX_ATTEMPTS: usize = 640;
/// The maximum number of optional fields that are tried one after the other.
pub(super) const MAX_FIELDS: usize = 64;

/// What was learned about a type while samples of it were created.
#[derive(Debug, Default)]
pub(in crate::foundation::schema) struct Observations {
    /// The number of the round, which selects the variants of enums that are not in a list.
    pub(in crate::foundation::schema) round: usize,
    /// The largest number of variants of an enum, or of combinations of variants of nested enums.
    pub(in crate::foundation::schema) variants: usize,
    /// The number of variants of the requested enums, by the path of their content.
    pub(super) enums: BTreeMap<String, usize>,
    /// Whether a list was requested.
    pub(in crate::foundation::schema) has_list: bool,
    /// The first path at which `deserialize_any` was called, whatever the answer was.
    pub(in crate::foundation::schema) anything: Option<String>,
    /// The first path of a collection without an order, and the name of the collection.
    pub(in crate::foundation::schema) unordered: Option<(String, String)>,
    pub(super) candidates: BTreeMap<String, usize>,
    /// The paths at which a list or map may be tried, each with the number of its candidates.
    pub(super) nesting: BTreeMap<String, usize>,
    /// The shapes that the type refuses, each with its path.
    pub(super) refused: BTreeSet<(String, Shape)>,
    pub(super) learned: Learned,
    pub(super) last: Option<(String, usize)>,
    /// The optional field that is tried. An error then concerns its value, and not a later one.
    pub(super) tried: Option<String>,
    pub(super) questions: usize,
}

impl Observations {
    /// Returns the shape of the candidate at a path, if the value is in a buffer of serde.
    pub(super) fn shape_at(&self, place: &String) -> Option<Shape> {
        let candidate = self.candidates.get(place).copied().unwrap_or(0);
        self.nesting.get(place).filter(|count| **count == FORMS).map(|_| shape(candidate))
    }

    /// Returns the path of the value of this shape that is, or contains, the last answer.
    pub(super) fn around(&self, last: String, count: usize, shape: Shape) -> (String, usize) {
        let around = self.nesting.iter().rev().filter(|(path, _)| **path == last || is_within(&last, path));
        let mut around = around.filter(|(path, _)| self.shape_at(path) == Some(shape));
        around.next().map(|(path, count)| (path.clone(), *count)).unwrap_or((last, count))
    }

    /// Records a refused shape, and returns the path of the refused value: the path of the last answer, or of
    /// a list or map that contains it.
    pub(super) fn refuse(&mut self, last: String, count: usize, refused: Shape) -> (String, usize) {
        let (place, count) = match refused {
            Shape::Scalar => (last, count),
            Shape::List | Shape::Map => self.around(last, count, refused),
        };
        // The list was accepted, but its elements were not: they must be scalars of another type, or no
        // scalars.
        let is_element = refused == Shape::Scalar && self.shape_at(&place) == Some(Shape::List);
        if is_element || self.shape_at(&place) == Some(refused) && refused != Shape::Scalar {
            self.refused.insert((place.clone(), refused));
        }
        (place, count)
    }

    /// Returns the variant of the enum whose content is at a path. Nested enums go through all combinations,
    /// one in each round.
    pub(super) fn variant_at(&mut self, place: &str, variants: usize, offset: usize) -> usize {
        self.enums.insert(place.to_owned(), variants.max(1));
        let around = self.enums.iter().filter(|(other, _)| is_within(place, other));
        let stride = around.fold(1_usize, |product, (_, variants)| product.saturating_mul(*variants));
        self.variants = self.variants.max(stride.saturating_mul(variants));
        (self.round / stride + offset) % variants.max(1)
    }

    /// Selects the next candidate at a path, or at the surrounding path if no candidate is left. Returns
    /// `false` if all candidates were refused.
    pub(super) fn advance(&mut self, mut place: String, mut count: usize) -> bool {
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
            // What was learned within a list or map does not apply to the next form.
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

/// A deserializer that answers the requests of a type.
#[derive(Debug)]
pub struct Sampler<'a> {
    pub(super) seen: &'a mut Observations,
    pub(super) path: String,
    pub(super) depth: usize,
    /// The number of lists that contain the value.
    pub(super) lists: usize,
    /// A number that differs between the elements of a list.
    pub(super) seed: usize,
    pub(super) buffered: Buffered,
}

/// Whether a value is in a field whose name was learned, and which serde therefore reads into a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Buffered {
    No,
    Field,
}

impl<'a> Sampler<'a> {
    /// Returns one of these variants for the enum whose content is at a path, the same one in all elements of
    /// a list.
    pub(super) fn variant_name(
        &mut self,
        place: &str,
        variants: &'static [&'static str],
    ) -> Result<&'static str, Refused> {
        let variant = self.seen.variant_at(place, variants.len(), 0);
        variants.get(variant).copied().ok_or(Refused::Other)
    }

    /// Returns the path of the map that contains this field. If the field is a tag, the content of the enum
    /// is at that path.
    pub(super) fn parent(&self) -> String {
        self.path.rsplit_once('.').map_or("", |(parent, _)| parent).to_owned()
    }

    /// Returns the number of the candidate at this path.
    pub(super) fn candidate(&mut self, count: usize) -> usize {
        let is_tried = |tried: &String| self.path == *tried || is_within(&self.path, tried);
        if self.seen.tried.as_ref().is_none_or(is_tried) {
            self.seen.last = Some((self.path.clone(), count));
        }
        self.seen.candidates.get(&self.path).copied().unwrap_or(0)
    }

    pub(super) fn ask(&mut self) -> Result<(), Refused> {
        self.seen.questions += 1;
        if self.seen.questions > MAX_QUESTIONS { Err(Refused::Other) } else { Ok(()) }
    }

    pub(super) fn within(self, step: &str) -> Self {
        Self { path: format!("{}{step}", self.path), depth: self.depth + 1, ..self }
    }

    pub(super) fn elements(&self) -> usize {
        if self.depth >= MAX_DEPTH { 0 } else { ELEMENTS.get(self.lists).copied().unwrap_or(2) }
    }

    pub(super) fn variant_of(&mut self, variants: usize) -> usize {
        let offset = if self.lists > 0 { self.seed } else { 0 };
        self.seen.variant_at(&self.path, variants, offset)
    }
}
