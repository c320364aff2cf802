//! Maps an entity to its table, and its fields to columns.

mod sets;

use koan_backup_core::{Error, Result, SetName, entity::EntityCodec, schema::FieldSchema};

use super::catalog::{Catalog, Column, Table, TableKind};
use super::column_type::ColumnType;
use koan_backup_sql::coverage::MatchedColumns;
use koan_backup_sql::identifier::folded;
use koan_backup_sql::mapping::{SqlColumn, SqlTable};
use koan_backup_sql::tables;

pub(super) use sets::{named_sets, table_named_root};

/// An entity's table, with the columns matched to its fields.
pub(super) type Mapping = koan_backup_sql::mapping::Mapping<Table>;

impl SqlTable for Table {
    type Column = Column;

    fn display_name(&self) -> &str {
        &self.name
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// A column of SQLite can store a value of any type.
    fn type_of_field(&self, column: &Column, field: &FieldSchema) -> Result<ColumnType, String> {
        Ok(ColumnType::of_field(field, column))
    }
}

impl SqlColumn for Column {
    type Type = ColumnType;

    fn name(&self) -> &str {
        &self.name
    }

    fn is_generated(&self) -> bool {
        self.generated
    }

    fn stores_bytes(&self) -> bool {
        true
    }

    fn type_of_extra(&self) -> Option<ColumnType> {
        Some(ColumnType::extra(self))
    }
}

/// Finds the table of a set of an entity and matches its columns.
pub(super) fn find(catalog: &Catalog, entity: &EntityCodec, set: &SetName) -> Result<Mapping> {
    let root = find_table(catalog, entity)?;
    let table = if set.is_root() { root } else { sets::find(catalog, entity, root, set)? };
    Mapping::of_table(table, entity)
}

/// Returns which columns of a table an entity covers, or why the columns cannot be matched.
pub(super) fn match_columns(table: &Table, entity: &EntityCodec) -> Result<MatchedColumns, String> {
    let mapping = Mapping::of_table(table, entity).map_err(|error| error.to_string())?;
    Ok(mapping.into_matched(entity))
}

/// Finds the table with the default set of an entity.
pub(super) fn find_table<'c>(catalog: &'c Catalog, entity: &EntityCodec) -> Result<&'c Table> {
    let descriptor = entity.descriptor();
    let wanted = descriptor.table().unwrap_or(entity.name());
    let named = |matches: &dyn Fn(&str) -> bool| {
        catalog.tables.iter().filter(|table| matches(&table.name)).collect::<Vec<_>>()
    };
    let mut found = named(&|name| name == wanted);
    if found.is_empty() && descriptor.table().is_some() {
        // SQLite itself compares names without regard to case.
        found = named(&|name| name.eq_ignore_ascii_case(wanted));
    } else if found.is_empty() {
        found = named(&|name| folded(name) == folded(wanted));
    }
    match found.as_slice() {
        [table] if table.kind == TableKind::Table => Ok(table),
        [table] => Err(not_a_table(entity, table)),
        [] => Err(no_table(catalog, entity, wanted)),
        several => Err(tables::ambiguous(entity, several.iter().map(|table| table.name.as_str()))),
    }
}

fn not_a_table(entity: &EntityCodec, table: &Table) -> Error {
    let what = match table.kind {
        TableKind::View => "a view",
        TableKind::Virtual => "a virtual table",
        TableKind::Table | TableKind::Shadow => "a shadow table, in which a virtual table stores its data",
    };
    tables::not_a_table(entity, &table.name, what)
}

fn no_table(catalog: &Catalog, entity: &EntityCodec, wanted: &str) -> Error {
    let similar = catalog.tables.iter().find(|table| tables::is_near(&table.name, wanted));
    tables::not_found(entity, wanted, "", similar.map(|table| table.name.as_str()))
}
