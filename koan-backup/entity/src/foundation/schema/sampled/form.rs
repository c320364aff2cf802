//! The forms of a value whose type is not known.

use super::answers::TEXTS;
use super::learned::Shape;

/// The number of forms.
pub(super) const FORMS: usize = TEXTS + 8;
/// The number of the last candidate that is a text.
const LAST_TEXT: usize = TEXTS + 4;

/// The form of a value.
#[derive(Clone, Copy)]
pub(super) enum Form {
    Text(usize),
    Integer,
    Boolean,
    Unit,
    /// A map with two entries, or with the learned fields.
    Map,
    EmptyMap,
    Texts,
    Integers,
    /// A list whose elements use the same forms.
    List,
}

impl Form {
    /// Returns the form of a candidate. Frequent forms precede rare forms, and `Map` precedes `EmptyMap`. The
    /// unit value is the last form, because an option accepts it for every type.
    pub(super) fn from_candidate(candidate: usize) -> Self {
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
            _ => Self::Unit,
        }
    }
}

/// Returns the shape of a candidate.
pub(super) fn shape(candidate: usize) -> Shape {
    match Form::from_candidate(candidate) {
        Form::Texts | Form::Integers | Form::List => Shape::List,
        Form::Map | Form::EmptyMap => Shape::Map,
        Form::Text(_) | Form::Integer | Form::Boolean | Form::Unit => Shape::Scalar,
    }
}
