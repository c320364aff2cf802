//! Which table an entity is in, and which column each field.

mod sets;

use koan_backup_core::{Error, Result, SetName, entity::EntityCodec};

use super::catalog::{Catalog, Column, Table, TableKind};
use super::column_type::ColumnType;
use koan_backup_sql::columns::{Columns, missing, require_none};
use koan_backup_sql::coverage::{self, MatchedColumns};
use koan_backup_sql::identifier::folded;
use koan_backup_sql::tables;

pub(super) use sets::{named_sets, root_twin};

/// An entity and its table, side by side.
#[derive(Clone, Debug)]
pub(super) struct Mapping {
    pub(super) table: Table,
    /// Columns that hold something of the entity, fields in their order first.
    pub(super) places: Vec<Place>,
    /// Columns that are in no field; those that SQLite computes are not counted.
    pub(super) unmapped_columns: Vec<Column>,
    /// The places of the key fields, as indexes into `places`.
    pub(super) key: Vec<usize>,
    /// Indexes of fields that have no column.
    pub(super) unmapped_fields: Vec<usize>,
}

/// A column and what of the entity is in it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) column: Column,
    pub(super) content: Content,
}

/// What of an entity a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// The field of that index.
    Field(usize),
    /// What a flattened map takes up under the column's name.
    Extra,
}

impl Place {
    /// The serde name of its field; the name of the column where a flattened map takes it up.
    pub(super) fn field_name<'e>(&'e self, entity: &'e EntityCodec) -> &'e str {
        match self.content {
            Content::Field(index) => &entity.schema().fields[index].name,
            Content::Extra => &self.column.name,
        }
    }

    /// How values are read from the column and written to it.
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
        let taken = Columns { table: &table.name, names }.matched(entity)?;
        Ok(Self::from_matches(table, entity, &taken))
    }

    fn from_matches(table: &Table, entity: &EntityCodec, taken: &[Option<usize>]) -> Self {
        let schema = entity.schema();
        let mut places = Vec::new();
        let mut unmapped_fields = Vec::new();
        for index in 0..schema.fields.len() {
            match taken.iter().position(|&field| field == Some(index)) {
                Some(column) => places
                    .push(Place { column: table.columns[column].clone(), content: Content::Field(index) }),
                None => unmapped_fields.push(index),
            }
        }
        let rest =
            table.columns.iter().zip(taken).filter(|(column, field)| field.is_none() && !column.generated);
        let rest = rest.map(|(column, _)| column.clone());
        let mut unmapped_columns = Vec::new();
        if schema.open {
            places.extend(rest.map(|column| Place { column, content: Content::Extra }));
        } else {
            unmapped_columns.extend(rest);
        }
        let is_key =
            |place: &Place| matches!(place.content, Content::Field(index) if schema.fields[index].key);
        let key = (0..places.len()).filter(|&place| is_key(&places[place])).collect();
        Self { table: table.clone(), places, key, unmapped_columns, unmapped_fields }
    }

    /// Why records cannot be read or written, if that is so: a field that must have a column has none.
    pub(super) fn problem(&self, entity: &EntityCodec) -> Option<String> {
        missing(entity, &self.table.name, &self.unmapped_fields)
    }

    /// What of a table is in an entity, or why that cannot be told.
    pub(super) fn matched(table: &Table, entity: &EntityCodec) -> Result<MatchedColumns, String> {
        let mapping = Self::of_table(table, entity).map_err(|error| error.to_string())?;
        let names = |columns: &[Column]| columns.iter().map(|column| column.name.clone()).collect();
        Ok(MatchedColumns {
            problem: mapping.problem(entity),
            covered_columns: mapping.places.iter().map(|place| place.column.name.clone()).collect(),
            unmapped_columns: names(&mapping.unmapped_columns),
            bulky_fields: mapping.bulky_fields(entity),
            unmapped_fields: mapping.unmapped_fields,
        })
    }

    /// Fields of bytes that a line holds as a list of numbers.
    fn bulky_fields(&self, entity: &EntityCodec) -> Vec<usize> {
        let fields = &entity.schema().fields;
        let is_bulky = |place: &Place| match place.content {
            Content::Field(index) => coverage::is_bulky(&fields[index]).then_some(index),
            Content::Extra => None,
        };
        self.places.iter().filter_map(is_bulky).collect()
    }

    /// [`problem`](Self::problem) as an error.
    pub(super) fn check(&self, entity: &EntityCodec) -> Result<()> {
        require_none(entity, self.problem(entity))
    }
}

/// The table of the default set.
pub(super) fn find_table<'c>(catalog: &'c Catalog, entity: &EntityCodec) -> Result<&'c Table> {
    let descriptor = entity.descriptor();
    let wanted = descriptor.table().unwrap_or(entity.name());
    let named = |matches: &dyn Fn(&str) -> bool| {
        catalog.tables.iter().filter(|table| matches(&table.name)).collect::<Vec<_>>()
    };
    let mut found = named(&|name| name == wanted);
    if found.is_empty() && descriptor.table().is_some() {
        // SQLite itself does not tell names apart by case.
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
        TableKind::Table | TableKind::Shadow => "part of a virtual table",
    };
    tables::not_a_table(entity, &table.name, what)
}

fn no_table(catalog: &Catalog, entity: &EntityCodec, wanted: &str) -> Error {
    let near = catalog.tables.iter().find(|table| tables::is_near(&table.name, wanted));
    tables::not_found(entity, wanted, "", near.map(|table| table.name.as_str()))
}
