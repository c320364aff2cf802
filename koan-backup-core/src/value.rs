//! What adapters speak: the value of a column or field.

mod temporal;

use std::borrow::Cow;
use std::fmt;

pub(crate) use temporal::TemporalText;
pub use temporal::{Date, DateTime, OffsetStyle, TemporalStyle, Time, Timestamp};

/// A value of a column or field, borrowed from the database's buffer where it can be.
///
/// An adapter gives the variant of the field's [logical type](crate::LogicalType); a decimal stays text, so that no
/// digit is lost on the way. A date or time that is text in ISO 8601 already may be given as [`Value::Str`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// No value.
    Null,
    /// True or false.
    Bool(bool),
    /// A signed integer.
    I64(i64),
    /// An unsigned integer beyond `i64::MAX`.
    U64(u64),
    /// A floating-point number; an `f32` is widened, which is exact.
    F64(f64),
    /// A decimal number as text, digit for digit; integers beyond 64 bits travel so too.
    Decimal(Cow<'a, str>),
    /// Text.
    Str(Cow<'a, str>),
    /// Bytes.
    Bytes(Cow<'a, [u8]>),
    /// A UUID in network byte order.
    Uuid([u8; 16]),
    /// An instant, with the offset from UTC that it was written with.
    Timestamp(Timestamp),
    /// A date and time without offset.
    DateTime(DateTime),
    /// A calendar date.
    Date(Date),
    /// A time of day.
    Time(Time),
    /// Any other structure, as JSON text.
    Json(Cow<'a, str>),
}

impl Value<'_> {
    /// The same value, owning its content.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::Null => Value::Null,
            Self::Bool(v) => Value::Bool(v),
            Self::I64(v) => Value::I64(v),
            Self::U64(v) => Value::U64(v),
            Self::F64(v) => Value::F64(v),
            Self::Decimal(v) => Value::Decimal(Cow::Owned(v.into_owned())),
            Self::Str(v) => Value::Str(Cow::Owned(v.into_owned())),
            Self::Bytes(v) => Value::Bytes(Cow::Owned(v.into_owned())),
            Self::Uuid(v) => Value::Uuid(v),
            Self::Timestamp(v) => Value::Timestamp(v),
            Self::DateTime(v) => Value::DateTime(v),
            Self::Date(v) => Value::Date(v),
            Self::Time(v) => Value::Time(v),
            Self::Json(v) => Value::Json(Cow::Owned(v.into_owned())),
        }
    }

    /// The same value, borrowing its content.
    pub(crate) fn borrowed(&self) -> Value<'_> {
        match self {
            Self::Decimal(v) => Value::Decimal(Cow::Borrowed(v)),
            Self::Str(v) => Value::Str(Cow::Borrowed(v)),
            Self::Bytes(v) => Value::Bytes(Cow::Borrowed(v)),
            Self::Json(v) => Value::Json(Cow::Borrowed(v)),
            _ => self.clone(),
        }
    }

    /// The text of a date or time; `None` of anything else.
    pub(crate) fn temporal_text(&self) -> Option<TemporalText> {
        Some(match self {
            Self::Timestamp(v) => v.text(),
            Self::DateTime(v) => v.text(),
            Self::Date(v) => v.text(),
            Self::Time(v) => v.text(),
            _ => return None,
        })
    }

    /// Whether this is [`Value::Null`].
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// What this is, for error texts: never the content.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::I64(_) | Self::U64(_) => "an integer",
            Self::F64(_) => "a floating-point number",
            Self::Decimal(_) => "a decimal",
            Self::Str(_) => "text",
            Self::Bytes(_) => "bytes",
            Self::Uuid(_) => "a UUID",
            Self::Timestamp(_) => "an instant",
            Self::DateTime(_) => "a date and time",
            Self::Date(_) => "a date",
            Self::Time(_) => "a time of day",
            Self::Json(_) => "JSON",
        }
    }
}

/// Shows a value as a key is shown in an error text: text is cut at 64 characters and escaped, bytes are counted.
#[derive(Debug)]
pub(crate) struct KeyText<'v, 'a>(pub(crate) &'v Value<'a>);

impl fmt::Display for KeyText<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Null => f.write_str("null"),
            Value::Bool(v) => v.fmt(f),
            Value::I64(v) => v.fmt(f),
            Value::U64(v) => v.fmt(f),
            Value::F64(v) => v.fmt(f),
            Value::Decimal(v) => f.write_str(v),
            Value::Str(v) | Value::Json(v) => {
                let cut: String = v.chars().take(64).flat_map(char::escape_debug).collect();
                write!(f, "\"{cut}\"")
            }
            Value::Bytes(v) => write!(f, "{} bytes", v.len()),
            Value::Uuid(v) => uuid::Uuid::from_bytes(*v).hyphenated().fmt(f),
            Value::Timestamp(v) => v.fmt(f),
            Value::DateTime(v) => v.fmt(f),
            Value::Date(v) => v.fmt(f),
            Value::Time(v) => v.fmt(f),
        }
    }
}
