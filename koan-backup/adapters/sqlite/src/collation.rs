//! The collations with which SQLite compares text.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use rusqlite::{Connection, Result};

/// The comparison function of a collation.
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

/// A collation of SQLite or of the application: <https://sqlite.org/datatype3.html#collation>
#[derive(Clone)]
pub(super) enum Collation {
    /// Text is equal only if all bytes are equal.
    Binary,
    /// The case of ASCII letters is ignored.
    NoCase,
    /// Spaces at the end are ignored.
    RTrim,
    /// A collation that the application defines.
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
            Self::NoCase => one.len() == other.len() && equal_without_case(one, other),
            Self::RTrim => without_trailing_spaces(one) == without_trailing_spaces(other),
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

/// Returns whether SQLite's collation NOCASE treats two texts as equal: it ignores the case of ASCII letters
/// and all text after a NUL.
fn equal_without_case(one: &[u8], other: &[u8]) -> bool {
    let until_nul = |text: &[u8]| text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
    let (one, other) = (&one[..until_nul(one)], &other[..until_nul(other)]);
    one.eq_ignore_ascii_case(other)
}

fn without_trailing_spaces(text: &[u8]) -> &[u8] {
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
                    let expected: bool =
                        connection.query_row(&query, [one, other], |row| row.get(0)).expect("a comparison");
                    let equal = collation.equal(one.as_bytes(), other.as_bytes());
                    assert_eq!(equal, expected, "{name}: {one:?} {other:?}");
                }
            }
        }
    }
}
