//! The forms of a value of which nothing is known.

use super::answers::TEXTS;
use super::learned::Shape;

/// How many forms are tried.
pub(super) const FORMS: usize = TEXTS + 8;
/// Before these forms and behind them are texts.
const LAST_TEXT: usize = TEXTS + 4;

/// A form of a value.
#[derive(Clone, Copy)]
pub(super) enum Form {
    Text(usize),
    Integer,
    Boolean,
    Nothing,
    /// A map of two entries, or of the fields that were learned.
    Map,
    EmptyMap,
    Texts,
    Integers,
    /// A list whose elements are tried in the same way.
    List,
}

impl Form {
    /// What is most frequent comes first, each list and map before the empty one, and nothing, which an option takes for every type, at
    /// the end.
    pub(super) fn of(candidate: usize) -> Self {
        match candidate {
            0 => Self::Text(0),
            1 => Self::Map,
            2 => Self::Texts,
            3 => Self::Integers,
            4 => Self::Integer,
            5 => Self::Boolean,
            candidate if candidate <= LAST_TEXT => Self::Text(candidate - 5),
            candidate if candidate == LAST_TEXT + 1 => Self::List,
            candidate if candidate == LAST_TEXT + 2 => Self::EmptyMap,
            _ => Self::Nothing,
        }
    }
}

/// The shape of a candidate.
pub(super) fn shape(candidate: usize) -> Shape {
    match Form::of(candidate) {
        Form::Texts | Form::Integers | Form::List => Shape::List,
        Form::Map | Form::EmptyMap => Shape::Map,
        Form::Text(_) | Form::Integer | Form::Boolean | Form::Nothing => Shape::Scalar,
    }
}
