//! The detection of types that do not serialize their lists in the same order each time.
//!
//! A `HashSet` returns its elements in a different order after it was deserialized. The same record can then
//! have many different lines. A backup requires that a line does not change in a round trip, so it would fail
//! at random. Therefore a sample of each type is serialized several times when the application starts.
//!
//! One case is not detected: an optional field with `skip_serializing_if` in a type that a nested type
//! flattens, or in a nested type that flattens another type. Serde provides the names of these fields neither
//! when it deserializes nor when it serializes. In this case, the error of the backup names the record and
//! the field.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::de::SliceRead;

use super::sampled::{Make, Observations, Refused, SampleText, Sampler, sample};
use crate::foundation::canonical::{CanonicalError, CanonicalSerializer, showing_skipped_fields};

/// The number of round trips of a sample. The probability that a set of two elements keeps its order in all
/// of them is 1 in 65 536.
const ROUND_TRIPS: usize = 16;
/// The maximum number of rounds. Each round tests other variants of the enums.
const MAX_ROUNDS: usize = 48;

/// A list whose elements have no stable order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unordered {
    /// The order of a list changed in a round trip of a sample. Contains the path to the list.
    Proven(String),
    /// No sample could be created. Contains the path to a collection without a defined order, and the name of
    /// the collection.
    Suspected(String, String),
    /// No sample could be created of the value at this path, which its type reads with `deserialize_any`.
    Untested(String),
}

/// Searches `T` for a list whose order is not stable.
pub(crate) fn unordered<T: Serialize + for<'de> Deserialize<'de>>() -> Option<Unordered> {
    unordered_with::<T>(
        |sampler| T::deserialize(sampler),
        |json| T::deserialize(json),
        |value, json| value.serialize(json),
    )
}

/// Searches the values that these functions deserialize and serialize for a list whose order is not stable.
/// `make` and `read` are the same function with different deserializers.
pub fn unordered_with<T>(
    make: impl Fn(Sampler<'_>) -> Result<T, Refused>,
    read: impl Fn(&mut serde_json::Deserializer<SliceRead<'_>>) -> Result<T, serde_json::Error>,
    write: impl Fn(&T, CanonicalSerializer<'_>) -> Result<(), CanonicalError>,
) -> Option<Unordered> {
    let line = |value: &T| {
        let mut line = Vec::new();
        write(value, CanonicalSerializer::new(&mut line)).ok()?;
        Some(line)
    };
    unordered_in(&Functions {
        make: &|sampler| {
            let value = make(sampler)?;
            Ok(SampleText::new(line(&value), showing_skipped_fields(|| line(&value))))
        },
        round_trip: &|text| line(&read(&mut serde_json::Deserializer::from_slice(text)).ok()?),
    })
}

/// Searches the values of a type for a list whose order is not stable. The function is not generic, so that it is
/// compiled only once.
fn unordered_in(functions: &Functions<'_>) -> Option<Unordered> {
    let mut observations = Observations::default();
    // A type may panic for a value that the application never creates.
    let outcome = catch_unwind(AssertUnwindSafe(|| functions.test_all_variants(&mut observations)));
    match outcome.unwrap_or(Outcome::Refused) {
        Outcome::Ordered => None,
        Outcome::Unordered(path) => Some(Unordered::Proven(path)),
        Outcome::Refused => match (observations.unordered, observations.first_any_path) {
            (Some((path, kind)), _) => Some(Unordered::Suspected(path, kind)),
            (None, Some(path)) => Some(Unordered::Untested(path)),
            (None, None) => None,
        },
    }
}

/// The outcome of testing the samples of a type.
enum Outcome {
    /// The order of all lists is stable.
    Ordered,
    /// The order of the list at this path is not stable.
    Unordered(String),
    /// The type refused a sample, so it could not be tested completely.
    Refused,
}

/// The functions of one type.
struct Functions<'f> {
    /// Creates a value.
    make: &'f Make<'f>,
    /// Deserializes a line, and serializes the value again. Returns `None` if the type refuses either.
    round_trip: &'f dyn Fn(&[u8]) -> Option<Vec<u8>>,
}

impl Functions<'_> {
    /// Tests one sample in each round, until all variants of the enums were tested.
    fn test_all_variants(&self, observations: &mut Observations) -> Outcome {
        let mut is_refused = false;
        loop {
            match sample(observations, self.make) {
                None => is_refused = true,
                Some(SampleText { line: Some(line), .. }) if observations.has_list => {
                    if let Some(path) = self.changed_order(&line) {
                        return Outcome::Unordered(path);
                    }
                }
                Some(_) => {}
            }
            observations.round += 1;
            if observations.round >= observations.variants.min(MAX_ROUNDS) {
                return if is_refused { Outcome::Refused } else { Outcome::Ordered };
            }
        }
    }

    /// Returns the path to the first list whose order changes in a round trip. All round trips are compared,
    /// so that the result is the same in each start even if several lists change their order.
    fn changed_order(&self, line: &[u8]) -> Option<String> {
        let before = serde_json::from_slice(line).ok()?;
        let mut changed = BTreeSet::new();
        for _ in 0..ROUND_TRIPS {
            let second_line = (self.round_trip)(line)?;
            if second_line != line {
                let after = serde_json::from_slice(&second_line).ok()?;
                if !is_reordered(&before, &after) {
                    return None;
                }
                add_differences(&before, &after, "", &mut changed);
            }
        }
        changed.pop_first()
    }
}

/// Returns whether two values are equal if the order of their lists is ignored.
fn is_reordered(before: &Value, after: &Value) -> bool {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Array(elements) => {
                let mut elements: Vec<_> = elements.iter().map(sorted).collect();
                elements.sort_by_cached_key(Value::to_string);
                Value::Array(elements)
            }
            Value::Object(fields) => {
                fields.iter().map(|(name, value)| (name.clone(), sorted(value))).collect()
            }
            other => other.clone(),
        }
    }
    sorted(before) == sorted(after)
}

/// Returns the path of the first difference between two values, for example `.lines[].tags`. The paths are
/// sorted alphabetically. If a list has the same elements in a different order, the result is the path of the
/// list.
pub(crate) fn first_difference(before: &Value, after: &Value) -> Option<String> {
    let mut paths = BTreeSet::new();
    add_differences(before, after, "", &mut paths);
    paths.pop_first()
}

/// Adds the paths of all differences between two values at `path`.
fn add_differences(before: &Value, after: &Value, path: &str, paths: &mut BTreeSet<String>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
            for name in names {
                let path = format!("{path}.{name}");
                match (before.get(name), after.get(name)) {
                    (Some(before), Some(after)) => add_differences(before, after, &path, paths),
                    _ => drop(paths.insert(path)),
                }
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            if before == after {
                return;
            }
            let elements: BTreeSet<_> = before.iter().map(Value::to_string).collect();
            if after.iter().all(|element| elements.contains(&element.to_string())) {
                paths.insert(path.to_owned());
                return;
            }
            let path = format!("{path}[]");
            for (before, after) in before.iter().zip(after) {
                add_differences(before, after, &path, paths);
            }
        }
        (before, after) if before != after => drop(paths.insert(path.to_owned())),
        _ => {}
    }
}
