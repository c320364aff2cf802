//! Creates a sample value of an unknown type, by answering the requests of its `Deserialize` implementation.
//!
//! The answers differ between the elements of a list, so that a set keeps all of them. If a type refuses an
//! answer, the next attempt uses the next candidate at that path: text that is an address, a date, a number
//! and so on.

mod access;
mod answers;
mod buffered;
mod deserializer;
mod form;
mod learned;
mod sampler;

pub use learned::Refused;
use learned::{Learned, Others, Shape};
pub(super) use sampler::Observations;
pub use sampler::Sampler;
use sampler::{Buffered, MAX_ATTEMPTS, MAX_FIELDS};

/// Creates a `T` with `make`, or returns `None` if no answer is accepted. `write` returns the JSON that the
/// type writes for a value.
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
    // Optional fields are in the written JSON, although the type has not requested them.
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
        // A flattened map accepts any other names.
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
        // The elements of a list of texts have no path of their own, so a refusal because of a variant name
        // is treated as a refusal of the elements' shape.
        let is_list = matches!(why, Refused::Variant(_))
            && seen.last.as_ref().is_some_and(|(place, _)| seen.shape_at(place) == Some(Shape::List));
        let why = if is_list { Refused::Type(Shape::Scalar) } else { why };
        if seen.learned.note(&why, seen.last.as_ref().map(|(place, _)| place.as_str())) {
            continue;
        }
        // The last answer is the one that was refused.
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
