//! A serializer that compares a serialized value with the tokens of a line.

use serde::ser::{self, Serialize, Serializer};

use super::super::super::compare::serializes_as;
use super::super::super::fallback::Fallback;
use super::super::super::token::LineTokens;
use super::private_name::is_private_to_serde_json;
use crate::foundation::refusal::{refuse_lists_and_variants, refuse_scalars};

type Result<T> = std::result::Result<T, Fallback>;

/// A serializer that succeeds only for a value that serializes as exactly this line.
pub(super) struct LineComparison<'a>(&'a LineTokens<'a>);

impl<'a> LineComparison<'a> {
    pub(super) fn new(line: &'a LineTokens<'a>) -> Self {
        Self(line)
    }
}

/// The comparison of the fields of a struct with the tokens of a line.
pub(super) struct FieldComparison<'a> {
    line: &'a LineTokens<'a>,
    next: usize,
    /// Whether all fields so far were equal. It is stored because a type may ignore the error of a field.
    is_equal: bool,
}

impl ser::SerializeStruct for FieldComparison<'_> {
    type Ok = ();
    type Error = Fallback;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<()> {
        let expected = self.line.get(self.next);
        self.next += 1;
        self.is_equal &=
            expected.is_some_and(|(slot, token)| slot.name() == key && serializes_as(value, token));
        if self.is_equal { Ok(()) } else { Err(Fallback) }
    }

    fn end(self) -> Result<()> {
        if self.is_equal && self.next == self.line.tokens.len() { Ok(()) } else { Err(Fallback) }
    }
}

impl<'a> Serializer for LineComparison<'a> {
    type Ok = ();
    type Error = Fallback;
    type SerializeMap = ser::Impossible<(), Fallback>;
    type SerializeStruct = FieldComparison<'a>;

    refuse_lists_and_variants!(Fallback);

    // The keys of a map are sorted in a line, so their order differs from the order of serialization.
    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap> {
        Err(Fallback)
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<FieldComparison<'a>> {
        if is_private_to_serde_json(name) {
            return Err(Fallback);
        }
        Ok(FieldComparison { line: self.0, next: 0, is_equal: true })
    }

    refuse_scalars!(Fallback);
}
