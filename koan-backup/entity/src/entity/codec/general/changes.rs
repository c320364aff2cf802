//! The search for the values that a type changes.
//!
//! A type may have fewer variants, digits or nested fields than a column contains. The archive contains the
//! values that the type serializes, so a value that the type omits or shortens must be reported.

use serde::Serialize;

use super::super::compare::serializes_as;
use super::super::error::RecordError;
use super::super::row::{Row, Slot};
use super::super::token::Token;
use super::equality::{typed_json_equal, values_equal};
use super::normalize::normalize;
use super::record_writer::{FieldSink, named_value, serialize_fields};
use crate::foundation::schema::{EntitySchema, FieldSchema};
use crate::foundation::value::Value;

/// Compares `value` with the row that it was read from, and returns the names of the values that its type
/// does not serialize unchanged.
///
/// # Errors
/// A field of `value` cannot be converted to a value.
pub(super) fn changed_values<'r, T: Serialize>(
    value: &T,
    row: &Row<'r>,
    schema: &EntitySchema,
) -> Result<Vec<&'r str>, RecordError> {
    let is_written = vec![false; row.values.len()];
    serialize_fields(value, schema, RowComparison { row: *row, is_written, changed: Vec::new(), next: 0 })
}

/// The comparison of the fields of a record with the row that the record was read from.
struct RowComparison<'r> {
    row: Row<'r>,
    /// For each value of the row, whether the type serialized its field.
    is_written: Vec<bool>,
    changed: Vec<&'r str>,
    /// The index in the row at which the next field is expected.
    next: usize,
}

impl<'r> RowComparison<'r> {
    /// Returns the slot and value of a field in the row, and marks the field as serialized.
    fn mark_serialized(&mut self, name: &str) -> Option<(&'r Slot, &'r Value<'r>)> {
        let index = self.row.projection.position_from(self.next, name)?;
        self.next = index + 1;
        *self.is_written.get_mut(index)? = true;
        Some((&self.row.projection.slots()[index], self.row.values.get(index)?))
    }
}

impl<'r> FieldSink for RowComparison<'r> {
    type Out = Vec<&'r str>;

    fn field<T: Serialize + ?Sized>(
        &mut self,
        _: usize,
        field: &FieldSchema,
        value: &T,
    ) -> Result<(), RecordError> {
        let stored = self.mark_serialized(&field.name);
        if let Some((slot, stored)) = stored
            && Token::from_value(slot, stored).is_some_and(|token| serializes_as(value, &token))
            && normalize(field, stored.borrowed()).is_ok()
        {
            return Ok(());
        }
        let written = normalize(field, named_value(&field.name, value)?)?;
        if let Some((slot, stored)) = stored
            && !values_equal(stored, &written)
            && !normalize(field, stored.borrowed()).is_ok_and(|stored| values_equal(&stored, &written))
            && !typed_json_equal(stored, &written, slot.member_typing())
        {
            self.changed.push(slot.name());
        }
        Ok(())
    }

    fn extra<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), RecordError> {
        let written = named_value(name, value)?;
        if let Some((slot, stored)) = self.mark_serialized(name)
            && !values_equal(stored, &written)
            && !typed_json_equal(stored, &written, slot.member_typing())
        {
            self.changed.push(slot.name());
        }
        Ok(())
    }

    fn end(mut self) -> Vec<&'r str> {
        let stored = self.row.projection.slots().iter().zip(self.row.values).zip(&self.is_written);
        let dropped = stored.filter(|((_, stored), is_written)| !**is_written && !stored.is_null());
        self.changed.extend(dropped.map(|((slot, _), _)| slot.name()));
        self.changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::codec::Projection;
    use crate::foundation::schema::{LogicalType, WireForm};

    #[test]
    fn a_value_that_a_restore_cannot_convert_is_refused_although_it_is_unchanged() {
        #[derive(Serialize)]
        struct Delivery {
            day: &'static str,
        }
        let day = FieldSchema {
            name: "day".into(),
            column: None,
            rust_type: "Day".into(),
            logical: LogicalType::Date,
            wire: WireForm::Plain,
            nullable: false,
            key: false,
            required: true,
        };
        let schema = EntitySchema { fields: vec![day], open: false, variants: false };
        let mut projection = Projection::new(&schema);
        projection.field(&schema.fields[0]);
        let read = |day: &'static str| {
            let values = [Value::Str(day.into())];
            changed_values(&Delivery { day }, &Row { projection: &projection, values: &values }, &schema)
                .map(|changed| changed.len())
        };
        assert_eq!(read("2024-02-29").expect("the date is valid"), 0);
        assert!(read("2024-02-30").is_err(), "February has no day 30");
    }
}
