//! Tokens: the values of a row in the form in which a JSON line contains them.
//!
//! The fast path works on tokens: it writes them into a line, finds them in a line, and compares them with
//! the values that a type serializes. A value becomes a token only if its variant matches the logical type of
//! its field; the general path handles all other values.

use std::borrow::Cow;

use serde_json::value::RawValue;
use uuid::fmt::Hyphenated;

use super::row::{Projection, Row, Slot};
use super::wire_text::encode_bytes;
use crate::foundation::canonical::{push_compact, push_text};
use crate::foundation::schema::LogicalType;
use crate::foundation::value::{Date, DateTime, Time, Timestamp, Value};

/// One value of a line.
pub(super) enum Token<'v> {
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
    /// Bytes as a list of numbers.
    Bytes(&'v [u8]),
    /// JSON text, which may contain insignificant white space.
    Json(&'v str),
}

impl<'v> Token<'v> {
    /// Returns the token of a database value, or `None` if its form in a line depends on the Rust type.
    #[inline]
    pub(super) fn from_value(slot: &Slot, value: &'v Value<'v>) -> Option<Self> {
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
            // A database without temporal types stores dates and times as text; the type must serialize the
            // same text.
            (Value::Str(v), logical) if is_temporal(v, logical) => Self::Text(Cow::Borrowed(v)),
            (Value::Uuid(v), LogicalType::Uuid) => Self::Uuid(uuid::Uuid::from_bytes(*v).hyphenated()),
            (Value::Timestamp(_), LogicalType::Timestamp)
            | (Value::DateTime(_), LogicalType::DateTime)
            | (Value::Date(_), LogicalType::Date)
            | (Value::Time(_), LogicalType::Time) => Self::Temporal(value),
            _ => return None,
        })
    }

    /// Returns the token of a number with the width of its field, or `None` if that width would change the
    /// number.
    fn float(value: f64, bits: u8) -> Option<Self> {
        if bits > 32 {
            return Some(Self::F64(value));
        }
        #[expect(clippy::cast_possible_truncation, reason = "compared with the original number")]
        let narrow = value as f32;
        (f64::from(narrow).to_bits() == value.to_bits()).then_some(Self::F32(narrow))
    }

    /// Calls `read` with the text of a token that is a string in the line. Returns `None` for any other
    /// token.
    #[inline]
    pub(super) fn with_text<R>(&self, read: impl FnOnce(&str) -> R) -> Option<R> {
        Some(match self {
            Self::Text(text) => read(text),
            Self::Temporal(value) => read(value.temporal_text()?.as_str()),
            Self::Uuid(uuid) => read(uuid.encode_lower(&mut uuid::Uuid::encode_buffer())),
            _ => return None,
        })
    }

    /// Returns the value of a token that was found in a line. Returns `None` for [`Token::Bytes`], which is
    /// created only from rows.
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
            Self::Json(text) => Value::Json(Cow::Borrowed(text)),
            Self::Bytes(_) => return None,
        })
    }

    /// Returns whether the token is a single value, and not a list or an object.
    pub(super) fn is_scalar(&self) -> bool {
        !matches!(self, Self::Bytes(_) | Self::Json(_))
    }

    /// Appends the token to a line. Returns `false` if the token cannot be represented as one JSON value.
    #[inline]
    pub(super) fn write(&self, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(v) => out.extend_from_slice(if *v { b"true" } else { b"false" }),
            Self::I64(v) => return push_json(v, out),
            Self::U64(v) => return push_json(v, out),
            Self::F32(v) => return push_json(v, out),
            Self::F64(v) => return push_json(v, out),
            Self::Bytes(v) => return push_json(v, out),
            Self::Json(v) if is_json_value(v) => push_compact(v, out),
            Self::Json(_) => return false,
            Self::Text(_) | Self::Temporal(_) | Self::Uuid(_) => {
                return self.with_text(|text| push_text(text, out)).is_some();
            }
        }
        true
    }
}

/// The tokens of one line, in the order of its fields.
pub(crate) struct LineTokens<'v> {
    pub(super) projection: &'v Projection,
    /// One token for each field of the projection.
    pub(super) tokens: Vec<Token<'v>>,
}

impl<'v> LineTokens<'v> {
    /// Returns the tokens of a row, or `None` if the line of the row depends on the Rust type.
    pub(super) fn from_row(row: &Row<'v>) -> Option<Self> {
        let Row { projection, values } = *row;
        if projection.omits_null() || projection.is_empty() || projection.len() != values.len() {
            return None;
        }
        let mut tokens = Vec::with_capacity(values.len());
        for (slot, value) in projection.slots().iter().zip(values) {
            tokens.push(Token::from_value(slot, value)?);
        }
        Some(Self { projection, tokens })
    }

    /// Returns whether every token is a single value, and not a list or an object.
    pub(super) fn has_only_scalars(&self) -> bool {
        self.tokens.iter().all(Token::is_scalar)
    }

    /// Returns the field and the token at an index.
    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<(&Slot, &Token<'v>)> {
        self.projection.slots().get(index).zip(self.tokens.get(index))
    }

    /// Appends the line without a line feed. Returns `false` if a token cannot be represented as one JSON
    /// value; `out` then contains a part of the line.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> bool {
        let mut delimiter = b'{';
        for (slot, token) in self.projection.slots().iter().zip(&self.tokens) {
            out.push(delimiter);
            out.extend_from_slice(slot.quoted_name());
            if !token.write(out) {
                return false;
            }
            delimiter = b',';
        }
        out.push(b'}');
        true
    }
}

fn push_json(value: &(impl serde::Serialize + ?Sized), out: &mut Vec<u8>) -> bool {
    serde_json::to_writer(out, value).is_ok()
}

/// Returns whether text is a date or time that a restore can convert. A type may also deserialize and
/// serialize other texts.
fn is_temporal(text: &str, logical: &LogicalType) -> bool {
    match logical {
        LogicalType::Timestamp => Timestamp::parse(text).is_some(),
        LogicalType::DateTime => DateTime::parse(text).is_some(),
        LogicalType::Date => Date::parse(text).is_some(),
        LogicalType::Time => Time::parse(text).is_some(),
        _ => false,
    }
}

/// Returns whether text is one JSON value other than `null`. Other text could close the object of the line
/// and open another one, and JSON `null` differs from a missing value.
fn is_json_value(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok_and(|json| json.get() != "null")
}
