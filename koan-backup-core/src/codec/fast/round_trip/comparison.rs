//! What a type writes, compared with a row while it writes.

use serde::ser::{self, Serialize, Serializer};

use super::super::super::token::PlainRow;
use super::super::super::compare::writes;
use super::doubt::{Result, Unsure, is_raw};
use crate::refusal::{refuse_lists_and_variants, refuse_scalars};

/// Takes what a type writes as long as it is what stands in the line of a row.
pub(super) struct LineComparison<'a>(&'a PlainRow<'a>);

impl<'a> LineComparison<'a> {
    pub(super) fn new(row: &'a PlainRow<'a>) -> Self {
        Self(row)
    }
}

pub(super) struct FieldComparison<'a> {
    row: &'a PlainRow<'a>,
    next: usize,
    /// Of all fields so far: a type may pass over an error.
    is_same: bool,
}

impl ser::SerializeStruct for FieldComparison<'_> {
    type Ok = ();
    type Error = Unsure;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<()> {
        let place = self.row.place(self.next);
        self.next += 1;
        self.is_same &= place.is_some_and(|(slot, stored)| slot.name() == key && writes(value, stored));
        if self.is_same { Ok(()) } else { Err(Unsure) }
    }

    fn end(self) -> Result<()> {
        if self.is_same && self.next == self.row.values.len() { Ok(()) } else { Err(Unsure) }
    }
}

impl<'a> Serializer for LineComparison<'a> {
    type Ok = ();
    type Error = Unsure;
    type SerializeMap = ser::Impossible<(), Unsure>;
    type SerializeStruct = FieldComparison<'a>;

    refuse_lists_and_variants!(Unsure);

    // The keys of a map are sorted in a line.
    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap> {
        Err(Unsure)
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<FieldComparison<'a>> {
        if is_raw(name) { Err(Unsure) } else { Ok(FieldComparison { row: self.0, next: 0, is_same: true }) }
    }

    refuse_scalars!(Unsure);
}
