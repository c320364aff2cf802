//! Converts a value of a field to a stored value, in a given form.

mod temporal;

use std::borrow::Cow;

use koan_backup_core::value::{DecimalText, Value};
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};

use super::catalog::Affinity;
use super::column_type::ColumnType;
use super::form::{BLOB, Form, INTEGER, JSON_NULL, REAL, REAL_SHORT, Shape, TEXT, TEXT_POINT, WORDS};
use super::number::{self, Number};
use koan_backup_sql::conversion_error::ConversionError;
use koan_backup_sql::field_kind::FieldKind;

/// A value that is to be stored. The affinity of its column does not change the value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stored<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(Cow<'a, str>),
    Blob(Cow<'a, [u8]>),
}

impl Stored<'_> {
    pub(super) fn into_owned(self) -> Stored<'static> {
        match self {
            Self::Null => Stored::Null,
            Self::Integer(integer) => Stored::Integer(integer),
            Self::Real(real) => Stored::Real(real),
            Self::Text(text) => Stored::Text(Cow::Owned(text.into_owned())),
            Self::Blob(blob) => Stored::Blob(Cow::Owned(blob.into_owned())),
        }
    }

    pub(super) fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Integer(integer) => ValueRef::Integer(*integer),
            Self::Real(real) => ValueRef::Real(*real),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(blob) => ValueRef::Blob(blob),
        }
    }
}

impl ToSql for Stored<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(self.as_ref()))
    }
}

impl ColumnType {
    /// Converts a value to a stored value. If the value cannot be represented in the given form, another form
    /// is used. A value is never truncated.
    pub(super) fn store<'v>(&self, value: &'v Value<'_>, form: Form) -> Result<Stored<'v>, ConversionError> {
        let stored = match value {
            // A NOT NULL column stores a missing value as the JSON value `null`.
            Value::Null if self.kind.is_json() && (form.has(JSON_NULL) || self.not_null) => {
                return Ok(Stored::Text(Cow::Borrowed("null")));
            }
            Value::Null => return Ok(Stored::Null),
            Value::Bool(flag) => store_boolean(*flag, form),
            Value::I64(integer) => store_integer(*integer, form),
            Value::U64(integer) => return self.store_beyond_64_bits(integer.to_string()),
            Value::F64(real) => self.store_float(*real, form)?,
            Value::Decimal(text) => return self.store_decimal(text, form),
            Value::Str(text) | Value::Json(text) => return self.store_text(text, form),
            Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) if form.has(TEXT) => Stored::Text(Cow::Borrowed(text)),
                _ => Stored::Blob(Cow::Borrowed(bytes)),
            },
            Value::Uuid(bytes) => store_uuid(*bytes, form, self.default),
            Value::Timestamp(_) | Value::DateTime(_) | Value::Date(_) | Value::Time(_) => {
                self.store_temporal(value, form)?
            }
        };
        self.apply_affinity(stored)
    }

    /// Converts a value in the same way as SQLite converts it for the column's affinity. Fails if the
    /// conversion would change the value.
    fn apply_affinity<'v>(&self, stored: Stored<'v>) -> Result<Stored<'v>, ConversionError> {
        Ok(match (stored, self.affinity) {
            (Stored::Integer(integer), Affinity::Real) => match number::float_of(integer) {
                Some(real) => Stored::Real(real),
                None => {
                    return Err(ConversionError::new(
                        "has REAL affinity, which cannot represent an integer this large exactly; declare the \
                         column INTEGER",
                    ));
                }
            },
            (Stored::Integer(integer), Affinity::Text) => Stored::Text(Cow::Owned(integer.to_string())),
            (Stored::Real(real), Affinity::Text) => Stored::Text(Cow::Owned(number::shortest_text(real))),
            (Stored::Real(real), Affinity::Integer | Affinity::Numeric) => match number::integer_of(real) {
                Some(integer) if integer != i64::MIN && integer != i64::MAX => Stored::Integer(integer),
                _ => Stored::Real(real),
            },
            (stored, _) => stored,
        })
    }

    fn store_beyond_64_bits(&self, text: String) -> Result<Stored<'static>, ConversionError> {
        if self.affinity.is_numeric() {
            return Err(ConversionError::new(
                "cannot contain an integer of more than 64 bits; declare the column TEXT",
            ));
        }
        Ok(Stored::Text(Cow::Owned(text)))
    }

    fn store_float(&self, real: f64, form: Form) -> Result<Stored<'static>, ConversionError> {
        if !real.is_finite() {
            return Err(ConversionError::new("cannot contain NaN or infinity; correct the value"));
        }
        let narrow = (self.kind == FieldKind::Float32).then(|| number::nearest_f32(real));
        let as_text = form.has(TEXT) || (self.affinity == Affinity::Text && !form.has(TEXT_POINT));
        Ok(match (number::integer_of(real), narrow) {
            (Some(integer), _) if form.has(INTEGER) => Stored::Integer(integer),
            (_, Some(narrow)) if as_text => Stored::Text(Cow::Owned(narrow.to_string())),
            (_, Some(narrow)) if form.has(TEXT_POINT) => Stored::Text(Cow::Owned(format!("{narrow:?}"))),
            (_, None) if as_text => Stored::Text(Cow::Owned(number::shortest_text(real))),
            (_, None) if form.has(TEXT_POINT) => Stored::Text(Cow::Owned(format!("{real:?}"))),
            (_, Some(narrow)) if form.has(REAL_SHORT) => {
                Stored::Real(narrow.to_string().parse().unwrap_or(real))
            }
            _ => Stored::Real(real),
        })
    }

    fn store_decimal<'v>(&self, text: &'v str, form: Form) -> Result<Stored<'v>, ConversionError> {
        if matches!(self.kind, FieldKind::Float32 | FieldKind::Float64) {
            let real = text
                .parse()
                .map_err(|_| ConversionError::new("cannot contain a decimal in this text form"))?;
            return self.store_float(real, form).and_then(|stored| self.apply_affinity(stored));
        }
        let wants_number = form.has(INTEGER | REAL) || self.affinity.is_numeric();
        if !wants_number || !DecimalText::is_valid(text) {
            return Ok(Stored::Text(Cow::Borrowed(text)));
        }
        match number::number_of(text) {
            Some(Number::Integer(integer)) => self.apply_affinity(store_integer(integer, form)),
            Some(Number::Real(real)) => self.apply_affinity(Stored::Real(real)),
            None if self.affinity.is_numeric() => Err(ConversionError::new(
                "has numeric affinity, which would round a number with this many digits; declare the column \
                 TEXT",
            )),
            None => Ok(Stored::Text(Cow::Borrowed(text))),
        }
    }

    fn store_text<'v>(&self, text: &'v str, form: Form) -> Result<Stored<'v>, ConversionError> {
        if form.has(BLOB) {
            return Ok(Stored::Blob(Cow::Borrowed(text.as_bytes())));
        }
        if form.has(INTEGER | REAL) && DecimalText::is_valid(text) {
            return match number::number_of(text) {
                Some(Number::Integer(integer)) => self.apply_affinity(store_integer(integer, form)),
                Some(Number::Real(real)) => self.apply_affinity(Stored::Real(real)),
                None => Ok(Stored::Text(Cow::Borrowed(text))),
            };
        }
        if !self.affinity.is_numeric() || !DecimalText::is_valid(text.trim_ascii()) {
            return Ok(Stored::Text(Cow::Borrowed(text)));
        }
        // SQLite converts this text to a number. The text of the number must be the same as the original
        // text.
        let number = number::number_of(text.trim_ascii());
        let rewritten = number.map(|number| match number {
            Number::Integer(integer) => integer.to_string(),
            Number::Real(real) => number::shortest_text(real),
        });
        match number {
            Some(Number::Integer(integer)) if rewritten.as_deref() == Some(text) => {
                self.apply_affinity(Stored::Integer(integer))
            }
            Some(Number::Real(real)) if rewritten.as_deref() == Some(text) || self.kind.is_json() => {
                self.apply_affinity(Stored::Real(real))
            }
            _ => Err(ConversionError::new(
                "has numeric affinity, which would convert text that looks like a number to different text; \
                 declare the column TEXT",
            )),
        }
    }
}

fn store_boolean(flag: bool, form: Form) -> Stored<'static> {
    let pick = |(yes, no): (&'static str, &'static str)| if flag { yes } else { no };
    match form.shape {
        Shape::Words(pair) => Stored::Text(Cow::Borrowed(pick(WORDS[pair]))),
        _ if form.has(REAL) => Stored::Real(f64::from(u8::from(flag))),
        _ if form.has(TEXT) => Stored::Text(Cow::Borrowed(pick(WORDS[0]))),
        _ => Stored::Integer(i64::from(flag)),
    }
}

fn store_integer(integer: i64, form: Form) -> Stored<'static> {
    match number::float_of(integer) {
        Some(real) if form.has(REAL) => Stored::Real(real),
        _ if form.has(TEXT | TEXT_POINT) => Stored::Text(Cow::Owned(integer.to_string())),
        _ => Stored::Integer(integer),
    }
}

fn store_uuid(bytes: [u8; 16], form: Form, default: Form) -> Stored<'static> {
    match (form.shape, default.shape) {
        (Shape::Uuid(style), _) => Stored::Text(Cow::Owned(style.write(bytes))),
        (_, Shape::Uuid(style)) if !form.has(BLOB) => Stored::Text(Cow::Owned(style.write(bytes))),
        _ => Stored::Blob(Cow::Owned(bytes.to_vec())),
    }
}
