//! Tells what a stored value means to its field, and in which form it was stored.

mod moment;
pub(super) mod words;

use std::borrow::Cow;

use koan_backup_core::value::Value;
use rusqlite::types::ValueRef;

pub(super) use moment::{UNIX_EPOCH_IN_JULIAN_MILLIS, is_beyond_seconds};

use super::catalog::Affinity;
use super::column_type::{ColumnType, Kind};
use super::form::{BLOB, Form, INTEGER, JSON_NULL, NATIVE, REAL, REAL_SHORT, TEXT, TEXT_POINT};
use super::number::{self, Number};
use koan_backup_sql::conversion_error::ConversionError;

/// A value and the forms that write it back byte for byte; `None` when there is none.
pub(super) type Reading<'a> = (Value<'a>, Option<Form>);

impl ColumnType {
    /// Reads a value that is not NULL.
    #[inline]
    pub(super) fn read<'a>(&self, stored: ValueRef<'a>) -> Result<Reading<'a>, ConversionError> {
        match self.kind {
            Kind::Integer => self.integer(stored),
            Kind::Text => self.text(stored),
            Kind::Float32 | Kind::Float64 => self.float(stored),
            Kind::Decimal => self.decimal(stored),
            Kind::Bool => self.boolean(stored),
            Kind::Bytes => bytes(stored),
            Kind::Uuid => words::uuid(stored),
            Kind::Timestamp | Kind::DateTime | Kind::Date | Kind::Time => self.moment(stored),
            Kind::Json => self.json(stored),
            Kind::Own | Kind::Extra => self.own(stored),
        }
    }

    fn plain(&self, way: u32, native: bool) -> Option<Form> {
        Some(Form::plain(if native { way | NATIVE } else { way }))
    }

    fn boolean<'a>(&self, stored: ValueRef<'a>) -> Result<Reading<'a>, ConversionError> {
        let not_bool =
            || ConversionError::new("holds a number other than 0 and 1 where a boolean is expected");
        match stored {
            ValueRef::Integer(0 | 1) => {
                let native = !matches!(self.affinity, Affinity::Text | Affinity::Real);
                Ok((Value::Bool(stored == ValueRef::Integer(1)), self.plain(INTEGER, native)))
            }
            ValueRef::Integer(_) => Err(not_bool()),
            ValueRef::Real(real) => match number::integer_of(real).filter(|_| !is_negative_zero(real)) {
                Some(integer @ (0 | 1)) => {
                    Ok((Value::Bool(integer == 1), self.plain(REAL, self.affinity == Affinity::Real)))
                }
                _ => Err(not_bool()),
            },
            ValueRef::Text(text) => words::boolean(utf8(text)?),
            _ => Err(unexpected(stored, self.kind)),
        }
    }

    fn integer<'a>(&self, stored: ValueRef<'a>) -> Result<Reading<'a>, ConversionError> {
        match stored {
            ValueRef::Integer(integer) => {
                let native = !matches!(self.affinity, Affinity::Text | Affinity::Real);
                Ok((Value::I64(integer), self.plain(INTEGER, native)))
            }
            ValueRef::Real(real) => {
                let integer = number::integer_of(real).ok_or_else(|| {
                    ConversionError::new("holds a number with a fraction where an integer is expected")
                })?;
                let form = self.plain(REAL, self.affinity == Affinity::Real);
                Ok((Value::I64(integer), form.filter(|_| !is_negative_zero(real))))
            }
            ValueRef::Text(text) => {
                let text = utf8(text)?;
                let (value, canonical) = integer_text(text).ok_or_else(|| unexpected(stored, self.kind))?;
                Ok((value, self.plain(TEXT, self.affinity == Affinity::Text).filter(|_| canonical)))
            }
            _ => Err(unexpected(stored, self.kind)),
        }
    }

    fn float<'a>(&self, stored: ValueRef<'a>) -> Result<Reading<'a>, ConversionError> {
        match stored {
            ValueRef::Real(real) => {
                finite(real)?;
                let native = self.affinity != Affinity::Text;
                Ok((Value::F64(real), self.float_form(real, native)))
            }
            ValueRef::Integer(integer) => {
                let native = matches!(self.affinity, Affinity::Integer | Affinity::Numeric);
                Ok(match number::float_of(integer) {
                    Some(real) => {
                        let form = self.plain(INTEGER, native).filter(|_| self.holds(real));
                        (Value::F64(real), form)
                    }
                    // Whoever takes it must see that its field rounds it.
                    None => (Value::I64(integer), None),
                })
            }
            ValueRef::Text(text) => {
                let text = utf8(text)?;
                let trimmed = text.trim_ascii();
                if !number::is_decimal(trimmed) {
                    return Err(unexpected(stored, self.kind));
                }
                let real: f64 = trimmed.parse().map_err(|_| unexpected(stored, self.kind))?;
                finite(real)?;
                let (plain, point) = match self.kind {
                    Kind::Float32 => {
                        let narrow = number::nearest_f32(real);
                        (narrow.to_string(), format!("{narrow:?}"))
                    }
                    _ => (number::shortest_text(real), format!("{real:?}")),
                };
                let mut ways = if plain == text { TEXT } else { 0 };
                if ways != 0 && self.affinity == Affinity::Text {
                    ways |= NATIVE;
                }
                if point == text {
                    ways |= TEXT_POINT;
                }
                Ok((Value::F64(real), (ways != 0).then_some(Form::plain(ways))))
            }
            _ => Err(unexpected(stored, self.kind)),
        }
    }

    /// Whether the field's own type holds the number.
    fn holds(&self, real: f64) -> bool {
        self.kind != Kind::Float32 || f64::from(number::nearest_f32(real)) == real
    }

    fn float_form(&self, real: f64, native: bool) -> Option<Form> {
        if self.kind != Kind::Float32 {
            return self.plain(REAL, native);
        }
        let shortest = number::nearest_f32(real).to_string().parse() == Ok(real);
        let mut ways = if shortest { REAL_SHORT } else { 0 };
        if self.holds(real) {
            ways |= if native { REAL | NATIVE } else { REAL };
        }
        (ways != 0).then_some(Form::plain(ways))
    }

    fn decimal<'a>(&self, stored: ValueRef<'a>) -> Result<Reading<'a>, ConversionError> {
        match stored {
            ValueRef::Integer(integer) => {
                let native = matches!(self.affinity, Affinity::Integer | Affinity::Numeric);
                Ok((Value::Decimal(Cow::Owned(integer.to_string())), self.plain(INTEGER, native)))
            }
            ValueRef::Real(real) => {
                finite(real)?;
                let form = self.plain(REAL, self.affinity.is_numeric()).filter(|_| !is_negative_zero(real));
                Ok((Value::Decimal(Cow::Owned(number::shortest_text(real))), form))
            }
            ValueRef::Text(text) => {
                let text = utf8(text)?;
                let trimmed = text.trim_ascii();
                if !number::is_decimal(trimmed) {
                    return Err(unexpected(stored, self.kind));
                }
                let form = self.plain(TEXT, !self.affinity.is_numeric()).filter(|_| trimmed == text);
                Ok((Value::Decimal(Cow::Borrowed(trimmed)), form))
            }
            _ => Err(unexpected(stored, self.kind)),
        }
    }

    fn text<'a>(&self, stored: ValueRef<'a>) -> Result<Reading<'a>, ConversionError> {
        let numeric = self.affinity.is_numeric();
        match stored {
            ValueRef::Text(text) => Ok((Value::Str(Cow::Borrowed(utf8(text)?)), self.plain(TEXT, true))),
            ValueRef::Integer(integer) => {
                Ok((Value::Str(Cow::Owned(integer.to_string())), self.plain(INTEGER, numeric)))
            }
            ValueRef::Real(real) => {
                finite(real)?;
                let form = self.plain(REAL, numeric).filter(|_| !is_negative_zero(real));
                Ok((Value::Str(Cow::Owned(number::shortest_text(real))), form))
            }
            ValueRef::Blob(blob) => Ok((Value::Str(Cow::Borrowed(utf8(blob)?)), self.plain(BLOB, false))),
            ValueRef::Null => Ok((Value::Null, None)),
        }
    }

    fn json<'a>(&self, stored: ValueRef<'a>) -> Result<Reading<'a>, ConversionError> {
        let numeric = self.affinity.is_numeric();
        match stored {
            ValueRef::Text(text) if is_json_null(text) => {
                Ok((Value::Null, (text == b"null").then_some(Form::plain(JSON_NULL))))
            }
            ValueRef::Blob(blob) if is_json_null(blob) => Ok((Value::Null, None)),
            ValueRef::Text(text) => Ok((Value::Json(Cow::Borrowed(utf8(text)?)), self.plain(TEXT, true))),
            ValueRef::Blob(blob) => {
                let text = std::str::from_utf8(blob).map_err(|_| {
                    ConversionError::new("holds a BLOB that is not JSON text; SQLite's own binary JSON is not read, store `json(…)`")
                })?;
                Ok((Value::Json(Cow::Borrowed(text)), self.plain(BLOB, false)))
            }
            ValueRef::Integer(integer) => Ok((Value::I64(integer), self.plain(INTEGER, numeric))),
            ValueRef::Real(real) => {
                finite(real)?;
                Ok((Value::F64(real), self.plain(REAL, numeric)))
            }
            ValueRef::Null => Ok((Value::Null, None)),
        }
    }

    fn own<'a>(&self, stored: ValueRef<'a>) -> Result<Reading<'a>, ConversionError> {
        Ok(match stored {
            ValueRef::Integer(integer) => (Value::I64(integer), self.plain(INTEGER, false)),
            ValueRef::Real(real) => {
                finite(real)?;
                (Value::F64(real), self.plain(REAL, false))
            }
            ValueRef::Text(text) => {
                let text = Cow::Borrowed(utf8(text)?);
                let is_json = self.kind == Kind::Own && text.starts_with(['{', '[']);
                (if is_json { Value::Json(text) } else { Value::Str(text) }, self.plain(TEXT, false))
            }
            ValueRef::Blob(blob) => (Value::Bytes(Cow::Borrowed(blob)), self.plain(BLOB, false)),
            ValueRef::Null => (Value::Null, None),
        })
    }
}

/// Whether text is the JSON value `null`.
fn is_json_null(text: &[u8]) -> bool {
    text.trim_ascii() == b"null"
}

fn bytes(stored: ValueRef<'_>) -> Result<Reading<'_>, ConversionError> {
    match stored {
        ValueRef::Blob(blob) => Ok((Value::Bytes(Cow::Borrowed(blob)), Some(Form::plain(BLOB | NATIVE)))),
        ValueRef::Text(text) => {
            let form = std::str::from_utf8(text).is_ok().then_some(Form::plain(TEXT));
            Ok((Value::Bytes(Cow::Borrowed(text)), form))
        }
        _ => Err(unexpected(stored, Kind::Bytes)),
    }
}

/// A whole number as text, and whether it is written as this text.
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
    match number::is_decimal(trimmed).then(|| number::number_of(trimmed))?? {
        Number::Integer(integer) => Some((Value::I64(integer), false)),
        Number::Real(real) => Some((Value::I64(number::integer_of(real)?), false)),
    }
}

pub(super) fn utf8(text: &[u8]) -> Result<&str, ConversionError> {
    std::str::from_utf8(text).map_err(|_| ConversionError::new("holds text that is not UTF-8"))
}

fn finite(real: f64) -> Result<(), ConversionError> {
    let infinite = || {
        ConversionError::new("holds an infinite number, which JSON cannot hold; store it as text or as NULL")
    };
    real.is_finite().then_some(()).ok_or_else(infinite)
}

/// −0.0 is lost in a type that has no such number.
fn is_negative_zero(real: f64) -> bool {
    real == 0.0 && real.is_sign_negative()
}

pub(super) fn unexpected(stored: ValueRef<'_>, expected: Kind) -> ConversionError {
    let what = match stored {
        ValueRef::Null => "NULL",
        ValueRef::Integer(_) => "an INTEGER",
        ValueRef::Real(_) => "a REAL",
        ValueRef::Text(_) => "text that is not one",
        ValueRef::Blob(_) => "a BLOB",
    };
    ConversionError::new(format!("holds {what} where {} is expected", expected.noun()))
}
