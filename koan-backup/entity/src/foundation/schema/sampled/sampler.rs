//! The sampler, which returns a value for each request of a type and records the information about the type.

use std::collections::{BTreeMap, BTreeSet};

use super::form::{FORMS, shape};
use super::learned::{Learned, Refused, Shape, is_within};

/// The number of elements of the outermost list, and of the lists at the next two levels within it.
pub(super) const ELEMENTS: [usize; 3] = [8, 4, 3];
/// The depth from which options and lists are empty, so that the sampling of a recursive type ends.
pub(super) const MAX_DEPTH: usize = 7;
/// The maximum number of requests for one value.
pub(super) const MAX_REQUESTS: usize = 20_000;
/// The maximum number of attempts to create one value.
pub(super) const MAX_ATTEMPTS: usize = 640;
/// The maximum number of optional fields that are tested one after the other.
pub(super) const MAX_FIELDS: usize = 64;

/// The information that was recorded about a type while samples of it were created.
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
    /// The first path at which `deserialize_any` was called.
    pub(in crate::foundation::schema) first_any_path: Option<String>,
    /// The first path of a collection without an order, and the name of the collection.
    pub(in crate::foundation::schema) unordered: Option<(String, String)>,
    /// The index of the current candidate at each path.
    pub(super) candidates: BTreeMap<String, usize>,
    /// The paths at which a list or map is a candidate, each with the number of its candidates.
    pub(super) nested_candidate_counts: BTreeMap<String, usize>,
    /// The shapes that the type refuses, each with its path.
    pub(super) refused: BTreeSet<(String, Shape)>,
    pub(super) learned: Learned,
    /// The path of the last request for which there are several candidates, and the number of the candidates.
    pub(super) last_request: Option<(String, usize)>,
    /// The optional field that is tested at present. An error is attributed to the value of this field, and
    /// not to a value that was requested later.
    pub(super) tested_field: Option<String>,
    /// The number of requests in the current attempt.
    pub(super) requests: usize,
}

impl Observations {
    /// Returns the shape of the candidate at a path, if serde reads the value into its internal buffer.
    pub(super) fn shape_at(&self, value_path: &String) -> Option<Shape> {
        let candidate = self.candidates.get(value_path).copied().unwrap_or(0);
        self.nested_candidate_counts
            .get(value_path)
            .filter(|count| **count == FORMS)
            .map(|_| shape(candidate))
    }

    /// Starts at the last requested value, continues with the values that contain it, and returns the path of
    /// the first value with this shape and the number of its candidates.
    pub(super) fn enclosing(&self, last: String, count: usize, shape: Shape) -> (String, usize) {
        let enclosing = self
            .nested_candidate_counts
            .iter()
            .rev()
            .filter(|(path, _)| **path == last || is_within(&last, path));
        let mut enclosing = enclosing.filter(|(path, _)| self.shape_at(path) == Some(shape));
        enclosing.next().map(|(path, count)| (path.clone(), *count)).unwrap_or((last, count))
    }

    /// Records a refused shape, and returns the path of the refused value: the path of the last requested
    /// value, or of a list or map that contains it.
    pub(super) fn record_refusal(&mut self, last: String, count: usize, refused: Shape) -> (String, usize) {
        let (value_path, count) = match refused {
            Shape::Scalar => (last, count),
            Shape::List | Shape::Map => self.enclosing(last, count, refused),
        };
        // The list was accepted, but its elements were not: the elements must be scalars of another type, or
        // must not be scalars.
        let is_element = refused == Shape::Scalar && self.shape_at(&value_path) == Some(Shape::List);
        if is_element || self.shape_at(&value_path) == Some(refused) && refused != Shape::Scalar {
            self.refused.insert((value_path.clone(), refused));
        }
        (value_path, count)
    }

    /// Returns the variant of the enum whose content is at a path. All combinations of the variants of nested
    /// enums are selected, one in each round.
    pub(super) fn variant_at(&mut self, value_path: &str, variants: usize, offset: usize) -> usize {
        self.enums.insert(value_path.to_owned(), variants.max(1));
        let enclosing = self.enums.iter().filter(|(other, _)| is_within(value_path, other));
        let stride = enclosing.fold(1_usize, |product, (_, variants)| product.saturating_mul(*variants));
        self.variants = self.variants.max(stride.saturating_mul(variants));
        (self.round / stride + offset) % variants.max(1)
    }

    /// Selects the next candidate at a path, or at the enclosing path if no candidate remains. Returns
    /// `false` if all candidates were refused.
    pub(super) fn advance(&mut self, mut value_path: String, mut count: usize) -> bool {
        loop {
            let is_nesting = self.nested_candidate_counts.get(&value_path) == Some(&FORMS);
            let candidate = self.candidates.entry(value_path.clone()).or_default();
            *candidate += 1;
            while is_nesting
                && *candidate < count
                && self.refused.contains(&(value_path.clone(), shape(*candidate)))
            {
                *candidate += 1;
            }
            let has_candidate = *candidate < count;
            // What was recorded about the values within a list or map does not apply to the next candidate.
            self.candidates.retain(|path, _| !is_within(path, &value_path));
            self.nested_candidate_counts.retain(|path, _| !is_within(path, &value_path));
            self.refused.retain(|(path, _)| !is_within(path, &value_path));
            if is_nesting {
                self.learned.forget(&value_path);
            }
            if has_candidate {
                return true;
            }
            self.refused.retain(|(path, _)| *path != value_path);
            let mut outer =
                self.nested_candidate_counts.iter().filter(|(path, _)| is_within(&value_path, path));
            let Some((path, candidates)) = outer.next_back() else { return false };
            (value_path, count) = (path.clone(), *candidates);
        }
    }
}

/// A deserializer that returns a sample value for each request of a type.
#[derive(Debug)]
pub struct Sampler<'a> {
    pub(super) observations: &'a mut Observations,
    pub(super) path: String,
    pub(super) depth: usize,
    /// The number of lists that contain the value.
    pub(super) lists: usize,
    /// A number that differs between the elements of a list.
    pub(super) sample_number: usize,
    pub(super) buffered: Buffered,
}

/// Whether a value is in a field whose name was learned, and which serde therefore reads into a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Buffered {
    No,
    Field,
}

impl<'a> Sampler<'a> {
    /// Returns one of these variants for the enum whose content is at a path. It is the same variant in all
    /// elements of a list.
    pub(super) fn variant_name(
        &mut self,
        value_path: &str,
        variants: &'static [&'static str],
    ) -> Result<&'static str, Refused> {
        let variant = self.observations.variant_at(value_path, variants.len(), 0);
        variants.get(variant).copied().ok_or(Refused::Other)
    }

    /// Returns the path of the map that contains this field. If the field is a tag, the content of the enum
    /// is at that path.
    pub(super) fn parent(&self) -> String {
        self.path.rsplit_once('.').map_or("", |(parent, _)| parent).to_owned()
    }

    /// Returns the index of the current candidate at this path, and records the request.
    pub(super) fn candidate(&mut self, count: usize) -> usize {
        let is_in_tested_field = |tested: &String| self.path == *tested || is_within(&self.path, tested);
        if self.observations.tested_field.as_ref().is_none_or(is_in_tested_field) {
            self.observations.last_request = Some((self.path.clone(), count));
        }
        self.observations.candidates.get(&self.path).copied().unwrap_or(0)
    }

    /// Counts a request, and returns an error if the type makes too many of them.
    pub(super) fn count_request(&mut self) -> Result<(), Refused> {
        self.observations.requests += 1;
        if self.observations.requests > MAX_REQUESTS { Err(Refused::Other) } else { Ok(()) }
    }

    /// Returns the sampler of a value within this value.
    /// Returns the sampler of a value within this one. A value in a list or map has one more list around it.
    pub(super) fn child(
        &mut self,
        path: String,
        lists: usize,
        sample_number: usize,
        buffered: Buffered,
    ) -> Sampler<'_> {
        let depth = self.depth + 1;
        Sampler { observations: &mut *self.observations, path, depth, lists, sample_number, buffered }
    }

    pub(super) fn within(self, segment: &str) -> Self {
        Self { path: format!("{}{segment}", self.path), depth: self.depth + 1, ..self }
    }

    /// Returns the number of elements of a list at this depth.
    pub(super) fn elements(&self) -> usize {
        if self.depth >= MAX_DEPTH { 0 } else { ELEMENTS.get(self.lists).copied().unwrap_or(2) }
    }

    /// Returns the index of the variant of the enum at this path. In a list, it differs between the elements.
    pub(super) fn variant_index(&mut self, variants: usize) -> usize {
        let offset = if self.lists > 0 { self.sample_number } else { 0 };
        self.observations.variant_at(&self.path, variants, offset)
    }
}
