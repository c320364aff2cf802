//! Makes a value of a type without knowing it, by answering what its `Deserialize` asks for.
//!
//! The answers differ from element to element, so that a set keeps all of them. A type that refuses an answer is asked once more with
//! the next candidate at that place: text that is an address, a date, a number and so on.

mod access;
mod answers;
mod deserializer;
mod learned;

use std::any::type_name;
use std::collections::BTreeMap;

use access::{Element, List};
pub use learned::Refused;
use learned::{Learned, Others};
use serde::de::Visitor;

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
