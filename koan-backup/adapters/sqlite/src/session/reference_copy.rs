//! The copy of a table that a dry run needs only for foreign keys: the columns of the foreign keys, without
//! other constraints.
//!
//! The original table may have constraints and indexes that need functions and collations of the application.
//! A restore does not use them, so a dry run does not need them.

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

/// The copy of a table, with the same name, the columns that foreign keys need, and their keys.
#[derive(Debug)]
pub(super) struct ReferenceCopy {
    /// The SQL that creates the table.
    pub(super) sql: String,
    /// The names of its columns.
    pub(super) columns: Vec<String>,
}

impl ReferenceCopy {
    /// Reads the parts of a table that foreign keys need.
    pub(super) fn of(reader: &Connection, collations: &Collations, table: &Table) -> Result<Self> {
        let own = foreign_keys(reader, &table.name)?;
        let referred = referred_keys(reader, &table.name)?;
        let primary: Vec<&str> = table.primary_key().into_iter().map(|column| column.name.as_str()).collect();
        let mut needed: BTreeSet<String> = own
            .iter()
            .flat_map(|key| &key.columns)
            .chain(referred.iter().flatten())
            .map(|name| folded(name))
            .collect();
        needed.extend(primary.iter().map(|name| folded(name)));
        // Without a key, all columns together identify a row.
        let is_kept = |column: &&Column| primary.is_empty() || needed.contains(&folded(&column.name));
        let kept: Vec<&Column> = table.columns.iter().filter(is_kept).collect();
        let mut parts = Vec::new();
        for column in &kept {
            let collation = column_collation(reader, &table.name, &column.name)?;
            // A dry run cannot compare columns that a restore cannot compare: columns that other tables refer
            // to, and columns that identify the rows.
            let is_read = primary.is_empty()
                || column.primary_key > 0
                || referred.iter().flatten().any(|other| folded(other) == folded(&column.name));
            let is_named = is_read || collations.has(&collation);
            let collate = if is_named { format!(" COLLATE {}", quoted(&collation)) } else { String::new() };
            parts.push(format!("{} {}{collate}", quoted(&column.name), type_of(column.affinity)));
        }
        let mut primary_part = (!primary.is_empty())
            .then(|| format!("PRIMARY KEY ({})", key_list(primary.iter().map(|name| (*name, "BINARY")))));
        for index in indexes(reader, &table.name)?.into_iter().filter(|index| index.unique) {
            let Some(columns) = index.plain_columns() else { continue };
            let collated = index_collations(reader, &index.name)?;
            let collation = |at: usize| match collated.get(at) {
                Some((_, name)) if collations.has(name) => name.as_str(),
                _ => "BINARY",
            };
            let list = key_list(columns.iter().enumerate().map(|(at, &column)| (column, collation(at))));
            if columns == primary {
                primary_part = Some(format!("PRIMARY KEY ({list})"));
            } else if referred.iter().any(|key| is_same(key, &columns)) {
                parts.push(format!("UNIQUE ({list})"));
            }
        }
        parts.extend(primary_part);
        // SQLite numbers foreign keys from the last to the first.
        for key in own.iter().rev() {
            let to = match key.parent_columns.as_slice() {
                [] => String::new(),
                columns => format!(" ({})", quoted_list(columns.iter().map(String::as_str))),
            };
            let from = quoted_list(key.columns.iter().map(String::as_str));
            parts.push(format!("FOREIGN KEY ({from}) REFERENCES {}{to}", quoted(&key.parent)));
        }
        let sql = format!("CREATE TABLE main.{} ({})", quoted(&table.name), parts.join(", "));
        Ok(Self { sql, columns: kept.into_iter().map(|column| column.name.clone()).collect() })
    }
}

/// Returns a type with this affinity. `INT` is used because it does not make the column an alias of the
/// rowid.
fn type_of(affinity: Affinity) -> &'static str {
    match affinity {
        Affinity::Integer => "INT",
        Affinity::Text => "TEXT",
        Affinity::Blob => "BLOB",
        Affinity::Real => "REAL",
        Affinity::Numeric => "NUMERIC",
    }
}

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

/// Reads the columns that foreign keys of any table refer to, one list for each foreign key. Foreign keys
/// that name no columns, and so refer to the primary key, are not included.
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
