//! TOML.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::node::{Content, Entry, Node};
use crate::origin::{Origin, Places};
use crate::problem::Problem;

/// Parses a document.
pub(super) fn parse(places: &Places<'_>) -> Result<Node, Problem> {
    let table = DeTable::parse(places.text()).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        Problem::new(places.at(offset), "", format!("the file is not valid TOML: {}", error.message()))
    })?;
    let origin = |span: Range<usize>| places.at(span.start);
    let span = table.span();
    node(&DeValue::Table(table.into_inner()), span, &origin)
}

/// Parses one value, as it is written after `=`, for example `[1, 2]`. Returns `None` if it is not valid.
pub(crate) fn value(text: &str, origin: &Origin) -> Option<Content> {
    let value = DeValue::parse(text).ok()?;
    let span = value.span();
    let node = node(value.get_ref(), span, &|_| origin.clone());
    node.ok().map(|node| node.content)
}

fn node(
    value: &DeValue<'_>,
    span: Range<usize>,
    origin: &dyn Fn(Range<usize>) -> Origin,
) -> Result<Node, Problem> {
    let place = origin(span);
    let content = match value {
        DeValue::String(text) => Content::Text(text.clone().into_owned()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Content::Integer(number),
            Err(_) => return Err(Problem::new(place, "", "the number is too large")),
        },
        DeValue::Float(number) => match number.as_str().parse() {
            Ok(number) => Content::Float(number),
            Err(_) => return Err(Problem::new(place, "", "the number is not valid")),
        },
        DeValue::Boolean(value) => Content::Boolean(*value),
        DeValue::Datetime(time) => Content::Text(time.to_string()),
        DeValue::Array(items) => {
            let items = items.iter().map(|item| node(item.get_ref(), item.span(), origin));
            Content::List(items.collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => {
            let mut entries = Vec::new();
            for (key, value) in table {
                let value = node(value.get_ref(), value.span(), origin)?;
                let (key, key_origin) = (key.get_ref().clone().into_owned(), origin(key.span()));
                entries.push(Entry { key, key_origin, value });
            }
            Content::Table(entries)
        }
    };
    Ok(Node::new(content, place))
}
