//! Defines the key equality of a table: when the table considers two keys to be the same. Backups, dry runs
//! and restores use this definition.
//!
//! Two keys are the same if the key columns are equal by their own collations, or by the collations of a
//! unique index over exactly these columns. Numbers are compared by value, whatever their storage class.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result};

use super::catalog::{index_collations, indexes};
use super::collation::{Collation, Collations};
use super::number;
use koan_backup_sql::identifier::quoted;

/// The definition of when a table considers two keys to be the same: at least one of several comparisons
/// finds them equal.
#[derive(Clone, Debug)]
pub(super) struct KeyEquality {
    /// The collations of the key columns, for each comparison. The first comparison uses the collations of
    /// the columns themselves.
    comparisons: Vec<Vec<NamedCollation>>,
    /// The name of a collation of the key that the connection does not know, if there is one.
    unknown_collation: Option<String>,
}

/// A collation and its name.
#[derive(Clone, Debug)]
struct NamedCollation {
    name: String,
    collation: Collation,
}

impl KeyEquality {
    /// Reads how a table compares the columns of a key.
    pub(super) fn read<'k>(
        connection: &Connection,
        collations: &Collations,
        table: &str,
        key: impl Iterator<Item = &'k str>,
    ) -> Result<Self> {
        let key: Vec<&str> = key.collect();
        let mut unknown_collation = None;
        let mut find_collations = |names: Vec<String>| {
            let found = names.into_iter().map(|name| match collations.find(&name) {
                Some(collation) => NamedCollation { name, collation },
                None => {
                    unknown_collation = Some(name);
                    NamedCollation { name: "BINARY".to_owned(), collation: Collation::Binary }
                }
            });
            found.collect::<Vec<_>>()
        };
        let columns: Result<Vec<String>> =
            key.iter().map(|column| column_collation(connection, table, column)).collect();
        let mut comparisons = vec![find_collations(columns?)];
        for index in indexes(connection, table)? {
            if !index.makes_unique(key.iter().copied()) {
                continue;
            }
            let index_columns = index_collations(connection, &index.name)?;
            let collation_name = |column: &&str| {
                let found = index_columns.iter().find(|(name, _)| name.as_deref() == Some(column));
                found.map_or_else(|| "BINARY".to_owned(), |(_, collation)| collation.clone())
            };
            let comparison = find_collations(key.iter().map(collation_name).collect());
            let is_known = comparisons.iter().any(|known| {
                known.iter().zip(&comparison).all(|(one, other)| one.name.eq_ignore_ascii_case(&other.name))
            });
            if !is_known {
                comparisons.push(comparison);
            }
        }
        Ok(Self { comparisons, unknown_collation })
    }

    /// Returns a collation of the key that neither SQLite nor the application defines, if there is one.
    pub(super) fn unknown_collation(&self) -> Option<&str> {
        self.unknown_collation.as_deref()
    }

    /// Returns whether two keys are the same only if their bytes are identical. Numbers are always compared
    /// by value.
    pub(super) fn is_bytewise(&self) -> bool {
        self.comparisons.iter().flatten().all(|collation| collation.collation.is_binary())
    }

    /// Returns whether the collations of the columns alone decide whether two keys are the same, because no
    /// unique index over the key has other collations.
    pub(super) fn is_decided_by_the_columns(&self) -> bool {
        self.comparisons.len() == 1
    }

    /// Returns the names of the collations of each comparison. The first comparison uses the collations of
    /// the columns.
    pub(super) fn comparisons(&self) -> impl Iterator<Item = impl Iterator<Item = &str>> {
        self.comparisons.iter().map(|comparison| comparison.iter().map(|collation| collation.name.as_str()))
    }

    /// Returns the SQL condition that finds the rows with a key. `columns` are the columns that contain the
    /// key, and `first` is the number of the first parameter of the condition.
    pub(super) fn condition<'c>(
        &self,
        columns: impl Iterator<Item = &'c str> + Clone,
        first: usize,
    ) -> String {
        let is_single = self.is_decided_by_the_columns();
        let comparisons = self.comparisons.iter().map(|comparison| {
            let terms = columns.clone().zip(comparison).enumerate().map(|(index, (column, collation))| {
                // SQLite uses the collation of the column by default.
                let collate =
                    if is_single { String::new() } else { format!(" COLLATE {}", quoted(&collation.name)) };
                format!("{}{collate} IS ?{}", quoted(column), first + index)
            });
            format!("({})", terms.collect::<Vec<_>>().join(" AND "))
        });
        comparisons.collect::<Vec<_>>().join(" OR ")
    }

    /// Returns whether two keys are the same.
    pub(super) fn same(&self, one: &[ValueRef<'_>], other: &[ValueRef<'_>]) -> bool {
        self.comparisons.iter().any(|comparison| {
            let parts = one.iter().zip(other).zip(comparison);
            one.len() == other.len() && parts.into_iter().all(|((one, other), c)| equal(one, other, c))
        })
    }
}

fn equal(one: &ValueRef<'_>, other: &ValueRef<'_>, collation: &NamedCollation) -> bool {
    match (one, other) {
        (ValueRef::Text(one), ValueRef::Text(other)) => collation.collation.equal(one, other),
        (ValueRef::Integer(integer), ValueRef::Real(real))
        | (ValueRef::Real(real), ValueRef::Integer(integer)) => number::float_of(*integer) == Some(*real),
        (one, other) => one == other,
    }
}

/// Returns the name of a column's collation.
pub(super) fn column_collation(connection: &Connection, table: &str, column: &str) -> Result<String> {
    let (_, collation, ..) = connection.column_metadata(Some("main"), table, column)?;
    let name = collation.map(|name| name.to_string_lossy().into_owned());
    Ok(name.unwrap_or_else(|| "BINARY".to_owned()))
}

/// Returns the collations of a table's columns and indexes that the connection does not know. SQLite cannot
/// write a row without these collations.
pub(super) fn unknown_collations<'k>(
    connection: &Connection,
    collations: &Collations,
    table: &str,
    columns: impl Iterator<Item = &'k str>,
) -> Result<Vec<String>> {
    let mut found: Vec<String> =
        columns.map(|column| column_collation(connection, table, column)).collect::<Result<_>>()?;
    for index in indexes(connection, table)? {
        found.extend(index_collations(connection, &index.name)?.into_iter().map(|(_, name)| name));
    }
    found.retain(|name| !collations.has(name));
    found.sort_unstable();
    found.dedup();
    Ok(found)
}
