//! The values of a layer, each with its origin.

use crate::origin::Origin;

/// A value with its origin.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) content: Content,
    pub(crate) origin: Origin,
}

/// The content of a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key of a table and its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    /// The origin of the key, which in a file is not the place of the value.
    pub(crate) key_origin: Origin,
    pub(crate) value: Node,
}

impl Node {
    pub(crate) fn new(content: Content, origin: Origin) -> Self {
        Self { content, origin }
    }

    pub(crate) fn text(text: impl Into<String>, origin: Origin) -> Self {
        Self::new(Content::Text(text.into()), origin)
    }

    /// Returns the value of a table without entries.
    pub(crate) fn empty_table(origin: Origin) -> Self {
        Self::new(Content::Table(Vec::new()), origin)
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.content {
            Content::Table(entries) => entries,
            _ => &[],
        }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// Returns the value at a path, if there is one.
    pub(crate) fn at(&self, path: &[String]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// Sets the value at a path, and creates the tables on the way. A value that is not a table is replaced.
    pub(crate) fn set(&mut self, path: &[String], value: Self) {
        let Some((key, rest)) = path.split_first() else {
            *self = value;
            return;
        };
        if !matches!(self.content, Content::Table(_)) {
            self.content = Content::Table(Vec::new());
        }
        let Content::Table(entries) = &mut self.content else { return };
        let index = entries.iter().position(|entry| &entry.key == key).unwrap_or_else(|| {
            entries.push(Entry {
                key: key.clone(),
                key_origin: value.origin.clone(),
                value: Self::empty_table(value.origin.clone()),
            });
            entries.len() - 1
        });
        entries[index].value.set(rest, value);
    }

    /// Returns the kind of the value for messages, for example `a number`.
    pub(crate) fn kind(&self) -> &'static str {
        match self.content {
            Content::Text(_) => "a text",
            Content::Integer(_) => "a whole number",
            Content::Float(_) => "a number with a fraction",
            Content::Boolean(_) => "true or false",
            Content::List(_) => "a list",
            Content::Table(_) => "a table",
        }
    }

    /// Returns the value without origins.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.content {
            Content::Text(text) => text.clone().into(),
            Content::Integer(number) => (*number).into(),
            Content::Float(number) => (*number).into(),
            Content::Boolean(value) => (*value).into(),
            Content::List(items) => items.iter().map(Self::to_json).collect(),
            Content::Table(entries) => {
                let entries = entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json()));
                serde_json::Value::Object(entries.collect())
            }
        }
    }
}
