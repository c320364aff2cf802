//! Converts a value to the text or the bytes that PostgreSQL reads for a column.

mod array;
mod binary;
mod hex;
mod numeric;
mod short_decimal;
mod temporal;

use std::borrow::Cow;

use koan_backup_core::value::{DecimalText, Value};

use self::hex::hex;
use super::column_type::ColumnType;
use super::null_form::NullForm;
use super::types::StoredType;
use koan_backup_sql::conversion_error::ConversionError;
use koan_backup_sql::field_kind::FieldKind;

pub(super) use binary::{HEADER, TRAILER};

type SqlText<'v> = Result<Option<Cow<'v, str>>, ConversionError>;

impl ColumnType {
    /// Returns the text of a value; `None` is NULL. Values that PostgreSQL would round, truncate or pad
    /// without an error are refused.
    pub(super) fn text<'v>(&self, value: &'v Value<'_>) -> SqlText<'v> {
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
                Cow::Owned(self.date_or_time(value)?)
            }
        };
        if text.as_bytes().contains(&0) {
            return Err(ConversionError::new(
                "cannot contain the character NUL, which PostgreSQL's text does not support; store such \
                 content as bytes",
            ));
        }
        Ok(Some(text))
    }

    /// Returns the text of a value of which some `null`s are JSON `null`.
    pub(super) fn text_with_nulls<'v>(&self, value: &'v Value<'_>, nulls: &NullForm) -> SqlText<'v> {
        match (value, &self.stored) {
            (Value::Null, _) if nulls.is_json(0) && self.reads_json_null_as_null() => {
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
                #[expect(clippy::cast_possible_truncation, reason = "the result is compared with the number")]
                let narrow = number as f32;
                if f64::from(narrow).to_bits() != number.to_bits() {
                    return Err(ConversionError::new(
                        "has type `real`, which would round the number; declare the column `double precision`",
                    ));
                }
                Ok(format!("{narrow:?}"))
            }
            StoredType::Int2 | StoredType::Int4 | StoredType::Int8 => match number.fract() == 0.0 {
                true => Ok(number.to_string()),
                false => Err(ConversionError::new(
                    "would truncate the fraction of the number; declare the column `double precision`",
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
                Some(_) => Err(ConversionError::new(
                    "would truncate the fraction of the number; declare the column `numeric`",
                )),
                None => Ok(Cow::Borrowed(text)),
            },
            StoredType::Float4 | StoredType::Float8 => {
                let number: f64 = text
                    .parse()
                    .map_err(|_| ConversionError::new("cannot contain a decimal in this text form"))?;
                let rounded = match self.stored {
                    #[expect(
                        clippy::cast_possible_truncation,
                        reason = "the result is compared with the text"
                    )]
                    StoredType::Float4 => (number as f32).to_string(),
                    _ => number.to_string(),
                };
                match self.kind != FieldKind::Decimal || DecimalText::are_equal(&rounded, text) {
                    true => Ok(Cow::Owned(rounded)),
                    false => {
                        Err(ConversionError::new("would round the number; declare the column `numeric`"))
                    }
                }
            }
            _ => Ok(Cow::Borrowed(text)),
        }
    }

    /// Returns the number of fraction digits of a type such as `numeric(10,2)`, or `None` if the type has no
    /// declared scale.
    fn scale(&self) -> Option<i32> {
        // The low eleven bits of the modifier are the scale, a signed number.
        let is_declared = self.modifier >= 4 && self.stored == StoredType::Numeric;
        is_declared.then(|| (((self.modifier - 4) & 0x7ff) ^ 1024) - 1024)
    }

    /// Fails if a type such as `numeric(10,2)` would round the number without an error.
    fn check_scale(&self, text: &str) -> Result<(), ConversionError> {
        let Some(scale) = self.scale() else { return Ok(()) };
        if DecimalText::parse(text)
            .and_then(|number| number.scale())
            .is_some_and(|digits| digits > scale.into())
        {
            return Err(ConversionError::new(format!(
                "would round the number to {scale} fraction digits; declare a larger scale, or declare the \
                 column `numeric`"
            )));
        }
        Ok(())
    }

    fn string<'v>(&self, text: &'v str) -> Result<Cow<'v, str>, ConversionError> {
        let is_text = self.stored.is_text();
        // The modifier is the declared length plus four.
        if let (true, Ok(length)) = (is_text, usize::try_from(self.modifier - 4))
            && self.modifier > 4
            && text.len() > length
            && text.chars().count() > length
        {
            return Err(ConversionError::new(format!(
                "can contain at most {length} characters, and the text is longer; declare a larger length"
            )));
        }
        match (&self.stored, self.kind) {
            // Serde wrote a value as text, so JSON contains it as a string.
            (StoredType::Json | StoredType::Jsonb, FieldKind::AsSerialized | FieldKind::Extra) => {
                Ok(Cow::Owned(
                    serde_json::to_string(text).map_err(|_| ConversionError::new("cannot hold the text"))?,
                ))
            }
            (StoredType::Numeric, _) if DecimalText::is_valid(text) => {
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
            // For other column types, a JSON string contains the text of the value.
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
        let text = std::str::from_utf8(bytes).map_err(|_| {
            ConversionError::new("cannot contain bytes that are not UTF-8; declare the column `bytea`")
        })?;
        self.string(text)
    }
}
