//! Writes values in the binary format of COPY, which the server does not have to parse.
//!
//! <https://www.postgresql.org/docs/current/sql-copy.html>, "Binary Format"; the server's `…_recv` functions
//! define the format of each type.

use std::borrow::Cow;

use koan_backup_core::value::{Date, Time, Value};

use super::super::column_type::ColumnType;
use super::super::null_form::NullForm;
use super::super::types::StoredType;
use super::short_decimal::ShortDecimal;
use super::{numeric, temporal};
use koan_backup_sql::conversion_error::ConversionError;
use koan_backup_sql::field_kind::FieldKind;

/// The start of the data: a signature, no flags, no extension.
pub(in super::super) const HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// The end of the data.
pub(in super::super) const TRAILER: [u8; 2] = (-1i16).to_be_bytes();

const NULL: [u8; 4] = (-1i32).to_be_bytes();
/// The byte before the text of `jsonb`.
const JSONB_VERSION: u8 = 1;
/// The nanoseconds from 1970 to 2000.
const NANOS_TO_2000: i128 = 946_684_800_000_000_000;
/// The days from 1970 to 2000.
const DAYS_TO_2000: i64 = 10_957;

impl ColumnType {
    /// Returns whether values of the field are sent in binary format. This is supported for the usual column
    /// types of a field.
    pub(in super::super) fn is_sent_binary(&self) -> bool {
        use StoredType as T;
        matches!(
            (self.kind, &self.stored),
            (FieldKind::Bool, T::Bool)
                | (FieldKind::Integer, T::Int2 | T::Int4 | T::Int8)
                | (FieldKind::Float32, T::Float4 | T::Float8)
                | (FieldKind::Float64, T::Float8)
                | (FieldKind::Decimal, T::Numeric)
                | (FieldKind::Text, T::Text | T::Enum)
                | (FieldKind::Bytes, T::Bytea)
                | (FieldKind::Uuid, T::Uuid)
                | (FieldKind::Date, T::Date)
                | (FieldKind::Time, T::Time)
                | (FieldKind::Timestamp | FieldKind::DateTime, T::Timestamp | T::TimestampTz)
                | (FieldKind::Structure | FieldKind::Json, T::Json | T::Jsonb)
        )
    }

    /// Appends a value with its length. The same values are refused as by [`text`](Self::text).
    ///
    /// # Errors
    /// Returns an error if the column cannot contain the value unchanged. `out` may then contain a part of
    /// the value.
    pub(in super::super) fn push_binary(
        &self,
        value: &Value<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), ConversionError> {
        use StoredType as T;
        match (value, &self.stored) {
            (Value::Null, _) => {
                out.extend_from_slice(&NULL);
                Ok(())
            }
            (Value::Bool(flag), T::Bool) => push(&[u8::from(*flag)], out),
            (Value::I64(number), T::Int8) => push(&number.to_be_bytes(), out),
            (Value::I64(number), T::Int4) => push(&narrow::<i32>(*number)?.to_be_bytes(), out),
            (Value::I64(number), T::Int2) => push(&narrow::<i16>(*number)?.to_be_bytes(), out),
            (Value::F64(number), T::Float8) if number.is_finite() => push(&number.to_be_bytes(), out),
            (Value::Decimal(text), T::Numeric) => {
                let short = ShortDecimal::parse(text);
                if let Some(short) =
                    short.filter(|short| self.scale().is_none_or(|most| short.scale() <= most))
                {
                    short.push(out);
                    return Ok(());
                }
                self.check_scale(text)?;
                push_with_length(out, |out| numeric::push(text, out))
            }
            // A text without a declared length is sent unchanged, unless it contains NUL.
            (Value::Str(text), T::Text) if self.modifier < 0 && !text.as_bytes().contains(&0) => {
                push(text.as_bytes(), out)
            }
            (Value::Bytes(bytes), T::Bytea) => push(bytes, out),
            (Value::Uuid(bytes), T::Uuid) => push(bytes, out),
            (Value::Date(date), T::Date) => push(&days(*date)?.to_be_bytes(), out),
            (Value::Time(time), T::Time) => {
                self.check_time(*time)?;
                push(&micros_of_day(*time).to_be_bytes(), out)
            }
            (Value::Timestamp(_) | Value::DateTime(_), T::Timestamp | T::TimestampTz) => {
                push(&self.micros(value)?.to_be_bytes(), out)
            }
            (Value::Json(_), T::Jsonb) => push_with_length(out, |out| {
                out.push(JSONB_VERSION);
                out.extend_from_slice(self.required_text(value)?.as_bytes());
                Ok(())
            }),
            (_, T::Text | T::Enum | T::Json) => push(self.required_text(value)?.as_bytes(), out),
            // In rare cases the value does not have the usual variant of `Value` for the field.
            _ => self.push_parsed(&self.required_text(value)?, out),
        }
    }

    /// Appends a value of which some `null`s are JSON `null`.
    ///
    /// # Errors
    /// See [`push_binary`](Self::push_binary).
    pub(in super::super) fn push_binary_with_nulls(
        &self,
        value: &Value<'_>,
        nulls: &NullForm,
        out: &mut Vec<u8>,
    ) -> Result<(), ConversionError> {
        match (value, &self.stored) {
            (Value::Null, StoredType::Jsonb) if nulls.is_json(0) => push(b"\x01null", out),
            (Value::Null, _) if nulls.is_json(0) && self.reads_json_null_as_null() => push(b"null", out),
            _ => self.push_binary(value, out),
        }
    }

    /// Returns the text of a value that is not NULL.
    fn required_text<'v>(&self, value: &'v Value<'_>) -> Result<Cow<'v, str>, ConversionError> {
        self.text(value)?.ok_or_else(|| ConversionError::new("cannot hold NULL"))
    }

    /// Parses a text in the same way as the server, and appends the value.
    fn push_parsed(&self, text: &str, out: &mut Vec<u8>) -> Result<(), ConversionError> {
        use StoredType as T;
        let integer = || text.parse::<i64>().map_err(|_| out_of_range());
        match self.stored {
            T::Int2 | T::Int4 | T::Int8 => self.push_binary(&Value::I64(integer()?), out),
            T::Float4 => push(&text.parse::<f32>().map_err(|_| invalid_value())?.to_be_bytes(), out),
            T::Float8 => push(&text.parse::<f64>().map_err(|_| invalid_value())?.to_be_bytes(), out),
            T::Numeric => push_with_length(out, |out| numeric::push(text, out)),
            T::Bool => push(&[u8::from(text == "true")], out),
            T::Jsonb => push_with_length(out, |out| {
                out.push(JSONB_VERSION);
                out.extend_from_slice(text.as_bytes());
                Ok(())
            }),
            _ => Err(invalid_value()),
        }
    }

    /// Returns the number of microseconds since 2000-01-01, in UTC.
    fn micros(&self, value: &Value<'_>) -> Result<i64, ConversionError> {
        let utc = temporal::in_utc(value)?;
        self.check_time(utc.local.time)?;
        let nanos = utc.unix_nanos().ok_or_else(out_of_range)? - NANOS_TO_2000;
        i64::try_from(nanos / 1_000).map_err(|_| out_of_range())
    }
}

/// Returns the number of days since 2000-01-01.
fn days(date: Date) -> Result<i32, ConversionError> {
    let days = date.unix_days().ok_or_else(out_of_range)? - DAYS_TO_2000;
    i32::try_from(days).map_err(|_| out_of_range())
}

fn micros_of_day(time: Time) -> i64 {
    let seconds = (i64::from(time.hour) * 60 + i64::from(time.minute)) * 60 + i64::from(time.second);
    seconds * 1_000_000 + i64::from(time.nanosecond / 1_000)
}

fn narrow<T: TryFrom<i64>>(number: i64) -> Result<T, ConversionError> {
    T::try_from(number).map_err(|_| out_of_range())
}

fn out_of_range() -> ConversionError {
    ConversionError::new("cannot contain a value this large; declare the column with a larger type")
}

fn invalid_value() -> ConversionError {
    ConversionError::new("cannot contain a value in this form")
}

fn push(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), ConversionError> {
    push_with_length(out, |out| {
        out.extend_from_slice(bytes);
        Ok(())
    })
}

/// Appends the bytes that `push` appends, preceded by their length.
fn push_with_length(
    out: &mut Vec<u8>,
    push: impl FnOnce(&mut Vec<u8>) -> Result<(), ConversionError>,
) -> Result<(), ConversionError> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    push(out)?;
    let length = i32::try_from(out.len() - start - 4).map_err(|_| out_of_range())?;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_microseconds_count_from_2000() {
        let date = |year, month, day| Date { year, month, day };
        for (date, expected) in [
            (date(2000, 1, 1), 0),
            (date(2000, 2, 29), 59),
            (date(1999, 12, 31), -1),
            (date(1, 1, 1), -730_119),
            (date(0, 12, 31), -730_120),
            (date(9999, 12, 31), 2_921_939),
        ] {
            assert_eq!(days(date).ok(), Some(expected), "{date}");
        }
        let time = Time { hour: 23, minute: 59, second: 59, nanosecond: 999_999_000 };
        assert_eq!(micros_of_day(time), 86_399_999_999);
    }
}
