//! Describes the tables of the database for tools.

mod candidates;
mod stored_values;

use std::collections::BTreeSet;

use koan_backup_core::{
    Result, SetName,
    provider::{ColumnDescription, DatabaseSchema, TableDescription, folded},
};
use koan_backup_sql::identifier::listed;

use super::catalog::{Column, Table, TableKind, TableStorage, indexes};
use super::error::failed;
use super::snapshot::Reader;
use stored_values::StoredValues;

/// Describes the tables, with a type of field for each column that reads every stored value. Tables in which
/// `is_ignored` is true are missing.
pub(super) fn describe(reader: &Reader, is_ignored: &dyn Fn(&str) -> bool) -> Result<DatabaseSchema> {
    let mut schema = DatabaseSchema::new("sqlite");
    schema.relations = reader.catalog.tables.iter().map(|table| table.name.clone()).collect();
    for table in reader.catalog.tables.iter().filter(|table| !is_ignored(&table.name)) {
        match table.kind {
            TableKind::Table if root_of_set(table, &reader.catalog.tables).is_none() => {
                schema.tables.push(describe_table(reader, table)?);
            }
            TableKind::Virtual => schema.uncoverable.push(format!(
                "virtual table `{}` cannot be an entity; declare why its content needs no backup with \
                 `.ignore_table(\"{}\", \"…\")`",
                table.name,
                table.name.escape_debug()
            )),
            TableKind::Table | TableKind::View | TableKind::Shadow => {}
        }
    }
    schema.tables.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(schema)
}

/// Returns the table with the default set if the table contains a named set of an entity.
fn root_of_set<'t>(table: &Table, tables: &'t [Table]) -> Option<&'t Table> {
    let (root, set) = table.name.rsplit_once('#')?;
    SetName::new(set).ok().filter(|set| !set.is_root())?;
    let is_root = |other: &&Table| other.kind == TableKind::Table && folded(&other.name) == folded(root);
    tables.iter().find(is_root)
}

fn describe_table(reader: &Reader, table: &Table) -> Result<TableDescription> {
    let operation = format!("reading the values of table `{}`", table.name);
    let set_tables: Vec<&Table> = reader
        .catalog
        .tables
        .iter()
        .filter(|other| {
            root_of_set(other, &reader.catalog.tables).is_some_and(|root| root.name == table.name)
        })
        .collect();
    let values = StoredValues::read(&reader.connection, table, &set_tables)
        .map_err(|error| failed(&reader.path, &operation, error))?;
    let mut description = TableDescription::new(&table.name);
    let primary_key: Vec<&str> = table.primary_key().iter().map(|column| column.name.as_str()).collect();
    for column in &table.columns {
        let (field_type, notes) = values.field_type(column);
        let mut described = ColumnDescription::new(&column.name, &column.declared, field_type);
        described.nullable = is_nullable(table, column) || values.contains_null(&column.name);
        described.generated = column.generated;
        described.notes = notes;
        description.columns.push(described);
    }
    let can_be_key = |name: &&str| {
        let described = description.columns.iter().find(|column| column.name == **name);
        described.is_some_and(|column| column.field_type.can_be_key()) && !values.contains_null(name)
    };
    if !primary_key.is_empty() && primary_key.iter().all(can_be_key) {
        description.key = primary_key.iter().map(|&name| name.to_owned()).collect();
    } else {
        let found = unique_key(reader, table, &can_be_key)
            .map_err(|error| failed(&reader.path, "reading the indexes", error))?;
        description.key = found.unwrap_or_default();
    }
    description.key.sort_by_key(|name| table.columns.iter().position(|column| column.name == *name));
    for column in &mut description.columns {
        // SQLite allows NULL in the columns of most primary keys, but a key without a value identifies nothing.
        column.nullable &= !description.key.contains(&column.name);
    }
    if !set_tables.is_empty() {
        let sets = set_tables.iter().map(|other| other.name.as_str());
        description.notes.push(format!("The tables {} contain named sets of this entity.", listed(sets)));
    }
    Ok(description)
}

/// Returns the columns of the smallest unique index whose columns can be a key and are NOT NULL.
fn unique_key(
    reader: &Reader,
    table: &Table,
    can_be_key: &dyn Fn(&&str) -> bool,
) -> rusqlite::Result<Option<Vec<String>>> {
    let not_null: BTreeSet<&str> = table
        .columns
        .iter()
        .filter(|column| column.not_null && !column.generated)
        .map(|column| column.name.as_str())
        .collect();
    let mut keys: Vec<Vec<String>> = Vec::new();
    for index in indexes(&reader.connection, &table.name)?.iter().filter(|index| index.unique) {
        let columns = index.plain_columns().unwrap_or_default();
        let is_key = !columns.is_empty()
            && columns.iter().all(|column| not_null.contains(column) && can_be_key(column));
        if is_key {
            keys.push(columns.into_iter().map(str::to_owned).collect());
        }
    }
    keys.sort_by_key(Vec::len);
    Ok(keys.into_iter().next())
}

/// Returns whether SQLite allows NULL in a column. The columns of a primary key in a table without rowid, and
/// an alias of the rowid, are never NULL.
fn is_nullable(table: &Table, column: &Column) -> bool {
    let is_implicit = (column.primary_key > 0 && table.storage == TableStorage::PrimaryKey)
        || table.rowid_alias().is_some_and(|alias| alias.name == column.name);
    !column.not_null && !is_implicit
}
