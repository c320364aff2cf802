//! The copy of a table that a dry run needs only for foreign keys. It has the columns of the foreign keys and
//! no other constraints.
//!
//! The original table may have constraints and indexes that need functions and collations of the application.
//! A restore does not use the constraints and indexes of a table that it does not write, so a dry run does
//! not need them.

use std::collections::BTreeSet;

use rusqlite::{Connection, Result};

use super::super::catalog::{Affinity, Column, Table, index_collations, indexes};
use super::super::collation::Collations;
use super::super::key_equality::column_collation;
use koan_backup_sql::identifier::{folded, quoted, quoted_list};

/// A foreign key as `PRAGMA foreign_key_list` returns it.
struct ForeignKey {
    parent: String,
    columns: Vec<String>,
    /// The referenced columns; empty if the foreign key refers to the primary key of the parent.
    parent_columns: Vec<String>,
}

/// The definition of a table's copy: a table with the same name, the columns that foreign keys need, and the
/// keys of these columns.
#[derive(Debug)]
pub(super) struct ReferenceCopy {
    /// The SQL that creates the copy.
    pub(super) sql: String,
    /// The names of the columns of the copy.
    pub(super) columns: Vec<String>,
}

impl ReferenceCopy {
    /// Creates the definition from the columns of a table that foreign keys need.
    pub(super) fn new(reader: &Connection, collations: &Collations, table: &Table) -> Result<Self> {
        let table_keys = foreign_keys(reader, &table.name)?;
        let referred = referred_keys(reader, &table.name)?;
        let primary: Vec<&str> = table.primary_key().into_iter().map(|column| column.name.as_str()).collect();
        let mut needed: BTreeSet<String> = table_keys
            .iter()
            .flat_map(|key| &key.columns)
            .chain(referred.iter().flatten())
            .map(|name| folded(name))
            .collect();
        needed.extend(primary.iter().map(|name| folded(name)));
        // Without a primary key, all columns together identify a row.
        let is_copied = |column: &&Column| primary.is_empty() || needed.contains(&folded(&column.name));
        let copied: Vec<&Column> = table.columns.iter().filter(is_copied).collect();
        let mut definitions = Vec::new();
        for column in &copied {
            let collation = column_collation(reader, &table.name, &column.name)?;
            // A restore compares the columns that other tables refer to, and the columns that identify the
            // rows. It fails if their collation is unknown, so the dry run must fail as well.
            let is_compared = primary.is_empty()
                || column.primary_key > 0
                || referred.iter().flatten().any(|other| folded(other) == folded(&column.name));
            let has_collation = is_compared || collations.has(&collation);
            let collate =
                if has_collation { format!(" COLLATE {}", quoted(&collation)) } else { String::new() };
            definitions.push(format!("{} {}{collate}", quoted(&column.name), type_of(column.affinity)));
        }
        let mut primary_key = (!primary.is_empty())
            .then(|| format!("PRIMARY KEY ({})", key_list(primary.iter().map(|name| (*name, "BINARY")))));
        for index in indexes(reader, &table.name)?.into_iter().filter(|index| index.unique) {
            let Some(columns) = index.plain_columns() else { continue };
            let index_columns = index_collations(reader, &index.name)?;
            let collation = |position: usize| match index_columns.get(position) {
                Some((_, name)) if collations.has(name) => name.as_str(),
                _ => "BINARY",
            };
            let list =
                key_list(columns.iter().enumerate().map(|(position, &column)| (column, collation(position))));
            if columns == primary {
                primary_key = Some(format!("PRIMARY KEY ({list})"));
            } else if referred.iter().any(|key| is_same(key, &columns)) {
                definitions.push(format!("UNIQUE ({list})"));
            }
        }
        definitions.extend(primary_key);
        // SQLite numbers the foreign keys of a table from the last to the first.
        for key in table_keys.iter().rev() {
            let to = match key.parent_columns.as_slice() {
                [] => String::new(),
                columns => format!(" ({})", quoted_list(columns.iter().map(String::as_str))),
            };
            let from = quoted_list(key.columns.iter().map(String::as_str));
            definitions.push(format!("FOREIGN KEY ({from}) REFERENCES {}{to}", quoted(&key.parent)));
        }
        let sql = format!("CREATE TABLE main.{} ({})", quoted(&table.name), definitions.join(", "));
        Ok(Self { sql, columns: copied.into_iter().map(|column| column.name.clone()).collect() })
    }
}

/// Returns a declared type with this affinity. For integers, `INT` is used because `INTEGER` would make a
/// primary key an alias of the rowid.
fn type_of(affinity: Affinity) -> &'static str {
    match affinity {
        Affinity::Integer => "INT",
        Affinity::Text => "TEXT",
        Affinity::Blob => "BLOB",
        Affinity::Real => "REAL",
        Affinity::Numeric => "NUMERIC",
    }
}

/// Returns the SQL list of columns, each with its collation.
fn key_list<'n>(columns: impl Iterator<Item = (&'n str, &'n str)>) -> String {
    columns
        .map(|(name, collation)| format!("{} COLLATE {}", quoted(name), quoted(collation)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Returns whether two lists contain the same names, in any order.
fn is_same(one: &[String], other: &[&str]) -> bool {
    let one: BTreeSet<String> = one.iter().map(|name| folded(name)).collect();
    let other: BTreeSet<String> = other.iter().map(|name| folded(name)).collect();
    one == other
}

/// Reads the foreign keys of a table, ordered by their numbers.
fn foreign_keys(connection: &Connection, table: &str) -> Result<Vec<ForeignKey>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(?1) ORDER BY id, seq",
    )?;
    let mut rows = statement.query([table])?;
    let mut keys: Vec<(i64, ForeignKey)> = Vec::new();
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        if keys.last().is_none_or(|(last, _)| *last != id) {
            let key = ForeignKey { parent: row.get(1)?, columns: Vec::new(), parent_columns: Vec::new() };
            keys.push((id, key));
        }
        if let Some((_, key)) = keys.last_mut() {
            key.columns.push(row.get(2)?);
            key.parent_columns.extend(row.get::<_, Option<String>>(3)?);
        }
    }
    Ok(keys.into_iter().map(|(_, key)| key).collect())
}

/// Reads the columns of a table to which foreign keys of any table refer, one list for each foreign key. A
/// foreign key that lists no parent columns refers to the primary key and is not included.
fn referred_keys(connection: &Connection, table: &str) -> Result<Vec<Vec<String>>> {
    let mut statement = connection.prepare_cached(
        "SELECT DISTINCT l.name FROM pragma_table_list l JOIN pragma_foreign_key_list(l.name) k \
         WHERE l.schema = 'main' AND l.type = 'table' AND k.\"table\" = ?1 COLLATE NOCASE",
    )?;
    let children: Vec<String> = statement.query_map([table], |row| row.get(0))?.collect::<Result<_>>()?;
    let mut found = Vec::new();
    for child in children {
        let keys = foreign_keys(connection, &child)?.into_iter();
        found.extend(keys.filter(|key| key.parent.eq_ignore_ascii_case(table)).map(|key| key.parent_columns));
    }
    found.retain(|columns| !columns.is_empty());
    Ok(found)
}
