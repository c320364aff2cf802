//! JSON. `serde_json` has no positions, but it can borrow the text of a value, whose place in the document is known.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::node::{Content, Entry, Node};
use crate::origin::Places;
use crate::problem::Problem;

/// Parses a document.
pub(super) fn parse(places: &Places<'_>) -> Result<Node, Problem> {
    let text = places.text();
    let value: &RawValue = serde_json::from_str(text).map_err(|error| {
        let origin = places.at_position(error.line().max(1), error.column().max(1));
        Problem::new(origin, "", format!("the file is not valid JSON: {error}"))
    })?;
    let node = node(value.get(), places)?;
    Ok(node.unwrap_or_else(|| Node::empty_table(places.at(0))))
}

/// Returns the byte offset of a part of the document.
fn offset(part: &str, places: &Places<'_>) -> usize {
    part.as_ptr().addr() - places.text().as_ptr().addr()
}

/// Parses a value, whose text is a part of the document; `null` is no value.
fn node(text: &str, places: &Places<'_>) -> Result<Option<Node>, Problem> {
    let start = offset(text, places);
    let origin = places.at(start);
    let invalid = |error: serde_json::Error| {
        Problem::new(places.at(start), "", format!("the value is not valid: {error}"))
    };
    let content = match text.as_bytes().first() {
        Some(b'{') => {
            let table: Table<'_> = serde_json::from_str(text).map_err(invalid)?;
            let (mut entries, mut end) = (Vec::<Entry>::new(), start);
            for (key, value) in table.0 {
                let value_start = offset(value.get(), places);
                let gap = places.text().get(end..value_start).unwrap_or_default();
                let key_origin = places.at(end + gap.find('"').unwrap_or_default());
                end = value_start + value.get().len();
                if entries.iter().any(|entry| entry.key == key) {
                    return Err(Problem::new(key_origin, key.clone(), format!("key `{key}` occurs twice")));
                }
                if let Some(value) = node(value.get(), places)? {
                    entries.push(Entry { key: key.into_owned(), key_origin, value });
                }
            }
            Content::Table(entries)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(invalid)?;
            let items = items.into_iter().map(|item| node(item.get(), places));
            Content::List(items.filter_map(Result::transpose).collect::<Result<_, _>>()?)
        }
        _ => match serde_json::from_str(text).map_err(invalid)? {
            serde_json::Value::Null => return Ok(None),
            serde_json::Value::Bool(value) => Content::Boolean(value),
            serde_json::Value::String(value) => Content::Text(value),
            serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(number), _) => Content::Integer(number),
                (None, Some(number)) => Content::Float(number),
                (None, None) => return Err(Problem::new(origin, "", "the number is too large")),
            },
            // The text begins with neither `[` nor `{`.
            serde_json::Value::Array(_) | serde_json::Value::Object(_) => return Ok(None),
        },
    };
    Ok(Some(Node::new(content, origin)))
}

/// The entries of an object, in their order.
struct Table<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Table<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries)
    }
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Table<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
            entries.push((Cow::Owned(key), value));
        }
        Ok(Table(entries))
    }
}
