//! The line that a row is, if its type keeps and writes every value as it is.
//!
//! Most types do. Then one reading and one writing prove what otherwise takes two of each and a comparison of values: of the row
//! itself where it has single values only ([`kept`](super::fast::round_trip)), of that line where it has others: see
//! [`EntityCodec::encode_plain`](crate::EntityCodec::encode_plain). Only what is certain is written here, and each
//! value only in the variant of its field's logical type; whatever else there is takes the long way.

use std::borrow::Cow;

use serde_json::value::RawValue;
use uuid::fmt::Hyphenated;

use super::row::{Projection, Row, Slot};
use super::wire_text::encode_bytes;
use crate::canonical::{push_compact, push_text};
use crate::schema::LogicalType;
use crate::value::{Date, DateTime, Time, Timestamp, Value};

/// One value of a row, as what stands for it in a line.
pub(super) enum Plain<'v> {
    Null,
    Bool(bool),
    I64(i64),
    U64(u64),
    F32(f32),
    F64(f64),
    Text(Cow<'v, str>),
    /// A date, a time or both.
    Temporal(&'v Value<'v>),
    Uuid(Hyphenated),
    /// A list of numbers.
    Bytes(&'v [u8]),
    /// JSON text, which may have white space between its tokens.
    Json(&'v str),
}

impl<'v> Plain<'v> {
    /// What stands for `value`; `None` where the type has to tell.
    #[inline]
    pub(super) fn of(slot: &Slot, value: &'v Value<'v>) -> Option<Self> {
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
            // Databases without a type for them keep their text, which the type has to write again letter by letter.
            (Value::Str(v), logical) if is_moment(v, logical) => Self::Text(Cow::Borrowed(v)),
            (Value::Uuid(v), LogicalType::Uuid) => Self::Uuid(uuid::Uuid::from_bytes(*v).hyphenated()),
            (Value::Timestamp(_), LogicalType::Timestamp)
            | (Value::DateTime(_), LogicalType::DateTime)
            | (Value::Date(_), LogicalType::Date)
            | (Value::Time(_), LogicalType::Time) => Self::Temporal(value),
            _ => return None,
        })
    }

    /// A number at the width of its field.
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
            Self::Temporal(value) => take(value.temporal_text()?.as_str()),
            Self::Uuid(uuid) => take(uuid.encode_lower(&mut uuid::Uuid::encode_buffer())),
            _ => return None,
        })
    }

    /// The value that stands for it; `None` for what is no single value.
    pub(super) fn into_value(self) -> Option<Value<'v>> {
        Some(match self {
            Self::Null => Value::Null,
            Self::Bool(v) => Value::Bool(v),
            Self::I64(v) => Value::I64(v),
            Self::U64(v) => Value::U64(v),
            Self::F32(v) => Value::F64(v.into()),
            Self::F64(v) => Value::F64(v),
            Self::Text(text) => Value::Str(text),
            Self::Temporal(value) => value.borrowed(),
            Self::Uuid(uuid) => Value::Uuid(uuid.into_uuid().into_bytes()),
            Self::Bytes(_) | Self::Json(_) => return None,
        })
    }

    /// Whether a type that reads it reads one value, and not a list or a structure.
    fn is_scalar(&self) -> bool {
        !matches!(self, Self::Bytes(_) | Self::Json(_))
    }

    /// Appends what stands for it. `false` where there is nothing.
    #[inline]
    pub(super) fn write(&self, out: &mut Vec<u8>) -> bool {
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

/// A row as what stands for its values in a line.
pub(crate) struct PlainRow<'v> {
    pub(super) projection: &'v Projection,
    /// As many as the projection has places.
    pub(super) values: Vec<Plain<'v>>,
}

impl<'v> PlainRow<'v> {
    /// What stands for the values of `row`; `None` where the type has to tell.
    pub(super) fn of(row: &Row<'v>) -> Option<Self> {
        let Row { projection, values } = *row;
        if projection.omits_null() || projection.is_empty() || projection.len() != values.len() {
            return None;
        }
        let mut plain = Vec::with_capacity(values.len());
        for (slot, value) in projection.slots().iter().zip(values) {
            plain.push(Plain::of(slot, value)?);
        }
        Some(Self { projection, values: plain })
    }

    /// Whether a type that reads a value reads a single one each time.
    pub(super) fn is_of_scalars(&self) -> bool {
        self.values.iter().all(Plain::is_scalar)
    }

    /// The slot and the value at a place.
    #[inline]
    pub(super) fn place(&self, index: usize) -> Option<(&Slot, &Plain<'v>)> {
        self.projection.slots().get(index).zip(self.values.get(index))
    }

    /// Appends the plain line, without a line feed. `false` where there is none; `out` may then have a part of it.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> bool {
        let mut before = b'{';
        for (slot, value) in self.projection.slots().iter().zip(&self.values) {
            out.push(before);
            out.extend_from_slice(slot.label());
            if !value.write(out) {
                return false;
            }
            before = b',';
        }
        out.push(b'}');
        true
    }
}

fn json(value: &(impl serde::Serialize + ?Sized), out: &mut Vec<u8>) -> bool {
    serde_json::to_writer(out, value).is_ok()
}

/// Whether text is a date or time that a restore can tell as a value: types may read and write others.
fn is_moment(text: &str, logical: &LogicalType) -> bool {
    match logical {
        LogicalType::Timestamp => Timestamp::parse(text).is_some(),
        LogicalType::DateTime => DateTime::parse(text).is_some(),
        LogicalType::Date => Date::parse(text).is_some(),
        LogicalType::Time => Time::parse(text).is_some(),
        _ => false,
    }
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
