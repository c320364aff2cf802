//! Collations: how SQLite compares the text of a column.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use rusqlite::{Connection, Result};

type Compare = dyn Fn(&str, &str) -> Ordering + Send + Sync;

/// The collations that the application defines, by name in upper case.
#[derive(Clone, Default)]
pub(super) struct Collations(BTreeMap<String, Arc<Compare>>);

impl Collations {
    pub(super) fn add(&mut self, name: &str, compare: Arc<Compare>) {
        self.0.insert(name.to_ascii_uppercase(), compare);
    }

    /// Defines the collations on a connection.
    pub(super) fn define(&self, connection: &Connection) -> Result<()> {
        self.0.iter().try_for_each(|(name, compare)| {
            let compare = Arc::clone(compare);
            connection.create_collation(name.as_str(), move |one: &str, other: &str| compare(one, other))
        })
    }

    /// Returns whether SQLite or the application defines a collation with this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Returns the collation with this name, or `None` if neither SQLite nor the application defines it.
    pub(super) fn find(&self, name: &str) -> Option<Collation> {
        Some(match name.to_ascii_uppercase().as_str() {
            "BINARY" => Collation::Binary,
            "NOCASE" => Collation::NoCase,
            "RTRIM" => Collation::RTrim,
            other => Collation::Custom(Arc::clone(self.0.get(other)?)),
        })
    }
}

impl fmt::Debug for Collations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A collation.
#[derive(Clone)]
pub(super) enum Collation {
    Binary,
    NoCase,
    RTrim,
    Custom(Arc<Compare>),
}

impl Collation {
    pub(super) fn is_binary(&self) -> bool {
        matches!(self, Self::Binary)
    }

    /// Returns whether the collation treats two texts as equal.
    pub(super) fn equal(&self, one: &[u8], other: &[u8]) -> bool {
        match self {
            Self::Binary => one == other,
            Self::NoCase => one.len() == other.len() && no_case(one, other),
            Self::RTrim => trimmed(one) == trimmed(other),
            Self::Custom(compare) => match (std::str::from_utf8(one), std::str::from_utf8(other)) {
                (Ok(one), Ok(other)) => compare(one, other) == Ordering::Equal,
                _ => one == other,
            },
        }
    }
}

impl fmt::Debug for Collation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Binary => "Binary",
            Self::NoCase => "NoCase",
            Self::RTrim => "RTrim",
            Self::Custom(_) => "Custom",
        })
    }
}

/// Compares text as SQLite's NOCASE does: ASCII letters of either case are equal, and text after a NUL is
/// ignored.
fn no_case(one: &[u8], other: &[u8]) -> bool {
    let until_nul = |text: &[u8]| text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
    let (one, other) = (&one[..until_nul(one)], &other[..until_nul(other)]);
    one.eq_ignore_ascii_case(other)
}

fn trimmed(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|&byte| byte != b' ').map_or(0, |last| last + 1);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_compare_as_in_sqlite() {
        let connection = Connection::open_in_memory().expect("a database");
        let texts = ["", " ", "a", "A", "a ", "A  ", "é", "É", "a\0b", "A\0c", "a\0", "ab", " a", "a\t"];
        for (name, collation) in
            [("BINARY", Collation::Binary), ("NOCASE", Collation::NoCase), ("RTRIM", Collation::RTrim)]
        {
            for one in texts {
                for other in texts {
                    let query = format!("SELECT ?1 = ?2 COLLATE {name}");
                    let theirs: bool =
                        connection.query_row(&query, [one, other], |row| row.get(0)).expect("a comparison");
                    let ours = collation.equal(one.as_bytes(), other.as_bytes());
                    assert_eq!(ours, theirs, "{name}: {one:?} {other:?}");
                }
            }
        }
    }
}
