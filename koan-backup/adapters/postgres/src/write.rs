//! Turns a value into the text that PostgreSQL reads into a column.

mod array;
mod binary;
mod moment;
mod numeric;
mod short_decimal;

use std::borrow::Cow;

use koan_backup_core::value::Value;

use super::column_type::{ColumnType, Kind};
use super::null_form::NullForm;
use super::read::is_decimal;
use super::types::StoredType;
use koan_backup_sql::conversion_error::ConversionError;

pub(super) use binary::{HEADER, TRAILER};

type Text<'v> = Result<Option<Cow<'v, str>>, ConversionError>;

impl ColumnType {
    /// The text of a value; `None` is NULL. What PostgreSQL would round, cut or pad in silence is refused.
    pub(super) fn text<'v>(&self, value: &'v Value<'_>) -> Text<'v> {
        let text = match value {
            Value::Null => return Ok(None),
            Value::Bool(flag) => Cow::Borrowed(self.boolean(*flag)),
            Value::I64(integer) => Cow::Owned(integer.to_string()),
            Value::U64(integer) => Cow::Owned(integer.to_string()),
            Value::F64(number) => Cow::Owned(self.float(*number)?),
            Value::Decimal(text) => self.decimal(text)?,
            Value::Str(text) => self.string(text)?,
            Value::Json(text) => self.json(text)?,
            Value::Bytes(bytes) => self.bytes(bytes)?,
            Value::Uuid(bytes) => match self.stored {
                StoredType::Bytea => Cow::Owned(hex(bytes)),
                _ => Cow::Owned(uuid::Uuid::from_bytes(*bytes).to_string()),
            },
            Value::Timestamp(_) | Value::DateTime(_) | Value::Date(_) | Value::Time(_) => {
                Cow::Owned(self.moment(value)?)
            }
            _ => return Err(ConversionError::new(format!("cannot hold {}", value.kind()))),
        };
        if text.as_bytes().contains(&0) {
            return Err(ConversionError::new(
                "cannot hold the character NUL, which PostgreSQL's text does not have; keep such content in bytes",
            ));
        }
        Ok(Some(text))
    }

    /// The text of a value some of whose `null`s are JSON `null`.
    pub(super) fn text_with_nulls<'v>(&self, value: &'v Value<'_>, nulls: &NullForm) -> Text<'v> {
        match (value, &self.stored) {
            (Value::Null, _) if nulls.is_json(0) && self.merges_json_null() => {
                Ok(Some(Cow::Borrowed("null")))
            }
            (Value::Json(text), StoredType::Array(element)) => {
                array::literal(text, element, nulls).map(|text| Some(Cow::Owned(text)))
            }
            _ => self.text(value),
        }
    }

    fn boolean(&self, flag: bool) -> &'static str {
        match (&self.stored, flag) {
            (StoredType::Int2 | StoredType::Int4 | StoredType::Int8, true) => "1",
            (StoredType::Int2 | StoredType::Int4 | StoredType::Int8, false) => "0",
            (_, true) => "true",
            (_, false) => "false",
        }
    }

    fn float(&self, number: f64) -> Result<String, ConversionError> {
        if !number.is_finite() {
            return Err(ConversionError::new("cannot hold NaN or infinity"));
        }
        match self.stored {
            StoredType::Float4 => {
                #[expect(clippy::cast_possible_truncation, reason = "compared with the number")]
                let narrow = number as f32;
                if f64::from(narrow).to_bits() != number.to_bits() {
                    return Err(ConversionError::new(
                        "would round the number, being `real`; make it `double precision`",
                    ));
                }
                Ok(format!("{narrow:?}"))
            }
            StoredType::Int2 | StoredType::Int4 | StoredType::Int8 => match number.fract() == 0.0 {
                true => Ok(number.to_string()),
                false => Err(ConversionError::new(
                    "would cut the fraction of the number; make it `double precision`",
                )),
            },
            StoredType::Numeric => {
                let text = number.to_string();
                self.check_scale(&text)?;
                Ok(text)
            }
            _ => Ok(format!("{number:?}")),
        }
    }

    fn decimal<'v>(&self, text: &'v str) -> Result<Cow<'v, str>, ConversionError> {
        match self.stored {
            StoredType::Numeric | StoredType::Money => {
                self.check_scale(text)?;
                Ok(Cow::Borrowed(text))
            }
            StoredType::Int2 | StoredType::Int4 | StoredType::Int8 => match text.split_once('.') {
                Some((whole, fraction)) if fraction.bytes().all(|digit| digit == b'0') => {
                    Ok(Cow::Borrowed(whole))
                }
                Some(_) => {
                    Err(ConversionError::new("would cut the fraction of the number; make it `numeric`"))
                }
                None => Ok(Cow::Borrowed(text)),
            },
            StoredType::Float4 | StoredType::Float8 => {
                let number: f64 =
                    text.parse().map_err(|_| ConversionError::new("cannot hold a decimal of that form"))?;
                let again = match self.stored {
                    #[expect(clippy::cast_possible_truncation, reason = "compared with the number")]
                    StoredType::Float4 => (number as f32).to_string(),
                    _ => number.to_string(),
                };
                match self.kind != Kind::Decimal || same_number(&again, text) {
                    true => Ok(Cow::Owned(again)),
                    false => Err(ConversionError::new("would round the number; make it `numeric`")),
                }
            }
            _ => Ok(Cow::Borrowed(text)),
        }
    }

    /// How many digits `numeric(10,2)` keeps behind the point; none where it keeps all.
    fn scale(&self) -> Option<i32> {
        // Eleven bits with a sign.
        let is_declared = self.modifier >= 4 && self.stored == StoredType::Numeric;
        is_declared.then(|| (((self.modifier - 4) & 0x7ff) ^ 1024) - 1024)
    }

    /// `numeric(10,2)` rounds what has three digits behind the point, and says nothing.
    fn check_scale(&self, text: &str) -> Result<(), ConversionError> {
        let Some(scale) = self.scale() else { return Ok(()) };
        if places(text).is_some_and(|places| places > scale.into()) {
            return Err(ConversionError::new(format!(
                "would round the number to {scale} digits behind the point; declare it with more, or as `numeric`"
            )));
        }
        Ok(())
    }

    fn string<'v>(&self, text: &'v str) -> Result<Cow<'v, str>, ConversionError> {
        let is_text = self.stored.is_text();
        // The length stands four higher than declared.
        if let (true, Ok(length)) = (is_text, usize::try_from(self.modifier - 4))
            && self.modifier > 4
            && text.len() > length
            && text.chars().count() > length
        {
            return Err(ConversionError::new(format!(
                "holds {length} characters at most, which the text exceeds"
            )));
        }
        match (&self.stored, self.kind) {
            // A value of any kind that serde wrote as text.
            (StoredType::Json | StoredType::Jsonb, Kind::Own | Kind::Extra) => Ok(Cow::Owned(
                serde_json::to_string(text).map_err(|_| ConversionError::new("cannot hold the text"))?,
            )),
            (StoredType::Numeric, _) if is_decimal(text) => {
                self.check_scale(text)?;
                Ok(Cow::Borrowed(text))
            }
            _ => Ok(Cow::Borrowed(text)),
        }
    }

    fn json<'v>(&self, text: &'v str) -> Result<Cow<'v, str>, ConversionError> {
        match &self.stored {
            StoredType::Array(element) => array::literal(text, element, &NullForm::default()).map(Cow::Owned),
            StoredType::Hstore => array::hstore(text).map(Cow::Owned),
            StoredType::Json | StoredType::Jsonb | StoredType::Vector | StoredType::Composite => {
                Ok(Cow::Borrowed(text))
            }
            // A text in quotes is what another column's text was told as.
            stored if !stored.is_text() => {
                let unquoted = serde_json::from_str::<String>(text).ok().map(Cow::Owned);
                Ok(unquoted.unwrap_or(Cow::Borrowed(text)))
            }
            _ => Ok(Cow::Borrowed(text)),
        }
    }

    fn bytes<'v>(&self, bytes: &'v [u8]) -> Result<Cow<'v, str>, ConversionError> {
        if !self.stored.is_text() {
            return Ok(Cow::Owned(hex(bytes)));
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|_| ConversionError::new("cannot hold bytes that are not UTF-8; make it `bytea`"))?;
        self.string(text)
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 + bytes.len() * 2);
    text.push_str("\\x");
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// How many digits behind the point count; fewer than none where the number ends in zeros before the point. `None` of nought.
fn places(text: &str) -> Option<i64> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: i64 = exponent.parse().unwrap_or(0);
    let length = |digits: &str| i64::try_from(digits.len()).unwrap_or(i64::MAX);
    let fraction = fraction.trim_end_matches('0');
    let places = match fraction.is_empty() {
        false => length(fraction),
        true => {
            let significant = whole.trim_end_matches('0');
            if significant.trim_start_matches(['-', '+']).is_empty() {
                return None;
            }
            length(significant) - length(whole)
        }
    };
    Some(places.saturating_sub(exponent))
}

/// Whether two plain decimals are one number.
pub(super) fn same_number(one: &str, other: &str) -> bool {
    fn parts(text: &str) -> (bool, &str, &str) {
        let (negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        (negative, whole.trim_start_matches('0'), fraction.trim_end_matches('0'))
    }
    parts(one) == parts(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_behind_the_point_are_counted_with_the_exponent() {
        for (text, expected) in [
            ("1", 0),
            ("1.50", 1),
            ("1e-3", 3),
            ("1.25e1", 1),
            ("-0.001", 3),
            ("1.5e3", -2),
            ("-1200", -2),
            ("1200.0", -2),
            ("1200.5", 1),
        ] {
            assert_eq!(places(text), Some(expected), "{text}");
        }
        assert_eq!([places("0"), places("-00.00"), places("0e9")], [None; 3]);
    }

    #[test]
    fn numbers_are_the_same_whatever_zeros_are_around_them() {
        assert!(same_number("0.5", ".50") && same_number("-1", "-1.0") && same_number("+2", "02"));
        assert!(!same_number("0.5", "0.51") && !same_number("-1", "1"));
    }
}
