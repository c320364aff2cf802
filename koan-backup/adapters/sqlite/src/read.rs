//! Converts a stored value to a value of the field's type, and determines the form in which it was stored.

mod read_value;
mod temporal;
mod words;

use std::borrow::Cow;

use koan_backup_core::value::{DecimalText, Value};
use rusqlite::types::ValueRef;

use self::read_value::{ReadValue, unexpected, utf8};
use super::catalog::Affinity;
use super::column_type::ColumnType;
use super::form::{BLOB, Form, INTEGER, JSON_NULL, NATIVE, REAL, REAL_SHORT, TEXT, TEXT_POINT};
use super::number::{self, Number};
use koan_backup_sql::conversion_error::ConversionError;
use koan_backup_sql::field_kind::FieldKind;

impl ColumnType {
    /// Converts a stored value that is not NULL.
    #[inline]
    pub(super) fn read<'a>(&self, stored: ValueRef<'a>) -> Result<ReadValue<'a>, ConversionError> {
        match self.kind {
            FieldKind::Integer => self.integer(stored),
            FieldKind::Text => self.text(stored),
            FieldKind::Float32 | FieldKind::Float64 => self.float(stored),
            FieldKind::Decimal => self.decimal(stored),
            FieldKind::Bool => self.boolean(stored),
            FieldKind::Bytes => bytes(stored),
            FieldKind::Uuid => words::uuid(stored),
            FieldKind::Timestamp | FieldKind::DateTime | FieldKind::Date | FieldKind::Time => {
                self.temporal(stored)
            }
            FieldKind::Structure | FieldKind::Json => self.json(stored),
            FieldKind::AsSerialized | FieldKind::Extra => self.as_serialized(stored),
        }
    }

    /// Returns the form of a storage class. `native` is whether the column's affinity chooses this storage
    /// class for the value.
    fn stored_form(&self, variant: u32, native: bool) -> Option<Form> {
        Some(Form::stored_as(if native { variant | NATIVE } else { variant }))
    }

    fn boolean<'a>(&self, stored: ValueRef<'a>) -> Result<ReadValue<'a>, ConversionError> {
        let not_bool =
            || ConversionError::new("contains a number other than 0 and 1 where a boolean is expected");
        match stored {
            ValueRef::Integer(0 | 1) => {
                let native = !matches!(self.affinity, Affinity::Text | Affinity::Real);
                Ok((Value::Bool(stored == ValueRef::Integer(1)), self.stored_form(INTEGER, native)))
            }
            ValueRef::Integer(_) => Err(not_bool()),
            ValueRef::Real(real) => match number::integer_of(real).filter(|_| !is_negative_zero(real)) {
                Some(integer @ (0 | 1)) => {
                    Ok((Value::Bool(integer == 1), self.stored_form(REAL, self.affinity == Affinity::Real)))
                }
                _ => Err(not_bool()),
            },
            ValueRef::Text(text) => words::boolean(utf8(text)?),
            _ => Err(unexpected(stored, self.kind)),
        }
    }

    fn integer<'a>(&self, stored: ValueRef<'a>) -> Result<ReadValue<'a>, ConversionError> {
        match stored {
            ValueRef::Integer(integer) => {
                let native = !matches!(self.affinity, Affinity::Text | Affinity::Real);
                Ok((Value::I64(integer), self.stored_form(INTEGER, native)))
            }
            ValueRef::Real(real) => {
                let integer = number::integer_of(real).ok_or_else(|| {
                    ConversionError::new("contains a number with a fraction where an integer is expected")
                })?;
                let form = self.stored_form(REAL, self.affinity == Affinity::Real);
                Ok((Value::I64(integer), form.filter(|_| !is_negative_zero(real))))
            }
            ValueRef::Text(text) => {
                let text = utf8(text)?;
                let (value, canonical) = integer_text(text).ok_or_else(|| unexpected(stored, self.kind))?;
                Ok((value, self.stored_form(TEXT, self.affinity == Affinity::Text).filter(|_| canonical)))
            }
            _ => Err(unexpected(stored, self.kind)),
        }
    }

    fn float<'a>(&self, stored: ValueRef<'a>) -> Result<ReadValue<'a>, ConversionError> {
        match stored {
            ValueRef::Real(real) => {
                finite(real)?;
                let native = self.affinity != Affinity::Text;
                Ok((Value::F64(real), self.float_forms(real, native)))
            }
            ValueRef::Integer(integer) => {
                let native = matches!(self.affinity, Affinity::Integer | Affinity::Numeric);
                Ok(match number::float_of(integer) {
                    Some(real) => {
                        let form = self.stored_form(INTEGER, native).filter(|_| self.is_exact(real));
                        (Value::F64(real), form)
                    }
                    // The field's type rounds this integer. The caller detects the rounding by the value
                    // `I64`.
                    None => (Value::I64(integer), None),
                })
            }
            ValueRef::Text(text) => {
                let text = utf8(text)?;
                let trimmed = text.trim_ascii();
                if !DecimalText::is_valid(trimmed) {
                    return Err(unexpected(stored, self.kind));
                }
                let real: f64 = trimmed.parse().map_err(|_| unexpected(stored, self.kind))?;
                finite(real)?;
                let (plain, point) = match self.kind {
                    FieldKind::Float32 => {
                        let narrow = number::nearest_f32(real);
                        (narrow.to_string(), format!("{narrow:?}"))
                    }
                    _ => (number::shortest_text(real), format!("{real:?}")),
                };
                let mut variants = if plain == text { TEXT } else { 0 };
                if variants != 0 && self.affinity == Affinity::Text {
                    variants |= NATIVE;
                }
                if point == text {
                    variants |= TEXT_POINT;
                }
                Ok((Value::F64(real), (variants != 0).then_some(Form::stored_as(variants))))
            }
            _ => Err(unexpected(stored, self.kind)),
        }
    }

    /// Returns whether the field's type can represent the number exactly.
    fn is_exact(&self, real: f64) -> bool {
        self.kind != FieldKind::Float32 || f64::from(number::nearest_f32(real)) == real
    }

    fn float_forms(&self, real: f64, native: bool) -> Option<Form> {
        if self.kind != FieldKind::Float32 {
            return self.stored_form(REAL, native);
        }
        let shortest = number::nearest_f32(real).to_string().parse() == Ok(real);
        let mut variants = if shortest { REAL_SHORT } else { 0 };
        if self.is_exact(real) {
            variants |= if native { REAL | NATIVE } else { REAL };
        }
        (variants != 0).then_some(Form::stored_as(variants))
    }

    fn decimal<'a>(&self, stored: ValueRef<'a>) -> Result<ReadValue<'a>, ConversionError> {
        match stored {
            ValueRef::Integer(integer) => {
                let native = matches!(self.affinity, Affinity::Integer | Affinity::Numeric);
                Ok((Value::Decimal(Cow::Owned(integer.to_string())), self.stored_form(INTEGER, native)))
            }
            ValueRef::Real(real) => {
                finite(real)?;
                let form =
                    self.stored_form(REAL, self.affinity.is_numeric()).filter(|_| !is_negative_zero(real));
                Ok((Value::Decimal(Cow::Owned(number::shortest_text(real))), form))
            }
            ValueRef::Text(text) => {
                let text = utf8(text)?;
                let trimmed = text.trim_ascii();
                if !DecimalText::is_valid(trimmed) {
                    return Err(unexpected(stored, self.kind));
                }
                let form = self.stored_form(TEXT, !self.affinity.is_numeric()).filter(|_| trimmed == text);
                Ok((Value::Decimal(Cow::Borrowed(trimmed)), form))
            }
            _ => Err(unexpected(stored, self.kind)),
        }
    }

    fn text<'a>(&self, stored: ValueRef<'a>) -> Result<ReadValue<'a>, ConversionError> {
        let numeric = self.affinity.is_numeric();
        match stored {
            ValueRef::Text(text) => {
                Ok((Value::Str(Cow::Borrowed(utf8(text)?)), self.stored_form(TEXT, true)))
            }
            ValueRef::Integer(integer) => {
                Ok((Value::Str(Cow::Owned(integer.to_string())), self.stored_form(INTEGER, numeric)))
            }
            ValueRef::Real(real) => {
                finite(real)?;
                let form = self.stored_form(REAL, numeric).filter(|_| !is_negative_zero(real));
                Ok((Value::Str(Cow::Owned(number::shortest_text(real))), form))
            }
            ValueRef::Blob(blob) => {
                Ok((Value::Str(Cow::Borrowed(utf8(blob)?)), self.stored_form(BLOB, false)))
            }
            ValueRef::Null => Ok((Value::Null, None)),
        }
    }

    fn json<'a>(&self, stored: ValueRef<'a>) -> Result<ReadValue<'a>, ConversionError> {
        let numeric = self.affinity.is_numeric();
        match stored {
            ValueRef::Text(text) if is_json_null(text) => {
                Ok((Value::Null, (text == b"null").then_some(Form::stored_as(JSON_NULL))))
            }
            ValueRef::Blob(blob) if is_json_null(blob) => Ok((Value::Null, None)),
            ValueRef::Text(text) => {
                Ok((Value::Json(Cow::Borrowed(utf8(text)?)), self.stored_form(TEXT, true)))
            }
            ValueRef::Blob(blob) => {
                let text = std::str::from_utf8(blob).map_err(|_| {
                    ConversionError::new(
                        "contains a BLOB that is not JSON text; SQLite's binary JSON is not supported, so \
                         store the text that `json(…)` returns",
                    )
                })?;
                Ok((Value::Json(Cow::Borrowed(text)), self.stored_form(BLOB, false)))
            }
            ValueRef::Integer(integer) => Ok((Value::I64(integer), self.stored_form(INTEGER, numeric))),
            ValueRef::Real(real) => {
                finite(real)?;
                Ok((Value::F64(real), self.stored_form(REAL, numeric)))
            }
            ValueRef::Null => Ok((Value::Null, None)),
        }
    }

    fn as_serialized<'a>(&self, stored: ValueRef<'a>) -> Result<ReadValue<'a>, ConversionError> {
        Ok(match stored {
            ValueRef::Integer(integer) => (Value::I64(integer), self.stored_form(INTEGER, false)),
            ValueRef::Real(real) => {
                finite(real)?;
                (Value::F64(real), self.stored_form(REAL, false))
            }
            ValueRef::Text(text) => {
                let text = Cow::Borrowed(utf8(text)?);
                let is_json = self.kind == FieldKind::AsSerialized && text.starts_with(['{', '[']);
                (if is_json { Value::Json(text) } else { Value::Str(text) }, self.stored_form(TEXT, false))
            }
            ValueRef::Blob(blob) => (Value::Bytes(Cow::Borrowed(blob)), self.stored_form(BLOB, false)),
            ValueRef::Null => (Value::Null, None),
        })
    }
}

/// Returns whether a text is the JSON value `null`.
fn is_json_null(text: &[u8]) -> bool {
    text.trim_ascii() == b"null"
}

fn bytes(stored: ValueRef<'_>) -> Result<ReadValue<'_>, ConversionError> {
    match stored {
        ValueRef::Blob(blob) => Ok((Value::Bytes(Cow::Borrowed(blob)), Some(Form::stored_as(BLOB | NATIVE)))),
        ValueRef::Text(text) => {
            let form = std::str::from_utf8(text).is_ok().then_some(Form::stored_as(TEXT));
            Ok((Value::Bytes(Cow::Borrowed(text)), form))
        }
        _ => Err(unexpected(stored, FieldKind::Bytes)),
    }
}

/// Parses an integer. Returns the value, and whether writing the value produces the same text.
fn integer_text(text: &str) -> Option<(Value<'_>, bool)> {
    if let Ok(integer) = text.parse::<i64>() {
        return Some((Value::I64(integer), integer.to_string() == text));
    }
    if let Ok(integer) = text.parse::<u64>() {
        return Some((Value::U64(integer), integer.to_string() == text));
    }
    let wide = text.parse::<i128>().map(|integer| integer.to_string());
    if let Ok(wide) = wide.or_else(|_| text.parse::<u128>().map(|integer| integer.to_string())) {
        let canonical = wide == text;
        return Some((Value::Decimal(Cow::Owned(wide)), canonical));
    }
    let trimmed = text.trim_ascii();
    match DecimalText::is_valid(trimmed).then(|| number::number_of(trimmed))?? {
        Number::Integer(integer) => Some((Value::I64(integer), false)),
        Number::Real(real) => Some((Value::I64(number::integer_of(real)?), false)),
    }
}

/// Refuses an infinite number.
fn finite(real: f64) -> Result<(), ConversionError> {
    let infinite = || {
        ConversionError::new(
            "contains an infinite number, which JSON cannot represent; store it as text or as NULL",
        )
    };
    real.is_finite().then_some(()).ok_or_else(infinite)
}

/// Returns whether a number is −0.0. Types without −0.0 lose its sign.
fn is_negative_zero(real: f64) -> bool {
    real == 0.0 && real.is_sign_negative()
}
