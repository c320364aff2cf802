//! YAML.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use crate::node::{Content, Entry, Node};
use crate::origin::{Origin, Places};
use crate::problem::Problem;

/// Parses a document.
pub(super) fn parse(places: &Places<'_>) -> Result<Node, Problem> {
    if places.text().lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Node::empty_table(places.at(0)));
    }
    let value: Spanned<Value> = serde_saphyr::from_str(places.text()).map_err(|error| {
        let origin = error.location().map_or_else(|| places.at(0), |location| place(places, location));
        // The snippet of the file that an error can display could contain a secret.
        let text = error.without_snippet().to_string();
        Problem::new(origin, "", format!("the file is not valid YAML: {text}"))
    })?;
    Ok(node(value, places).unwrap_or_else(|| Node::empty_table(places.at(0))))
}

fn place(places: &Places<'_>, location: Location) -> Origin {
    let number = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    places.at_position(number(location.line()).max(1), number(location.column()).max(1))
}

/// Converts a value; `null` is no value.
fn node(value: Spanned<Value>, places: &Places<'_>) -> Option<Node> {
    let origin = place(places, value.referenced);
    let content = match value.value {
        Value::Null => return None,
        Value::Scalar(content) => content,
        Value::List(items) => {
            Content::List(items.into_iter().filter_map(|item| node(item, places)).collect())
        }
        Value::Table(entries) => {
            let entries = entries.into_iter().filter_map(|(key, value)| {
                let key_origin = place(places, key.referenced);
                Some(Entry { key: key.value, key_origin, value: node(value, places)? })
            });
            Content::Table(entries.collect())
        }
    };
    Some(Node::new(content, origin))
}

/// A value as serde-saphyr reads it.
enum Value {
    Null,
    Scalar(Content),
    List(Vec<Spanned<Value>>),
    Table(Vec<(Spanned<String>, Spanned<Value>)>),
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Scalar(Content::Boolean(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Scalar(Content::Integer(value)))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        i64::try_from(value)
            .map_err(|_| E::custom("the number is too large"))
            .and_then(|value| self.visit_i64(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Scalar(Content::Float(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Scalar(Content::Text(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut table: Vec<(Spanned<String>, Spanned<Value>)> = Vec::new();
        while let Some((key, value)) = entries.next_entry::<Spanned<String>, _>()? {
            if table.iter().any(|(known, _)| known.value == key.value) {
                return Err(A::Error::custom(format!("key `{}` occurs twice", key.value)));
            }
            table.push((key, value));
        }
        Ok(Value::Table(table))
    }
}
