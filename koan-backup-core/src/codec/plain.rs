//! The line that a row is, if its type keeps and writes every value as it is.
//!
//! Most types do. Then one reading and one writing of that line prove what otherwise takes two of each and a comparison of
//! values: see [`EntityCodec::encode_plain`](crate::EntityCodec::encode_plain). Only what is certain is written here, and each
//! value only in the variant of its field's logical type; whatever else there is takes the long way.

use serde_json::value::RawValue;

use super::row::{Row, Slot};
use super::wire_text::encode_bytes;
use crate::canonical::{push_compact, push_text};
use crate::schema::{LogicalType, WireForm};
use crate::value::Value;

/// Appends the plain line of `row`, without a line feed. `false` where there is none; `out` may then have a part of it.
pub(super) fn write_plain(row: &Row<'_>, out: &mut Vec<u8>) -> bool {
    let Row { projection, values } = *row;
    if projection.omits_null() || projection.is_empty() || projection.len() != values.len() {
        return false;
    }
    let mut before = b'{';
    for (slot, value) in projection.slots().iter().zip(values) {
        out.push(before);
        out.extend_from_slice(slot.label());
        if !write_value(slot, value, out) {
            return false;
        }
        before = b',';
    }
    out.push(b'}');
    true
}

#[inline]
fn write_value(slot: &Slot, value: &Value<'_>, out: &mut Vec<u8>) -> bool {
    match (value, slot.logical()) {
        (Value::Null, _) => out.extend_from_slice(b"null"),
        (Value::Bool(v), LogicalType::Bool) => out.extend_from_slice(if *v { b"true" } else { b"false" }),
        (Value::I64(v), LogicalType::Integer { .. }) => return number(v, out),
        (Value::U64(v), LogicalType::Integer { .. }) => return number(v, out),
        (Value::F64(v), LogicalType::Float { bits }) if v.is_finite() => return float(*v, *bits, out),
        (Value::Str(v), LogicalType::Text | LogicalType::Enum { .. }) => push_text(v, out),
        (Value::Json(v), logical) if !logical.is_scalar() => return json(v, out),
        (Value::Bytes(v), LogicalType::Bytes) => return bytes(v, slot.wire(), out),
        _ if !slot.wire().is_plain() => return false,
        (Value::Decimal(v), LogicalType::Decimal) => push_text(v, out),
        (Value::Uuid(v), LogicalType::Uuid) => {
            let mut buffer = uuid::Uuid::encode_buffer();
            push_text(uuid::Uuid::from_bytes(*v).hyphenated().encode_lower(&mut buffer), out);
        }
        (Value::Timestamp(_), LogicalType::Timestamp)
        | (Value::DateTime(_), LogicalType::DateTime)
        | (Value::Date(_), LogicalType::Date)
        | (Value::Time(_), LogicalType::Time) => match value.temporal_text() {
            Some(text) => push_text(text.as_str(), out),
            None => return false,
        },
        _ => return false,
    }
    true
}

fn number(value: &impl serde::Serialize, out: &mut Vec<u8>) -> bool {
    serde_json::to_writer(out, value).is_ok()
}

fn float(value: f64, bits: u8, out: &mut Vec<u8>) -> bool {
    if bits > 32 {
        return number(&value, out);
    }
    #[expect(clippy::cast_possible_truncation, reason = "compared with the number")]
    let single = value as f32;
    f64::from(single).to_bits() == value.to_bits() && number(&single, out)
}

/// Text that is not one whole value could close the line around it and open another, and JSON's `null` is not that there is no
/// value.
fn json(text: &str, out: &mut Vec<u8>) -> bool {
    let is_told = serde_json::from_str::<&RawValue>(text).is_ok_and(|json| json.get() != "null");
    if is_told {
        push_compact(text, out);
    }
    is_told
}

fn bytes(bytes: &[u8], wire: WireForm, out: &mut Vec<u8>) -> bool {
    match encode_bytes(bytes, wire) {
        Some(text) => push_text(&text, out),
        None if wire.is_plain() => return number(&bytes, out),
        None => return false,
    }
    true
}

/// What stands in front of the value of a field: its name as JSON text, and a colon.
pub(super) fn label(name: &str) -> Vec<u8> {
    let mut label = Vec::with_capacity(name.len() + 3);
    push_text(name, &mut label);
    label.push(b':');
    label
}
