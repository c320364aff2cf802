//! JSON lists as PostgreSQL's arrays, and JSON maps as `hstore`.

use serde_json::Value as Json;

use super::super::types::StoredType;
use super::hex;
use crate::sql::misfit::Misfit;

/// The text of an array.
pub(super) fn literal(text: &str, element: &StoredType) -> Result<String, Misfit> {
    let list: Json = serde_json::from_str(text).map_err(|_| not_a_list())?;
    let mut out = String::with_capacity(text.len() + 16);
    match list {
        Json::Array(items) => push_list(&items, element, &mut out)?,
        _ => return Err(not_a_list()),
    }
    Ok(out)
}

fn push_list(items: &[Json], element: &StoredType, out: &mut String) -> Result<(), Misfit> {
    out.push('{');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        match (item, element) {
            (Json::Null, _) => out.push_str("NULL"),
            // Lists of JSON and bytes have one dimension: what is in them is the element's own.
            (item, StoredType::Json | StoredType::Jsonb) => push_quoted(&item.to_string(), out),
            (Json::Array(bytes), StoredType::Bytea) => push_quoted(&hex(&bytes_of(bytes)?), out),
            (Json::Array(items), _) => push_list(items, element, out)?,
            (Json::Bool(flag), _) => out.push_str(if *flag { "t" } else { "f" }),
            (Json::Number(number), _) => out.push_str(&number.to_string()),
            (Json::String(text), _) => push_quoted(text, out),
            (Json::Object(_), _) => {
                return Err(Misfit::new("is an array, whose elements cannot be maps; make it `jsonb`"));
            }
        }
    }
    out.push('}');
    Ok(())
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

fn bytes_of(items: &[Json]) -> Result<Vec<u8>, Misfit> {
    let byte = |item: &Json| item.as_u64().and_then(|number| u8::try_from(number).ok());
    items.iter().map(byte).collect::<Option<_>>().ok_or_else(|| Misfit::new("holds a list that is not bytes"))
}

/// The text of an `hstore`.
pub(super) fn hstore(text: &str) -> Result<String, Misfit> {
    let not_a_map = || Misfit::new("is `hstore`, which holds a map of texts; make it `jsonb`");
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

fn not_a_list() -> Misfit {
    Misfit::new("is an array and cannot hold anything but a list")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_become_arrays_whatever_is_in_them() {
        let of = |text: &str, element: StoredType| literal(text, &element).ok();
        assert_eq!(of("[]", StoredType::Int4).as_deref(), Some("{}"));
        assert_eq!(of("[1,null,-3]", StoredType::Int4).as_deref(), Some("{1,NULL,-3}"));
        assert_eq!(of("[[1,2],[3,4]]", StoredType::Int4).as_deref(), Some("{{1,2},{3,4}}"));
        let hostile = r#"["a\"b","c\\d","{e,f}","","NULL"]"#;
        assert_eq!(of(hostile, StoredType::Text).as_deref(), Some(r#"{"a\"b","c\\d","{e,f}","","NULL"}"#));
        assert_eq!(of("[[1,255]]", StoredType::Bytea).as_deref(), Some(r#"{"\\x01ff"}"#));
        assert_eq!(of(r#"[{"a":[1]}]"#, StoredType::Jsonb).as_deref(), Some(r#"{"{\"a\":[1]}"}"#));
        assert_eq!(of("{}", StoredType::Text), None);
    }
}
