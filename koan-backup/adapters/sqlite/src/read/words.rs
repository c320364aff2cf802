//! Reads values that are written as fixed words: booleans and UUIDs.

use koan_backup_core::value::Value;
use rusqlite::types::ValueRef;
use uuid::Uuid;

use super::super::form::{BLOB, Form, Shape, TEXT, UuidStyle, WORDS};
use super::read_value::{ReadValue, unexpected, utf8};
use koan_backup_sql::conversion_error::ConversionError;
use koan_backup_sql::field_kind::FieldKind;

/// Reads a boolean from a word.
pub(super) fn boolean(text: &str) -> Result<ReadValue<'static>, ConversionError> {
    let word = |pair: &(&str, &str)| match *pair {
        (yes, _) if yes == text => Some(true),
        (_, no) if no == text => Some(false),
        _ => None,
    };
    if let Some((pair, value)) = WORDS.iter().enumerate().find_map(|(index, pair)| Some((index, word(pair)?)))
    {
        return Ok((Value::Bool(value), Some(Form::new(Shape::Words(pair), TEXT))));
    }
    let text = text.trim_ascii();
    let value_ignoring_case = WORDS.iter().find_map(|(yes, no)| {
        if text.eq_ignore_ascii_case(yes) {
            Some(true)
        } else {
            text.eq_ignore_ascii_case(no).then_some(false)
        }
    });
    match value_ignoring_case {
        Some(value) => Ok((Value::Bool(value), None)),
        None => Err(ConversionError::new(
            "contains text that is not a boolean; store true/false, t/f, yes/no, y/n, on/off or 1/0",
        )),
    }
}

/// Reads a UUID from a BLOB or from text.
pub(super) fn uuid(stored: ValueRef<'_>) -> Result<ReadValue<'_>, ConversionError> {
    match stored {
        ValueRef::Blob(blob) => match <[u8; 16]>::try_from(blob) {
            Ok(bytes) => Ok((Value::Uuid(bytes), Some(Form::stored_as(BLOB)))),
            Err(_) => Err(ConversionError::new(
                "contains a BLOB that is not 16 bytes long where a UUID is expected",
            )),
        },
        ValueRef::Text(text) => {
            let text = utf8(text)?;
            let uuid = Uuid::try_parse(text).map_err(|_| unexpected(stored, FieldKind::Uuid))?;
            let style = style_of(text).filter(|&style| style.write(uuid.into_bytes()) == text);
            Ok((Value::Uuid(uuid.into_bytes()), style.map(|style| Form::new(Shape::Uuid(style), TEXT))))
        }
        _ => Err(unexpected(stored, FieldKind::Uuid)),
    }
}

/// Returns the text form of a UUID, by the length and the case of its text.
fn style_of(text: &str) -> Option<UuidStyle> {
    let upper = text.bytes().any(|byte| byte.is_ascii_uppercase());
    Some(match (text.len(), upper) {
        (36, false) => UuidStyle::Hyphenated,
        (36, true) => UuidStyle::HyphenatedUpper,
        (32, false) => UuidStyle::Simple,
        (32, true) => UuidStyle::SimpleUpper,
        (38, false) => UuidStyle::Braced,
        (38, true) => UuidStyle::BracedUpper,
        (45, false) => UuidStyle::Urn,
        _ => return None,
    })
}
