//! When two keys are one key to a table. There is one definition, for backups, dry runs and restores.
//!
//! Two keys are one if the key's columns compare equal by their own collations, or by those of an index that keeps exactly these
//! columns unique. Numbers are equal by their value, whatever their storage class.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result};

use super::catalog::{index_collations, indexes};
use super::collation::{Collation, Collations};
use super::number;
use koan_backup_sql::identifier::quoted;

/// The ways in which two keys of a table can be one.
#[derive(Clone, Debug)]
pub(super) struct KeyEquality {
    /// For each way, the collation of each column of the key. The first are those of the columns themselves.
    ways: Vec<Vec<NamedCollation>>,
    /// A collation of the key's columns that the connection does not know.
    unknown: Option<String>,
}

#[derive(Clone, Debug)]
struct NamedCollation {
    name: String,
    collation: Collation,
}

impl KeyEquality {
    /// Reads how a table compares the columns of a key.
    pub(super) fn of<'k>(
        connection: &Connection,
        collations: &Collations,
        table: &str,
        key: impl Iterator<Item = &'k str>,
    ) -> Result<Self> {
        let key: Vec<&str> = key.collect();
        let mut unknown = None;
        let mut of_names = |names: Vec<String>| {
            let found = names.into_iter().map(|name| match collations.find(&name) {
                Some(collation) => NamedCollation { name, collation },
                None => {
                    unknown = Some(name);
                    NamedCollation { name: "BINARY".to_owned(), collation: Collation::Binary }
                }
            });
            found.collect::<Vec<_>>()
        };
        let columns: Result<Vec<String>> =
            key.iter().map(|column| column_collation(connection, table, column)).collect();
        let mut ways = vec![of_names(columns?)];
        for index in indexes(connection, table)? {
            if !index.makes_unique(key.iter().copied()) {
                continue;
            }
            let of_index = index_collations(connection, &index.name)?;
            let by_column = |column: &&str| {
                let found = of_index.iter().find(|(name, _)| name.as_deref() == Some(column));
                found.map_or_else(|| "BINARY".to_owned(), |(_, collation)| collation.clone())
            };
            let way = of_names(key.iter().map(by_column).collect());
            let is_known = ways.iter().any(|known| {
                known.iter().zip(&way).all(|(one, other)| one.name.eq_ignore_ascii_case(&other.name))
            });
            if !is_known {
                ways.push(way);
            }
        }
        Ok(Self { ways, unknown })
    }

    /// A collation of the key that neither SQLite nor the application defines.
    pub(super) fn unknown(&self) -> Option<&str> {
        self.unknown.as_deref()
    }

    /// Whether keys are one only if they are equal byte for byte, numbers aside.
    pub(super) fn is_bytewise(&self) -> bool {
        self.ways.iter().flatten().all(|collation| collation.collation.is_binary())
    }

    /// Whether a unique index over the key's columns, with the collations of the columns, keeps all keys apart.
    pub(super) fn is_that_of_the_columns(&self) -> bool {
        self.ways.len() == 1
    }

    /// The names of the collations of each way, that of the columns first.
    pub(super) fn ways(&self) -> impl Iterator<Item = impl Iterator<Item = &str>> {
        self.ways.iter().map(|way| way.iter().map(|collation| collation.name.as_str()))
    }

    /// The condition that finds the rows of a key in these columns, the first of whose parameters has that number.
    pub(super) fn condition<'c>(
        &self,
        columns: impl Iterator<Item = &'c str> + Clone,
        first: usize,
    ) -> String {
        let is_single = self.is_that_of_the_columns();
        let ways = self.ways.iter().map(|way| {
            let terms = columns.clone().zip(way).enumerate().map(|(index, (column, collation))| {
                // The collation of the column counts by itself.
                let collate =
                    if is_single { String::new() } else { format!(" COLLATE {}", quoted(&collation.name)) };
                format!("{}{collate} IS ?{}", quoted(column), first + index)
            });
            format!("({})", terms.collect::<Vec<_>>().join(" AND "))
        });
        ways.collect::<Vec<_>>().join(" OR ")
    }

    /// Whether two keys are one.
    pub(super) fn same(&self, one: &[ValueRef<'_>], other: &[ValueRef<'_>]) -> bool {
        self.ways.iter().any(|way| {
            let parts = one.iter().zip(other).zip(way);
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

/// The collation of a column, as SQLite names it.
pub(super) fn column_collation(connection: &Connection, table: &str, column: &str) -> Result<String> {
    let (_, collation, ..) = connection.column_metadata(Some("main"), table, column)?;
    let name = collation.map(|name| name.to_string_lossy().into_owned());
    Ok(name.unwrap_or_else(|| "BINARY".to_owned()))
}

/// The collations of columns and indexes of a table that the connection does not know: no row can be written.
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
