//! The conversion of a value that serde serialized for a field to the value that adapters use.

use std::borrow::Cow;

use super::super::error::{BEFORE_YEAR_1, RecordError};
use super::super::wire_text::{self, list, parse_time_text};
use crate::foundation::schema::{FieldSchema, LogicalType, WireForm};
use crate::foundation::value::{Date, DateTime, Time, Timestamp, Value};

/// Converts a value that serde serialized for a field to the variant of the field's logical type. NULL, and
/// values of a field whose serialized form is specific to its type, are returned unchanged.
///
/// # Errors
/// The value cannot be converted to the logical type.
pub(in crate::entity::codec) fn normalize<'v>(
    field: &FieldSchema,
    written: Value<'v>,
) -> Result<Value<'v>, RecordError> {
    if written.is_null() || field.wire == WireForm::Own {
        return Ok(written);
    }
    let is_temporal = matches!(
        field.logical,
        LogicalType::Timestamp | LogicalType::DateTime | LogicalType::Date | LogicalType::Time
    );
    // A date before the year 1 begins with a sign.
    let is_before_year_1 = is_temporal && matches!(&written, Value::Str(text) if text.starts_with('-'));
    let conversion_error = || match is_before_year_1 {
        true => RecordError::in_field(&field.name, BEFORE_YEAR_1),
        false => RecordError::in_field(&field.name, format!("cannot be converted to {:?}", field.logical)),
    };
    let normalized = match (&field.logical, written) {
        (LogicalType::Bytes, written) => bytes(field.wire, written),
        (LogicalType::Uuid, Value::Str(text)) => {
            uuid::Uuid::try_parse(&text).ok().map(|uuid| Value::Uuid(uuid.into_bytes()))
        }
        (LogicalType::Decimal, written) => decimal(written),
        (LogicalType::Timestamp | LogicalType::DateTime | LogicalType::Date | LogicalType::Time, written) => {
            temporal(field, written)
        }
        (LogicalType::Float { .. }, Value::I64(number)) => {
            Some(Value::Decimal(Cow::Owned(number.to_string())))
        }
        (LogicalType::Json, Value::Str(text)) => {
            Some(Value::Json(Cow::Owned(serde_json::to_string(&text).map_err(|_| conversion_error())?)))
        }
        (LogicalType::Json, Value::Bool(v)) => {
            Some(Value::Json(Cow::Borrowed(if v { "true" } else { "false" })))
        }
        (LogicalType::Json, Value::I64(v)) => Some(Value::Json(Cow::Owned(v.to_string()))),
        (LogicalType::Json, Value::U64(v)) => Some(Value::Json(Cow::Owned(v.to_string()))),
        (LogicalType::Json, Value::F64(v)) => {
            Some(Value::Json(Cow::Owned(serde_json::to_string(&v).map_err(|_| conversion_error())?)))
        }
        (LogicalType::Json, Value::Decimal(v)) => Some(Value::Json(v)),
        (_, written) => Some(written),
    };
    normalized.ok_or_else(conversion_error)
}

fn bytes<'v>(wire: WireForm, written: Value<'v>) -> Option<Value<'v>> {
    match written {
        Value::Bytes(_) => Some(written),
        Value::Str(text) => wire_text::decode_bytes(&text, wire).map(|bytes| Value::Bytes(Cow::Owned(bytes))),
        Value::Json(text) => {
            serde_json::from_str::<Vec<u8>>(&text).ok().map(|bytes| Value::Bytes(Cow::Owned(bytes)))
        }
        _ => None,
    }
}

fn decimal<'v>(written: Value<'v>) -> Option<Value<'v>> {
    Some(Value::Decimal(match written {
        Value::Decimal(text) | Value::Str(text) | Value::Json(text) => text,
        Value::I64(number) => Cow::Owned(number.to_string()),
        Value::U64(number) => Cow::Owned(number.to_string()),
        Value::F64(number) => Cow::Owned(serde_json::to_string(&number).ok()?),
        _ => return None,
    }))
}

fn temporal<'v>(field: &FieldSchema, written: Value<'v>) -> Option<Value<'v>> {
    match (&field.logical, &written) {
        (LogicalType::Timestamp, Value::Timestamp(_))
        | (LogicalType::DateTime, Value::DateTime(_))
        | (LogicalType::Date, Value::Date(_))
        | (LogicalType::Time, Value::Time(_)) => return Some(written),
        _ => {}
    }
    match written {
        Value::Str(text) if field.wire == WireForm::TimeText => parse_time_text(&text, &field.logical),
        Value::Str(text) => match field.logical {
            LogicalType::Timestamp => Timestamp::parse(&text).map(|(value, _)| Value::Timestamp(value)),
            LogicalType::DateTime => DateTime::parse(&text).map(|(value, _)| Value::DateTime(value)),
            LogicalType::Date => Date::parse(&text).map(|(value, _)| Value::Date(value)),
            _ => Time::parse(&text).map(|(value, _)| Value::Time(value)),
        },
        Value::I64(number) => {
            let nanos = i128::from(number) * wire_text::unix_unit_nanos(field.wire)?;
            let instant = Timestamp::from_unix_nanos(nanos)?;
            match field.logical {
                LogicalType::Timestamp => Some(Value::Timestamp(instant)),
                LogicalType::DateTime => Some(Value::DateTime(instant.local)),
                _ => None,
            }
        }
        Value::Json(text) if field.wire == WireForm::TimeList => {
            let components: Vec<i32> = serde_json::from_str(&text).ok()?;
            Some(match field.logical {
                LogicalType::Timestamp => Value::Timestamp(list::to_timestamp(&components)?),
                LogicalType::DateTime => Value::DateTime(list::to_date_time(&components)?),
                LogicalType::Date => Value::Date(list::to_date(&components)?),
                _ => Value::Time(list::to_time(&components)?),
            })
        }
        _ => None,
    }
}
