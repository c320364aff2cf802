//! Converts a value that the server sent to a [`Value`] for the field.

mod array;
mod bytes;
mod composite;
pub(super) mod decimal;
mod inet;
mod temporal;

use std::borrow::Cow;

use koan_backup_core::value::{DecimalText, Timestamp, Value};

use self::bytes::{fixed, malformed, utf8};
use super::column_type::{BinaryFormat, ColumnType};
use super::null_form::NullRecorder;
use koan_backup_sql::conversion_error::ConversionError;
use koan_backup_sql::field_kind::FieldKind;

impl ColumnType {
    /// Records whether a `null` of the record is NULL or JSON `null`.
    pub(super) fn record_nulls(&self, bytes: Option<&[u8]>, recorder: &mut NullRecorder) {
        match (bytes, &self.format) {
            (Some(bytes), BinaryFormat::Array(element)) => match array::null_form(bytes, element) {
                Some(form) => recorder.record(&form),
                None => recorder.record_without_null(),
            },
            // An array that is NULL has no elements.
            (None, BinaryFormat::Array(_)) => recorder.record_without_null(),
            (None, _) => recorder.record(""),
            (Some(bytes), _) if self.is_json_null(bytes) => recorder.record("0"),
            (Some(_), _) => recorder.record_without_null(),
        }
    }

    /// Reads a value that is not NULL.
    #[inline]
    pub(super) fn read<'a>(&self, bytes: &'a [u8]) -> Result<Value<'a>, ConversionError> {
        match &self.format {
            BinaryFormat::Bool => Ok(Value::Bool(bytes == [1])),
            BinaryFormat::Int2 => self.integer(i64::from(i16::from_be_bytes(fixed(bytes)?))),
            BinaryFormat::Int4 => self.integer(i64::from(i32::from_be_bytes(fixed(bytes)?))),
            BinaryFormat::Int8 | BinaryFormat::CastToInt8 => self.integer(i64::from_be_bytes(fixed(bytes)?)),
            BinaryFormat::Float4 => {
                let number = f32::from_be_bytes(fixed(bytes)?);
                if self.kind == FieldKind::Decimal {
                    return finite_decimal(f64::from(number), number.to_string());
                }
                Ok(Value::F64(f64::from(number)))
            }
            BinaryFormat::Float8 => {
                let number = f64::from_be_bytes(fixed(bytes)?);
                if self.kind == FieldKind::Decimal {
                    return finite_decimal(number, number.to_string());
                }
                Ok(Value::F64(number))
            }
            BinaryFormat::Numeric | BinaryFormat::CastToNumeric => self.numeric(decimal::text(bytes)?),
            BinaryFormat::Text | BinaryFormat::CastToText => self.read_text(bytes),
            BinaryFormat::CastToJson if bytes.is_empty() => Err(ConversionError::new(
                "contains a row that JSON cannot represent exactly: an array whose lower bound is not 1, JSON \
                 `null`, or a negative zero; read the column into a text field",
            )),
            BinaryFormat::CastToJson if self.composite.is_some() => {
                let is_scale_significant =
                    self.composite.as_ref().is_some_and(|composite| composite.is_scale_significant);
                Ok(Value::Json(composite::exact_numbers(utf8(bytes)?, is_scale_significant)))
            }
            BinaryFormat::Json | BinaryFormat::CastToJson | BinaryFormat::CastTextIsJson => {
                self.read_json(utf8(bytes)?)
            }
            BinaryFormat::Jsonb => match bytes {
                [1, text @ ..] => self.read_json(utf8(text)?),
                _ => Err(malformed()),
            },
            BinaryFormat::Uuid => Ok(Value::Uuid(fixed(bytes)?)),
            BinaryFormat::Inet => inet::text(bytes).map(|text| Value::Str(Cow::Owned(text))),
            BinaryFormat::Bytes => {
                match self.kind {
                    FieldKind::Uuid => Ok(Value::Uuid(bytes.try_into().map_err(|_| {
                        ConversionError::new("does not contain exactly the 16 bytes of a UUID")
                    })?)),
                    _ => Ok(Value::Bytes(Cow::Borrowed(bytes))),
                }
            }
            BinaryFormat::Date => temporal::date(i32::from_be_bytes(fixed(bytes)?)).map(Value::Date),
            BinaryFormat::Time => temporal::time(i64::from_be_bytes(fixed(bytes)?)).map(Value::Time),
            BinaryFormat::Timestamp | BinaryFormat::TimestampTz => {
                let local = temporal::date_time(i64::from_be_bytes(fixed(bytes)?))?;
                Ok(match self.kind {
                    FieldKind::DateTime => Value::DateTime(local),
                    _ => Value::Timestamp(Timestamp { local, offset_seconds: 0 }),
                })
            }
            BinaryFormat::Array(element) => array::json(bytes, element, self.writes_decimals_as_text())
                .map(|json| Value::Json(Cow::Owned(json))),
            BinaryFormat::CastToTextArray => {
                array::json(bytes, &BinaryFormat::Text, false).map(|json| Value::Json(Cow::Owned(json)))
            }
        }
    }

    fn integer<'a>(&self, integer: i64) -> Result<Value<'a>, ConversionError> {
        match self.kind {
            FieldKind::Bool => match integer {
                0 | 1 => Ok(Value::Bool(integer == 1)),
                _ => Err(ConversionError::new(
                    "contains a number other than 0 and 1 where a boolean is expected",
                )),
            },
            FieldKind::Decimal => Ok(Value::Decimal(Cow::Owned(integer.to_string()))),
            FieldKind::Float32 | FieldKind::Float64 => {
                Ok(float_of(integer).map_or(Value::I64(integer), Value::F64))
            }
            FieldKind::Timestamp | FieldKind::DateTime => {
                let nanos = i128::from(integer) * (1_000_000_000 / self.units_per_second);
                let instant = Timestamp::from_unix_nanos(nanos)
                    .ok_or_else(|| ConversionError::new("contains a time outside the supported years"))?;
                Ok(match self.kind {
                    FieldKind::DateTime => Value::DateTime(instant.local),
                    _ => Value::Timestamp(instant),
                })
            }
            _ => Ok(Value::I64(integer)),
        }
    }

    fn numeric<'a>(&self, text: String) -> Result<Value<'a>, ConversionError> {
        if self.kind != FieldKind::Integer {
            return Ok(Value::Decimal(Cow::Owned(text)));
        }
        let whole = match text.split_once('.') {
            Some((whole, fraction)) if fraction.bytes().all(|digit| digit == b'0') => whole,
            Some(_) => {
                return Err(ConversionError::new(
                    "contains a number with a fraction where an integer is expected",
                ));
            }
            None => &text,
        };
        integer_of(whole)
    }

    fn read_text<'a>(&self, bytes: &'a [u8]) -> Result<Value<'a>, ConversionError> {
        let text = utf8(bytes)?;
        let invalid = || ConversionError::new(format!("contains text that is not {}", self.kind.noun()));
        Ok(match self.kind {
            FieldKind::Integer => integer_of(text).map_err(|_| invalid())?,
            FieldKind::Decimal => match DecimalText::is_valid(text) {
                true => Value::Decimal(Cow::Borrowed(text)),
                false => return Err(invalid()),
            },
            FieldKind::Bytes => Value::Bytes(Cow::Borrowed(bytes)),
            FieldKind::Uuid => Value::Uuid(uuid::Uuid::try_parse(text).map_err(|_| invalid())?.into_bytes()),
            FieldKind::Timestamp => Value::Timestamp(Timestamp::parse(text).ok_or_else(invalid)?.0),
            FieldKind::DateTime => {
                Value::DateTime(koan_backup_core::value::DateTime::parse(text).ok_or_else(invalid)?.0)
            }
            FieldKind::Date => Value::Date(koan_backup_core::value::Date::parse(text).ok_or_else(invalid)?.0),
            FieldKind::Time => Value::Time(koan_backup_core::value::Time::parse(text).ok_or_else(invalid)?.0),
            FieldKind::AsSerialized if text.starts_with(['{', '[']) => Value::Json(Cow::Borrowed(text)),
            _ => Value::Str(Cow::Borrowed(text)),
        })
    }

    fn read_json<'a>(&self, text: &'a str) -> Result<Value<'a>, ConversionError> {
        Ok(match self.kind {
            FieldKind::Text => Value::Str(Cow::Borrowed(text)),
            _ => Value::Json(Cow::Borrowed(text)),
        })
    }
}

/// Parses an integer of up to 128 bits.
fn integer_of<'a>(text: &str) -> Result<Value<'a>, ConversionError> {
    if let Ok(integer) = text.parse::<i64>() {
        return Ok(Value::I64(integer));
    }
    if let Ok(integer) = text.parse::<u64>() {
        return Ok(Value::U64(integer));
    }
    match text.parse::<i128>().is_ok() || text.parse::<u128>().is_ok() {
        true => Ok(Value::Decimal(Cow::Owned(text.to_owned()))),
        false => Err(ConversionError::new("contains an integer of more than 128 bits")),
    }
}

fn finite_decimal<'a>(number: f64, text: String) -> Result<Value<'a>, ConversionError> {
    match number.is_finite() {
        true => Ok(Value::Decimal(Cow::Owned(text))),
        false => Err(decimal::not_finite()),
    }
}

/// Returns the floating-point number that equals the integer. Returns `None` if the integer has more than 53
/// bits and may therefore not be exact.
fn float_of(integer: i64) -> Option<f64> {
    // An `f64` represents every integer of up to 53 bits exactly.
    let is_exact = (-9_007_199_254_740_992..=9_007_199_254_740_992).contains(&integer);
    #[expect(clippy::cast_precision_loss, reason = "the range is checked above")]
    is_exact.then_some(integer as f64)
}
