//! Answers for values that serde puts into a buffer before their type asks for them: those of fields whose names were learned, and what is
//! in them.

use serde::de::Visitor;

use super::access::{Element, Entries, OneEntry};
use super::answers::{TEXTS, integer, text};
use super::learned::Shape;
use super::{Buffered, Refused, Sampler};

/// How many forms are tried.
pub(super) const FORMS: usize = TEXTS + 8;
/// Before these forms and behind them are texts.
const LAST_TEXT: usize = TEXTS + 4;

/// A form of a value.
#[derive(Clone, Copy)]
enum Form {
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
    fn of(candidate: usize) -> Self {
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

impl<'a> Sampler<'a> {
    /// The entries of a map whose values are not in a buffer.
    pub(super) fn entries(self, length: usize) -> Entries<'a> {
        Entries { of: self, next: 0, length, name: None, buffered: Buffered::No }
    }

    pub(super) fn deserialize_buffered<'de, V: Visitor<'de>>(
        mut self,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        if let Some(variants) = self.seen.learned.variants(&self.path) {
            // The name of a variant, which may be a tag, or a map of that name and its content.
            return match self.candidate(2) {
                0 => {
                    let parent = self.parent();
                    visitor.visit_str(self.variant_name(&parent, variants)?)
                }
                _ => {
                    let variant = self.variant_name(&self.path.clone(), variants)?;
                    self.seen.nesting.insert(self.path.clone(), 2);
                    visitor.visit_map(OneEntry {
                        of: self,
                        variant: Some(variant),
                        step: format!(".{variant}"),
                    })
                }
            };
        }
        let form = Form::of(self.candidate(FORMS));
        self.seen.nesting.insert(self.path.clone(), FORMS);
        match form {
            Form::Text(candidate) => visitor.visit_string(text(candidate, self.seed)),
            Form::Integer => visitor.visit_u64(integer(0, self.seed)),
            Form::Boolean => visitor.visit_bool(self.seed % 2 == 1),
            Form::Nothing => visitor.visit_unit(),
            Form::Map => {
                let length = self.elements().min(2);
                visitor.visit_map(Entries {
                    of: self,
                    next: 0,
                    length,
                    name: None,
                    buffered: Buffered::Field,
                })
            }
            Form::EmptyMap => visitor.visit_map(self.entries(0)),
            Form::Texts => self.list(None, Element::Text, visitor),
            Form::Integers => self.list(None, Element::Integer, visitor),
            Form::List => self.list(None, Element::Buffered, visitor),
        }
    }
}
