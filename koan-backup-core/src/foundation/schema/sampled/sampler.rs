//! Answers what a type asks for, and remembers what was learned of it.

use std::collections::{BTreeMap, BTreeSet};

use super::form::{FORMS, shape};
use super::learned::{Learned, Refused, Shape, is_within};

/// Elements of the outermost list, and of those within.
pub(super) const ELEMENTS: [usize; 3] = [8, 4, 3];
/// From this depth on, options and lists are empty, so that recursive types end.
pub(super) const MAX_DEPTH: usize = 7;
/// Questions that one value may ask.
pub(super) const MAX_QUESTIONS: usize = 20_000;
/// Attempts to make one value.
pub(super) const MAX_ATTEMPTS: usize = 640;
/// Fields that may be absent and are tried one after the other.
pub(super) const MAX_FIELDS: usize = 64;

/// What was learned of a type while samples of it were made.
#[derive(Debug, Default)]
pub(in crate::foundation::schema) struct Observations {
    /// Which variant enums take that are in no list.
    pub(in crate::foundation::schema) round: usize,
    /// The largest number of variants of an enum, or of combinations of variants of enums within one another.
    pub(in crate::foundation::schema) variants: usize,
    /// The enums that were asked for, by the place of their content.
    pub(super) enums: BTreeMap<String, usize>,
    /// Whether a list was asked for.
    pub(in crate::foundation::schema) has_list: bool,
    /// The first place that asked for anything, whatever it was given.
    pub(in crate::foundation::schema) anything: Option<String>,
    /// The first place, with the collection there, that has no order of its own.
    pub(in crate::foundation::schema) unordered: Option<(String, String)>,
    pub(super) candidates: BTreeMap<String, usize>,
    /// Places at which a list or map of other values may be tried, each with the number of its candidates.
    pub(super) nesting: BTreeMap<String, usize>,
    /// Shapes that the type refuses at a place.
    pub(super) refused: BTreeSet<(String, Shape)>,
    pub(super) learned: Learned,
    pub(super) last: Option<(String, usize)>,
    /// The field that may be absent and is tried: what is refused is then its value, and no later one.
    pub(super) tried: Option<String>,
    pub(super) questions: usize,
}

impl Observations {
    /// The shape of what is tried at a place in the buffer of a field.
    pub(super) fn shape_at(&self, place: &String) -> Option<Shape> {
        let candidate = self.candidates.get(place).copied().unwrap_or(0);
        self.nesting.get(place).filter(|count| **count == FORMS).map(|_| shape(candidate))
    }

    /// The place of a value of a shape that the last answer is, or is in.
    pub(super) fn around(&self, last: String, count: usize, shape: Shape) -> (String, usize) {
        let around = self.nesting.iter().rev().filter(|(path, _)| **path == last || is_within(&last, path));
        let mut around = around.filter(|(path, _)| self.shape_at(path) == Some(shape));
        around.next().map(|(path, count)| (path.clone(), *count)).unwrap_or((last, count))
    }

    /// Takes note of a shape that was refused, and finds the place: that of the last answer, or a list or map that it is in.
    pub(super) fn refuse(&mut self, last: String, count: usize, refused: Shape) -> (String, usize) {
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
    pub(super) fn variant_at(&mut self, place: &str, variants: usize, offset: usize) -> usize {
        self.enums.insert(place.to_owned(), variants.max(1));
        let around = self.enums.iter().filter(|(other, _)| is_within(place, other));
        let stride = around.fold(1_usize, |product, (_, variants)| product.saturating_mul(*variants));
        self.variants = self.variants.max(stride.saturating_mul(variants));
        (self.round / stride + offset) % variants.max(1)
    }

    /// Goes on to the next candidate at a place, or at the one that it is in when there is none. False if all were refused.
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
    pub(super) seen: &'a mut Observations,
    pub(super) path: String,
    pub(super) depth: usize,
    /// How many lists this is in.
    pub(super) lists: usize,
    /// Differs between the elements of a list.
    pub(super) seed: usize,
    pub(super) buffered: Buffered,
}

/// Whether a value is that of a field whose name was learned, which serde puts into a buffer, or is in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Buffered {
    No,
    Field,
}

impl<'a> Sampler<'a> {
    /// One of these variants, the same in all elements of a list, for an enum whose content is at a place.
    pub(super) fn variant_name(
        &mut self,
        place: &str,
        variants: &'static [&'static str],
    ) -> Result<&'static str, Refused> {
        let variant = self.seen.variant_at(place, variants.len(), 0);
        variants.get(variant).copied().ok_or(Refused::Other)
    }

    /// The place of the map that this is a field of, where the content of an enum is whose tag this is.
    pub(super) fn parent(&self) -> String {
        self.path.rsplit_once('.').map_or("", |(parent, _)| parent).to_owned()
    }

    /// The candidate at this place.
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
