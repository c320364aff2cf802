//! Extracts the values of a line that is known to round-trip, without its type.
//!
//! A restore needs the values that [`to_record`](super::super::general::to_record) would collect while the
//! type serializes; in such a line they are the same. Scanning them takes a third of the time of reading and
//! writing the type, and copies nothing.

use super::super::general::normalize;
use super::super::row::Projection;
use super::super::token::Token;
use super::scan::scan_fields;
use crate::schema::{EntitySchema, FieldSchema, LogicalType, WireForm};
use crate::value::Value;

/// Returns the values of a line without its line feed, one for each field of the schema, whose projection is
/// `fields`. A field that the line does not have is [`Value::Null`].
///
/// Returns `None` if only the type can tell the values. The result is meaningless for a line that does not
/// round-trip.
pub(crate) fn extract_values<'l>(
    line: &'l [u8],
    schema: &EntitySchema,
    fields: &Projection,
) -> Option<Vec<Value<'l>>> {
    let count = schema.fields.len();
    let mut values = Vec::with_capacity(count);
    scan_fields(line, fields, |index, token| {
        let value = value(schema.fields.get(index)?, token)?;
        if index < values.len() {
            values[index] = value;
        } else {
            values.resize(index, Value::Null);
            values.push(value);
        }
        Some(())
    })?;
    values.resize(count, Value::Null);
    Some(values)
}

/// Returns the value of a field from its token. The most frequent tokens need no normalization.
#[inline]
fn value<'l>(field: &FieldSchema, token: Token<'l>) -> Option<Value<'l>> {
    Some(match (token, &field.logical) {
        (Token::Text(text), LogicalType::Text) => Value::Str(text),
        (Token::Text(text), LogicalType::Decimal) if field.wire != WireForm::Own => Value::Decimal(text),
        (Token::I64(number), LogicalType::Integer { .. }) => Value::I64(number),
        (token, _) => return normalize(field, token.into_value()?).ok(),
    })
}
