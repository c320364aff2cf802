//! The values of columns and fields that pass between adapters and codecs.

mod decimal;
mod temporal;

use std::borrow::Cow;
use std::fmt;

pub use decimal::DecimalText;
pub(crate) use temporal::TemporalText;
pub use temporal::{Date, DateTime, OffsetStyle, TemporalStyle, Time, Timestamp};

/// A value of a column or field, borrowed from the buffer of the database if possible.
///
/// An adapter returns the variant of the field's [logical type](crate::schema::LogicalType). Decimals are
/// text, so that no digit is lost. A date or time that the database stores as ISO 8601 text can be returned
/// as [`Value::Str`].
///
/// The enum is exhaustive: a further variant is a breaking change, so that each adapter decides how to store it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// True or false.
    Bool(bool),
    /// A signed integer.
    I64(i64),
    /// An unsigned integer beyond `i64::MAX`.
    U64(u64),
    /// A floating-point number. An `f32` is widened, which is exact.
    F64(f64),
    /// A decimal number as text, with all its digits; also an integer beyond 64 bits.
    Decimal(Cow<'a, str>),
    /// Text.
    Str(Cow<'a, str>),
    /// Bytes.
    Bytes(Cow<'a, [u8]>),
    /// A UUID in network byte order.
    Uuid([u8; 16]),
    /// An instant, with the offset from UTC in its text.
    Timestamp(Timestamp),
    /// A date and time without offset.
    DateTime(DateTime),
    /// A calendar date.
    Date(Date),
    /// A time of day.
    Time(Time),
    /// A list, a map or any other structure, as JSON text.
    Json(Cow<'a, str>),
}

impl Value<'_> {
    /// Returns the value with owned content.
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

    /// Returns the value with borrowed content.
    pub(crate) fn borrowed(&self) -> Value<'_> {
        match self {
            Self::Decimal(v) => Value::Decimal(Cow::Borrowed(v)),
            Self::Str(v) => Value::Str(Cow::Borrowed(v)),
            Self::Bytes(v) => Value::Bytes(Cow::Borrowed(v)),
            Self::Json(v) => Value::Json(Cow::Borrowed(v)),
            _ => self.clone(),
        }
    }

    /// Returns the text of a date or time, or `None` for any other value.
    pub(crate) fn temporal_text(&self) -> Option<TemporalText> {
        Some(match self {
            Self::Timestamp(v) => v.text(),
            Self::DateTime(v) => v.text(),
            Self::Date(v) => v.text(),
            Self::Time(v) => v.text(),
            _ => return None,
        })
    }

    /// Returns whether the value is [`Value::Null`].
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Returns a description of the variant for error messages, without the content.
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

/// The text of a component of a key in error messages. Text is escaped and truncated after 64 characters;
/// for bytes, only the length is shown.
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
                let truncated: String = v.chars().take(64).flat_map(char::escape_debug).collect();
                write!(f, "\"{truncated}\"")
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
