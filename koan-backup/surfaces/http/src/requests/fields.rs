//! The checks of fields that bodies and query parameters share.

use std::ops::RangeInclusive;

use crate::problem::{Problem, ProblemKind};

/// The maximum length of an explanation that repeats a part of the request.
const MAX_EXPLANATION_CHARS: usize = 400;

/// The lengths of a name, in characters.
pub(crate) const NAME_LENGTH: RangeInclusive<usize> = 1..=128;
/// The maximum length of a description and of a reason, in characters.
pub(crate) const MAX_DESCRIPTION_LENGTH: usize = 1_000;
/// The sizes of a batch, in records.
pub(crate) const BATCH_SIZE: RangeInclusive<usize> = 100..=10_000;
/// The numbers of entities that are read at the same time.
pub(crate) const CONCURRENCY: RangeInclusive<usize> = 1..=20;
/// The sizes of a page, in items.
pub(crate) const PAGE_SIZE: RangeInclusive<usize> = 1..=100;
/// The maximum number of tags, entities, providers or metadata of a request.
pub(crate) const MAX_ITEMS: usize = 1_000;

/// Returns the explanation of an error of serde. `place` is where the error is, for example `the body`.
pub(super) fn explain(place: &str, error: &str) -> String {
    let mut text: String =
        error.chars().filter(|character| !character.is_control()).take(MAX_EXPLANATION_CHARS).collect();
    if error.chars().count() > MAX_EXPLANATION_CHARS {
        text.push('…');
    }
    format!("{place} is not valid: {text}")
}

/// Returns the problem of a field whose value is not allowed.
pub(crate) fn invalid(field: &str, expected: impl std::fmt::Display) -> Problem {
    Problem::new(ProblemKind::Invalid, format!("`{field}` {expected}"))
}

/// Checks that the length of a text is in the range.
pub(crate) fn check_length(field: &str, text: &str, lengths: RangeInclusive<usize>) -> Result<(), Problem> {
    if lengths.contains(&text.chars().count()) {
        return Ok(());
    }
    let (min, max) = lengths.into_inner();
    Err(invalid(field, format!("must have {min} to {max} characters")))
}

/// Checks the reason of a change, which is required.
pub(crate) fn check_reason(reason: &str) -> Result<(), Problem> {
    if reason.trim().is_empty() {
        return Err(invalid("reason", format!("must have 1 to {MAX_DESCRIPTION_LENGTH} characters")));
    }
    check_length("reason", reason, 1..=MAX_DESCRIPTION_LENGTH)
}

/// Checks that a number is in the range.
pub(crate) fn check_number(
    field: &str,
    number: Option<usize>,
    numbers: &RangeInclusive<usize>,
) -> Result<(), Problem> {
    match number {
        Some(number) if !numbers.contains(&number) => {
            Err(invalid(field, format!("must be a number from {} to {}", numbers.start(), numbers.end())))
        }
        _ => Ok(()),
    }
}

/// Checks the number of items of a list.
pub(crate) fn check_count(field: &str, count: usize) -> Result<(), Problem> {
    if count <= MAX_ITEMS {
        return Ok(());
    }
    Err(invalid(field, format!("must have at most {MAX_ITEMS} items")))
}
