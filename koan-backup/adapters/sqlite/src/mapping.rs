//! Maps an entity to its table, and its fields to columns.

mod sets;

use koan_backup_core::{Error, Result, SetName, entity::EntityCodec};

use super::catalog::{Catalog, Column, Table, TableKind};
use super::column_type::ColumnType;
use koan_backup_sql::columns::{Columns, missing, require_none};
use koan_backup_sql::content::Content;
use koan_backup_sql::coverage::MatchedColumns;
use koan_backup_sql::identifier::folded;
use koan_backup_sql::tables;

pub(super) use sets::{named_sets, table_named_root};

/// An entity's table, with the columns matched to its fields.
#[derive(Clone, Debug)]
pub(super) struct Mapping {
    pub(super) table: Table,
    /// The columns that contain data of the entity. The columns of fields are the first, in the order of the
    /// fields.
    pub(super) columns: Vec<MappedColumn>,
    /// The columns without a field, except generated columns.
    pub(super) unmapped_columns: Vec<Column>,
    /// The columns of the key fields, as indexes into `columns`.
    pub(super) key: Vec<usize>,
    /// The indexes of fields without a column.
    pub(super) unmapped_fields: Vec<usize>,
}

/// A column and what it contains for the entity.
#[derive(Clone, Debug)]
pub(super) struct MappedColumn {
    pub(super) column: Column,
    pub(super) content: Content,
}

impl MappedColumn {
    /// Returns the serde name of the field, or the name of the column for an entry of a flattened map.
    pub(super) fn field_name<'e>(&'e self, entity: &'e EntityCodec) -> &'e str {
        match self.content {
            Content::Field(index) => &entity.schema().fields[index].name,
            Content::Extra => &self.column.name,
        }
    }

    /// Returns the type of the column, which determines how values are read and written.
    pub(super) fn column_type(&self, entity: &EntityCodec) -> ColumnType {
        match self.content {
            Content::Field(index) => ColumnType::of_field(&entity.schema().fields[index], &self.column),
            Content::Extra => ColumnType::extra(&self.column),
        }
    }
}

impl Mapping {
    /// Finds the table of a set of an entity and matches its columns.
    pub(super) fn find(catalog: &Catalog, entity: &EntityCodec, set: &SetName) -> Result<Self> {
        let root = find_table(catalog, entity)?;
        let table = if set.is_root() { root } else { sets::find(catalog, entity, root, set)? };
        Self::of_table(table, entity)
    }

    /// Matches the columns of a table.
    pub(super) fn of_table(table: &Table, entity: &EntityCodec) -> Result<Self> {
        let names = table.columns.iter().map(|column| column.name.as_str()).collect();
        let matches = Columns { table: &table.name, names }.matched(entity)?;
        Ok(Self::from_matches(table, entity, &matches))
    }

    fn from_matches(table: &Table, entity: &EntityCodec, matches: &[Option<usize>]) -> Self {
        let schema = entity.schema();
        let mut columns = Vec::new();
        let mut unmapped_fields = Vec::new();
        for index in 0..schema.fields.len() {
            match matches.iter().position(|&field| field == Some(index)) {
                Some(column) => columns.push(MappedColumn {
                    column: table.columns[column].clone(),
                    content: Content::Field(index),
                }),
                None => unmapped_fields.push(index),
            }
        }
        let rest =
            table.columns.iter().zip(matches).filter(|(column, field)| field.is_none() && !column.generated);
        let rest = rest.map(|(column, _)| column.clone());
        let mut unmapped_columns = Vec::new();
        if schema.open {
            columns.extend(rest.map(|column| MappedColumn { column, content: Content::Extra }));
        } else {
            unmapped_columns.extend(rest);
        }
        let is_key = |mapped: &MappedColumn| mapped.content.is_key(entity);
        let key = (0..columns.len()).filter(|&index| is_key(&columns[index])).collect();
        Self { table: table.clone(), columns, key, unmapped_columns, unmapped_fields }
    }

    /// Returns the message that records cannot be read or written because a required field has no column.
    /// Returns `None` if each required field has a column.
    pub(super) fn problem(&self, entity: &EntityCodec) -> Option<String> {
        missing(entity, &self.table.name, &self.unmapped_fields)
    }

    /// Returns which columns of a table an entity covers, or why the columns cannot be matched.
    pub(super) fn matched(table: &Table, entity: &EntityCodec) -> Result<MatchedColumns, String> {
        let mapping = Self::of_table(table, entity).map_err(|error| error.to_string())?;
        let names = |columns: &[Column]| columns.iter().map(|column| column.name.clone()).collect();
        Ok(MatchedColumns {
            problem: mapping.problem(entity),
            covered_columns: mapping.columns.iter().map(|mapped| mapped.column.name.clone()).collect(),
            unmapped_columns: names(&mapping.unmapped_columns),
            byte_list_fields: mapping.byte_list_fields(entity),
            unmapped_fields: mapping.unmapped_fields,
        })
    }

    /// Returns the indexes of the fields whose bytes serde writes as a list of numbers.
    fn byte_list_fields(&self, entity: &EntityCodec) -> Vec<usize> {
        self.columns.iter().filter_map(|mapped| mapped.content.byte_list_field(entity)).collect()
    }

    /// Returns the [`problem`](Self::problem) as an error, if there is one.
    pub(super) fn check(&self, entity: &EntityCodec) -> Result<()> {
        require_none(entity, self.problem(entity))
    }
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
