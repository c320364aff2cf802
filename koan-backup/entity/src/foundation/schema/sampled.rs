//! The creation of a sample value of an unknown type, by returning a value for each request of its
//! `Deserialize` implementation.
//!
//! The returned values differ between the elements of a list, so that a set contains all of them. If a type
//! refuses a value, the next attempt uses the next candidate at the path of that value: text that is an
//! address, a date, a number and so on.

mod access;
mod answers;
mod buffered;
mod deserializer;
mod form;
mod learned;
mod sampler;

pub use learned::Refused;
use learned::{Learned, OtherEntries, Shape};
pub(super) use sampler::Observations;
pub use sampler::Sampler;
use sampler::{Buffered, MAX_ATTEMPTS, MAX_FIELDS};

/// A sample value of a type, as the type serializes it.
///
/// The functions for samples use this text and not the value. They are therefore not generic, and are compiled only
/// once.
pub(super) struct SampleText {
    /// The line of the value; `None` if the type does not serialize it.
    pub(super) line: Option<Vec<u8>>,
    /// The value with the fields that the type omits when they are empty; `None` if the type does not serialize it.
    pub(super) complete: Option<serde_json::Value>,
}

impl SampleText {
    /// Creates the text from the line of a value, and from its line with all fields.
    pub(super) fn new(line: Option<Vec<u8>>, complete: Option<Vec<u8>>) -> Self {
        Self { line, complete: complete.and_then(|line| serde_json::from_slice(&line).ok()) }
    }
}

/// Creates a value of a type, from the answers of a sampler.
pub(super) type Make<'f> = dyn Fn(Sampler<'_>) -> Result<SampleText, Refused> + 'f;

/// Creates a value with `make`, or returns `None` if the type refuses all candidates.
pub(super) fn sample(observations: &mut Observations, make: &Make<'_>) -> Option<SampleText> {
    observations.candidates.clear();
    observations.nested_candidate_counts.clear();
    observations.refused.clear();
    observations.learned = Learned::default();
    let mut made = attempt(observations, make)?;
    // Optional fields are in the serialized JSON, although the type has not requested them.
    let mut tested = Vec::new();
    for _ in 0..MAX_FIELDS {
        let complete = made.complete.as_ref();
        let unseen = complete.map(|written| observations.learned.unseen(written)).unwrap_or_default();
        let Some((path, field)) = unseen.into_iter().find(|field| !tested.contains(field)) else { break };
        let candidates = observations.candidates.clone();
        let learned = observations.learned.clone();
        observations.learned.add(&path, &field);
        observations.tested_field = Some(format!("{path}.{field}"));
        match attempt(observations, make) {
            Some(with_field) => made = with_field,
            None => (observations.learned, observations.candidates) = (learned, candidates),
        }
        observations.tested_field = None;
        tested.push((path, field));
    }
    if observations.learned.has_fields() {
        // A flattened map accepts all names that are not fields.
        observations.learned.others = OtherEntries::Present;
        made = attempt(observations, make).unwrap_or(made);
    }
    Some(made)
}

/// Creates a value. After each refusal, the next attempt uses what was learned from the error, or the next
/// candidate.
fn attempt(observations: &mut Observations, make: &Make<'_>) -> Option<SampleText> {
    for _ in 0..MAX_ATTEMPTS {
        (observations.last_request, observations.requests) = (None, 0);
        observations.learned.begin();
        let made = make(Sampler {
            observations,
            path: String::new(),
            depth: 0,
            lists: 0,
            sample_number: 0,
            buffered: Buffered::No,
        });
        let refusal = match made {
            Ok(value) => return Some(value),
            Err(refusal) => refusal,
        };
        // The elements of a list of texts have no separate path, so a refusal of a variant name in the list
        // is treated as a refusal of the shape of its elements.
        let is_list = matches!(refusal, Refused::Variant(_))
            && observations
                .last_request
                .as_ref()
                .is_some_and(|(value_path, _)| observations.shape_at(value_path) == Some(Shape::List));
        let refusal = if is_list { Refused::Type(Shape::Scalar) } else { refusal };
        if observations.learned.learn_from(
            &refusal,
            observations.last_request.as_ref().map(|(value_path, _)| value_path.as_str()),
        ) {
            continue;
        }
        // The type has refused the last value.
        let (value_path, count) = observations.last_request.take()?;
        let (value_path, count) = match refusal {
            Refused::Type(shape) => observations.record_refusal(value_path, count, shape),
            Refused::Unknown(_) => observations.enclosing(value_path, count, Shape::Map),
            _ => (value_path, count),
        };
        if !observations.advance(value_path, count) {
            return None;
        }
    }
    None
}
