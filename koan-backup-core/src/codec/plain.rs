//! The line that a row is, if its type keeps and writes every value as it is.
//!
//! Most types do. Then one reading and one writing of that line prove what otherwise takes two of each and a comparison of
//! values: see [`EntityCodec::encode_plain`](crate::EntityCodec::encode_plain). Only what is certain is written here, and each
//! value only in the variant of its field's logical type; whatever else there is takes the long way.

use std::borrow::Cow;

use serde_json::value::RawValue;
use uuid::fmt::Hyphenated;

use super::row::{Row, Slot};
use super::wire_text::encode_bytes;
use crate::canonical::{push_compact, push_text};
use crate::schema::LogicalType;
use crate::value::{TemporalText, Value};

/// One value of a row, as what stands for it in a line.
pub(super) enum Plain<'v> {
    Null,
    Bool(bool),
    I64(i64),
    U64(u64),
    F32(f32),
    F64(f64),
    Text(Cow<'v, str>),
    Temporal(TemporalText),
    Uuid(Hyphenated),
    /// A list of numbers.
    Bytes(&'v [u8]),
    /// JSON text, which may have white space between its tokens.
    Json(&'v str),
}

impl<'v> Plain<'v> {
    /// What stands for `value`; `None` where the type has to tell.
    #[inline]
    pub(super) fn of(slot: &Slot, value: &'v Value<'_>) -> Option<Self> {
        Some(match (value, slot.logical()) {
            (Value::Null, _) => Self::Null,
            (Value::Bool(v), LogicalType::Bool) => Self::Bool(*v),
            (Value::I64(v), LogicalType::Integer { .. }) => Self::I64(*v),
            (Value::U64(v), LogicalType::Integer { .. }) => Self::U64(*v),
            (Value::F64(v), LogicalType::Float { bits }) if v.is_finite() => return Self::float(*v, *bits),
            (Value::Str(v), LogicalType::Text | LogicalType::Enum { .. }) => Self::Text(Cow::Borrowed(v)),
            (Value::Json(v), logical) if !logical.is_scalar() => Self::Json(v),
            (Value::Bytes(v), LogicalType::Bytes) => match encode_bytes(v, slot.wire()) {
                Some(text) => Self::Text(Cow::Owned(text)),
                None if slot.wire().is_plain() => Self::Bytes(v),
                None => return None,
            },
            _ if !slot.wire().is_plain() => return None,
            (Value::Decimal(v), LogicalType::Decimal) => Self::Text(Cow::Borrowed(v)),
            (Value::Uuid(v), LogicalType::Uuid) => Self::Uuid(uuid::Uuid::from_bytes(*v).hyphenated()),
            (Value::Timestamp(_), LogicalType::Timestamp)
            | (Value::DateTime(_), LogicalType::DateTime)
            | (Value::Date(_), LogicalType::Date)
            | (Value::Time(_), LogicalType::Time) => Self::Temporal(value.temporal_text()?),
            _ => return None,
        })
    }

    fn float(value: f64, bits: u8) -> Option<Self> {
        if bits > 32 {
            return Some(Self::F64(value));
        }
        #[expect(clippy::cast_possible_truncation, reason = "compared with the number")]
        let single = value as f32;
        (f64::from(single).to_bits() == value.to_bits()).then_some(Self::F32(single))
    }

    /// What `take` makes of the text, if it is one.
    #[inline]
    pub(super) fn text<R>(&self, take: impl FnOnce(&str) -> R) -> Option<R> {
        Some(match self {
            Self::Text(text) => take(text),
            Self::Temporal(text) => take(text.as_str()),
            Self::Uuid(uuid) => take(uuid.encode_lower(&mut uuid::Uuid::encode_buffer())),
            _ => return None,
        })
    }

    /// Whether a type that reads it reads one value, and not a list or a structure.
    fn is_scalar(&self) -> bool {
        !matches!(self, Self::Bytes(_) | Self::Json(_))
    }

    #[inline]
    fn write(&self, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(v) => out.extend_from_slice(if *v { b"true" } else { b"false" }),
            Self::I64(v) => return json(v, out),
            Self::U64(v) => return json(v, out),
            Self::F32(v) => return json(v, out),
            Self::F64(v) => return json(v, out),
            Self::Bytes(v) => return json(v, out),
            Self::Json(v) if is_told(v) => push_compact(v, out),
            Self::Json(_) => return false,
            Self::Text(_) | Self::Temporal(_) | Self::Uuid(_) => {
                return self.text(|text| push_text(text, out)).is_some();
            }
        }
        true
    }
}

/// How a plain line was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PlainLine {
    /// Each value is text, a number, true, false or nothing.
    OfScalars,
    /// There are lists or structures in it.
    Nested,
}

/// Appends the plain line of `row`, without a line feed. `None` where there is none; `out` may then have a part of it.
pub(super) fn write_plain(row: &Row<'_>, out: &mut Vec<u8>) -> Option<PlainLine> {
    let Row { projection, values } = *row;
    if projection.omits_null() || projection.is_empty() || projection.len() != values.len() {
        return None;
    }
    let mut before = b'{';
    let mut line = PlainLine::OfScalars;
    for (slot, value) in projection.slots().iter().zip(values) {
        out.push(before);
        out.extend_from_slice(slot.label());
        let plain = Plain::of(slot, value)?;
        if !plain.write(out) {
            return None;
        }
        if !plain.is_scalar() {
            line = PlainLine::Nested;
        }
        before = b',';
    }
    out.push(b'}');
    Some(line)
}

fn json(value: &(impl serde::Serialize + ?Sized), out: &mut Vec<u8>) -> bool {
    serde_json::to_writer(out, value).is_ok()
}

/// Text that is not one whole value could close the line around it and open another, and JSON's `null` is not that there is no
/// value.
fn is_told(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok_and(|json| json.get() != "null")
}

/// What stands in front of the value of a field: its name as JSON text, and a colon.
pub(super) fn label(name: &str) -> Vec<u8> {
    let mut label = Vec::with_capacity(name.len() + 3);
    push_text(name, &mut label);
    label.push(b':');
    label
}
