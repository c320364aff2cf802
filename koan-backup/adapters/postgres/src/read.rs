//! Tells what a value that the server sent means to its field.

mod array;
mod composite;
pub(super) mod decimal;
mod inet;
mod moment;

use std::borrow::Cow;

use koan_backup_core::value::{Timestamp, Value};

use super::column_type::{ColumnType, Kind, Sent};
use super::null_form::NullRecorder;
use koan_backup_sql::conversion_error::ConversionError;

impl ColumnType {
    /// Notes whether what a record holds as `null` is NULL or JSON `null`.
    pub(super) fn note_nulls(&self, bytes: Option<&[u8]>, recorder: &mut NullRecorder) {
        match (bytes, &self.sent) {
            (Some(bytes), Sent::Array(element)) => match array::null_form(bytes, element) {
                Some(form) => recorder.note(&form),
                None => recorder.skip(),
            },
            // A list that is NULL has no elements.
            (None, Sent::Array(_)) => recorder.skip(),
            (None, _) => recorder.note(""),
            (Some(bytes), _) if self.is_json_null(bytes) => recorder.note("0"),
            (Some(_), _) => recorder.skip(),
        }
    }

    /// Reads a value that is not NULL.
    #[inline]
    pub(super) fn read<'a>(&self, bytes: &'a [u8]) -> Result<Value<'a>, ConversionError> {
        match &self.sent {
            Sent::Bool => Ok(Value::Bool(bytes == [1])),
            Sent::Int2 => self.integer(i64::from(i16::from_be_bytes(fixed(bytes)?))),
            Sent::Int4 => self.integer(i64::from(i32::from_be_bytes(fixed(bytes)?))),
            Sent::Int8 | Sent::CastToInt8 => self.integer(i64::from_be_bytes(fixed(bytes)?)),
            Sent::Float4 => {
                let number = f32::from_be_bytes(fixed(bytes)?);
                if self.kind == Kind::Decimal {
                    return decimal_of(f64::from(number), number.to_string());
                }
                Ok(Value::F64(f64::from(number)))
            }
            Sent::Float8 => {
                let number = f64::from_be_bytes(fixed(bytes)?);
                if self.kind == Kind::Decimal {
                    return decimal_of(number, number.to_string());
                }
                Ok(Value::F64(number))
            }
            Sent::Numeric | Sent::CastToNumeric => self.numeric(decimal::text(bytes)?),
            Sent::Text | Sent::CastToText => self.of_text(bytes),
            Sent::CastToJson if bytes.is_empty() => Err(ConversionError::new(
                "holds a row that JSON cannot hold as it is: an array that does not begin at 1, JSON `null`, or a negative zero; \
                 read the column into a field of text",
            )),
            Sent::CastToJson if self.composite.is_some() => {
                let scale_counts = self.composite.as_ref().is_some_and(|composite| composite.scale_counts);
                Ok(Value::Json(composite::exact_numbers(utf8(bytes)?, scale_counts)))
            }
            Sent::Json | Sent::CastToJson | Sent::CastTextIsJson => self.of_json(utf8(bytes)?),
            Sent::Jsonb => match bytes {
                [1, text @ ..] => self.of_json(utf8(text)?),
                _ => Err(malformed()),
            },
            Sent::Uuid => Ok(Value::Uuid(fixed(bytes)?)),
            Sent::Inet => inet::text(bytes).map(|text| Value::Str(Cow::Owned(text))),
            Sent::Bytes => match self.kind {
                Kind::Uuid => Ok(Value::Uuid(
                    bytes
                        .try_into()
                        .map_err(|_| ConversionError::new("holds bytes that are not the 16 of a UUID"))?,
                )),
                _ => Ok(Value::Bytes(Cow::Borrowed(bytes))),
            },
            Sent::Date => moment::date(i32::from_be_bytes(fixed(bytes)?)).map(Value::Date),
            Sent::Time => moment::time(i64::from_be_bytes(fixed(bytes)?)).map(Value::Time),
            Sent::Timestamp | Sent::TimestampTz => {
                let local = moment::date_time(i64::from_be_bytes(fixed(bytes)?))?;
                Ok(match self.kind {
                    Kind::DateTime => Value::DateTime(local),
                    _ => Value::Timestamp(Timestamp { local, offset_seconds: 0 }),
                })
            }
            Sent::Array(element) => array::json(bytes, element, self.tells_decimals_as_text())
                .map(|json| Value::Json(Cow::Owned(json))),
            Sent::CastToTextArray => {
                array::json(bytes, &Sent::Text, false).map(|json| Value::Json(Cow::Owned(json)))
            }
        }
    }

    fn integer<'a>(&self, integer: i64) -> Result<Value<'a>, ConversionError> {
        match self.kind {
            Kind::Bool => match integer {
                0 | 1 => Ok(Value::Bool(integer == 1)),
                _ => {
                    Err(ConversionError::new("holds a number other than 0 and 1 where a boolean is expected"))
                }
            },
            Kind::Decimal => Ok(Value::Decimal(Cow::Owned(integer.to_string()))),
            Kind::Float32 | Kind::Float64 => Ok(float_of(integer).map_or(Value::I64(integer), Value::F64)),
            Kind::Timestamp | Kind::DateTime => {
                let nanos = i128::from(integer) * (1_000_000_000 / self.units_per_second);
                let instant = Timestamp::from_unix_nanos(nanos).ok_or_else(|| {
                    ConversionError::new("counts a time that is outside the years that are supported")
                })?;
                Ok(match self.kind {
                    Kind::DateTime => Value::DateTime(instant.local),
                    _ => Value::Timestamp(instant),
                })
            }
            _ => Ok(Value::I64(integer)),
        }
    }

    fn numeric<'a>(&self, text: String) -> Result<Value<'a>, ConversionError> {
        if self.kind != Kind::Integer {
            return Ok(Value::Decimal(Cow::Owned(text)));
        }
        let whole = match text.split_once('.') {
            Some((whole, fraction)) if fraction.bytes().all(|digit| digit == b'0') => whole,
            Some(_) => {
                return Err(ConversionError::new(
                    "holds a number with a fraction where an integer is expected",
                ));
            }
            None => &text,
        };
        integer_of(whole)
    }

    fn of_text<'a>(&self, bytes: &'a [u8]) -> Result<Value<'a>, ConversionError> {
        let text = utf8(bytes)?;
        let none = || ConversionError::new(format!("holds text that is not {}", self.kind.noun()));
        Ok(match self.kind {
            Kind::Integer => integer_of(text).map_err(|_| none())?,
            Kind::Decimal => match is_decimal(text) {
                true => Value::Decimal(Cow::Borrowed(text)),
                false => return Err(none()),
            },
            Kind::Bytes => Value::Bytes(Cow::Borrowed(bytes)),
            Kind::Uuid => Value::Uuid(uuid::Uuid::try_parse(text).map_err(|_| none())?.into_bytes()),
            Kind::Timestamp => Value::Timestamp(Timestamp::parse(text).ok_or_else(none)?.0),
            Kind::DateTime => {
                Value::DateTime(koan_backup_core::value::DateTime::parse(text).ok_or_else(none)?.0)
            }
            Kind::Date => Value::Date(koan_backup_core::value::Date::parse(text).ok_or_else(none)?.0),
            Kind::Time => Value::Time(koan_backup_core::value::Time::parse(text).ok_or_else(none)?.0),
            Kind::Own if text.starts_with(['{', '[']) => Value::Json(Cow::Borrowed(text)),
            _ => Value::Str(Cow::Borrowed(text)),
        })
    }

    fn of_json<'a>(&self, text: &'a str) -> Result<Value<'a>, ConversionError> {
        Ok(match self.kind {
            Kind::Text => Value::Str(Cow::Borrowed(text)),
            _ => Value::Json(Cow::Borrowed(text)),
        })
    }
}

/// A whole number of any size.
fn integer_of<'a>(text: &str) -> Result<Value<'a>, ConversionError> {
    if let Ok(integer) = text.parse::<i64>() {
        return Ok(Value::I64(integer));
    }
    if let Ok(integer) = text.parse::<u64>() {
        return Ok(Value::U64(integer));
    }
    match text.parse::<i128>().is_ok() || text.parse::<u128>().is_ok() {
        true => Ok(Value::Decimal(Cow::Owned(text.to_owned()))),
        false => Err(ConversionError::new("holds an integer that is beyond 128 bits")),
    }
}

/// Whether a text is a plain decimal, perhaps with an exponent.
pub(super) fn is_decimal(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.strip_prefix(['-', '+']).unwrap_or(exponent)),
        None => (text, "0"),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    !(whole.is_empty() && fraction.is_empty())
        && digits(whole)
        && digits(fraction)
        && !exponent.is_empty()
        && digits(exponent)
}

fn decimal_of<'a>(number: f64, text: String) -> Result<Value<'a>, ConversionError> {
    match number.is_finite() {
        true => Ok(Value::Decimal(Cow::Owned(text))),
        false => Err(decimal::not_finite()),
    }
}

/// The floating-point number that an integer is.
fn float_of(integer: i64) -> Option<f64> {
    // Every integer of 53 bits is one.
    let exact = (-9_007_199_254_740_992..=9_007_199_254_740_992).contains(&integer);
    #[expect(clippy::cast_precision_loss, reason = "checked")]
    exact.then_some(integer as f64)
}

pub(super) fn utf8(bytes: &[u8]) -> Result<&str, ConversionError> {
    std::str::from_utf8(bytes).map_err(|_| {
        ConversionError::new(
            "holds text that is not UTF-8, as a database with encoding SQL_ASCII allows; convert it, for example by `convert_from(column::bytea, \
             'LATIN1')`, or make the column `bytea` and the field bytes",
        )
    })
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], ConversionError> {
    bytes.try_into().map_err(|_| malformed())
}

fn malformed() -> ConversionError {
    ConversionError::new("was sent by the server in a form that is not known")
}
