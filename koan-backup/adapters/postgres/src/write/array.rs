//! Converts JSON lists to PostgreSQL's arrays, and JSON maps to `hstore`.
//!
//! The texts of numbers and nested JSON are copied unchanged, because parsing them could round numbers.

use serde_json::value::RawValue;

use super::super::null_form::NullForm;
use super::super::types::StoredType;
use super::hex::hex;
use koan_backup_sql::conversion_error::ConversionError;

/// Returns the text of an array of which some `null`s are JSON `null`.
pub(super) fn literal(text: &str, element: &StoredType, nulls: &NullForm) -> Result<String, ConversionError> {
    let items = list(text).ok_or_else(not_a_list)?;
    let mut out = String::with_capacity(text.len() + 16);
    match element {
        // Arrays of JSON have one dimension: a nested list is one element.
        StoredType::Json | StoredType::Jsonb => push_json(&items, nulls, &mut out),
        StoredType::Bytea => push_bytes(&items, &mut out)?,
        _ => push_list(&items, &mut out)?,
    }
    Ok(out)
}

fn push_json(items: &[&RawValue], nulls: &NullForm, out: &mut String) {
    let mut number = 0;
    out.push('{');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        let is_null = item.get() == "null";
        match is_null && !nulls.is_json(number) {
            true => out.push_str("NULL"),
            false => push_quoted(item.get(), out),
        }
        number += u64::from(is_null);
    }
    out.push('}');
}

/// Returns the items of a JSON list, each with its unchanged text.
fn list(text: &str) -> Option<Vec<&RawValue>> {
    serde_json::from_str(text).ok()
}

/// Appends one dimension. Items other than NULL are appended by `push_item`.
fn push(
    items: &[&RawValue],
    out: &mut String,
    push_item: impl Fn(&RawValue, &mut String) -> Result<(), ConversionError>,
) -> Result<(), ConversionError> {
    out.push('{');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        match item.get() {
            "null" => out.push_str("NULL"),
            _ => push_item(item, out)?,
        }
    }
    out.push('}');
    Ok(())
}

fn push_list(items: &[&RawValue], out: &mut String) -> Result<(), ConversionError> {
    push(items, out, |item, out| {
        match item.get().as_bytes().first() {
            Some(b'[') => push_list(&list(item.get()).ok_or_else(not_a_list)?, out)?,
            Some(b'{') => {
                return Err(ConversionError::new(
                    "is an array, whose elements cannot be maps; declare the column `jsonb`",
                ));
            }
            Some(b'"') => {
                let text: String = serde_json::from_str(item.get()).map_err(|_| not_a_list())?;
                push_quoted(&text, out);
            }
            Some(b't') => out.push('t'),
            Some(b'f') => out.push('f'),
            _ => out.push_str(item.get()),
        }
        Ok(())
    })
}

/// Appends an array of `bytea`. Each `bytea` value is a list of numbers, so the innermost lists are elements.
/// PostgreSQL has no empty inner dimensions, so an empty inner list is an empty `bytea`.
fn push_bytes(items: &[&RawValue], out: &mut String) -> Result<(), ConversionError> {
    let not_bytes = || ConversionError::new("cannot hold a list that does not contain bytes");
    let bytes = |item: &RawValue| serde_json::from_str::<Vec<u8>>(item.get()).ok();
    let are_elements = items.iter().all(|item| item.get() == "null" || bytes(item).is_some());
    push(items, out, |item, out| match are_elements {
        true => {
            push_quoted(&hex(&bytes(item).ok_or_else(not_bytes)?), out);
            Ok(())
        }
        false => push_bytes(&list(item.get()).ok_or_else(not_bytes)?, out),
    })
}

fn push_quoted(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
}

/// Returns the text of an `hstore`.
pub(super) fn hstore(text: &str) -> Result<String, ConversionError> {
    use serde_json::Value as Json;
    let not_a_map = || {
        ConversionError::new(
            "is `hstore`, which can only contain an object whose values are strings or null; declare the column `jsonb`",
        )
    };
    let Ok(Json::Object(map)) = serde_json::from_str(text) else { return Err(not_a_map()) };
    let mut out = String::with_capacity(text.len() + 16);
    for (index, (key, value)) in map.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push_quoted(key, &mut out);
        out.push_str("=>");
        match value {
            Json::Null => out.push_str("NULL"),
            Json::String(text) => push_quoted(text, &mut out),
            _ => return Err(not_a_map()),
        }
    }
    Ok(out)
}

fn not_a_list() -> ConversionError {
    ConversionError::new("is an array, which can only contain a list")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_converted_to_arrays() {
        let converted = |text: &str, element: StoredType| literal(text, &element, &NullForm::default()).ok();
        assert_eq!(converted("[]", StoredType::Int4).as_deref(), Some("{}"));
        assert_eq!(converted("[1,null,-3]", StoredType::Int4).as_deref(), Some("{1,NULL,-3}"));
        assert_eq!(converted("[[1,2],[3,4]]", StoredType::Int4).as_deref(), Some("{{1,2},{3,4}}"));
        let hostile = r#"["a\"b","c\\d","{e,f}","","NULL"]"#;
        assert_eq!(
            converted(hostile, StoredType::Text).as_deref(),
            Some(r#"{"a\"b","c\\d","{e,f}","","NULL"}"#)
        );
        assert_eq!(converted("[[1,255]]", StoredType::Bytea).as_deref(), Some(r#"{"\\x01ff"}"#));
        assert_eq!(converted(r#"[{"a":[1]}]"#, StoredType::Jsonb).as_deref(), Some(r#"{"{\"a\":[1]}"}"#));
        assert_eq!(converted("{}", StoredType::Text), None);
    }

    #[test]
    fn numbers_in_a_list_keep_every_digit() {
        let converted = |text: &str, element: StoredType| literal(text, &element, &NullForm::default()).ok();
        let huge = "[170141183460469231731687303715884105728,1.10]";
        assert_eq!(
            converted(huge, StoredType::Numeric).as_deref(),
            Some("{170141183460469231731687303715884105728,1.10}")
        );
        assert_eq!(converted("[1.10,[2.50]]", StoredType::Jsonb).as_deref(), Some(r#"{"1.10","[2.50]"}"#));
    }

    #[test]
    fn arrays_of_bytes_keep_their_dimensions() {
        let converted = |text: &str| literal(text, &StoredType::Bytea, &NullForm::default()).ok();
        assert_eq!(converted("[[],null]").as_deref(), Some(r#"{"\\x",NULL}"#));
        assert_eq!(
            converted("[[[1],[]],[null,[2]]]").as_deref(),
            Some(r#"{{"\\x01","\\x"},{NULL,"\\x02"}}"#)
        );
        assert_eq!(converted("[[null]]").as_deref(), Some("{{NULL}}"));
        assert_eq!(converted("[[[[7]]]]").as_deref(), Some(r#"{{{"\\x07"}}}"#));
        assert_eq!(converted("[[256]]"), None);
        assert_eq!(converted("[1]"), None);
    }
}
