//! Which table an entity is in, and which column each field.

mod sets;

use koan_backup_core::{Error, ErrorKind, Result, SetName, entity::EntityCodec, schema::FieldSchema};

use super::catalog::{Catalog, Column, Table, TableKind};
use super::column_type::{ColumnType, Kind};
use super::types::StoredType;
use koan_backup_sql::columns::{Columns, missing, require_none};
use koan_backup_sql::coverage::{self, MatchedColumns};
use koan_backup_sql::identifier::{folded, listed, quoted};
use koan_backup_sql::tables;

pub(super) use sets::{named_sets, root_twin};

/// An entity and its table, side by side.
#[derive(Clone, Debug)]
pub(super) struct Mapping {
    pub(super) table: Table,
    /// Columns that hold something of the entity, fields in their order first.
    pub(super) places: Vec<Place>,
    /// Columns that are in no field; those that PostgreSQL computes are not counted.
    pub(super) unmapped_columns: Vec<Column>,
    /// The places of the key fields, as indexes into `places`.
    pub(super) key: Vec<usize>,
    /// Indexes of fields that have no column.
    pub(super) unmapped_fields: Vec<usize>,
    /// Columns whose type cannot be that of their field, and why.
    unfit: Vec<String>,
}

/// A column and what of the entity is in it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) column: Column,
    pub(super) content: Content,
    pub(super) column_type: ColumnType,
}

impl Place {
    /// The serde name of the field, or the name of the column that a flattened map takes up.
    pub(super) fn name<'a>(&'a self, entity: &'a EntityCodec) -> &'a str {
        match self.content {
            Content::Field(field) => &entity.schema().fields[field].name,
            Content::Extra => &self.column.name,
        }
    }
}

/// What of an entity a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// The field of that index.
    Field(usize),
    /// What a flattened map takes up under the column's name.
    Extra,
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
        let taken = Columns { table: &table.shown, names }.matched(entity)?;
        Ok(Self::from_matches(table, entity, &taken))
    }

    fn from_matches(table: &Table, entity: &EntityCodec, taken: &[Option<usize>]) -> Self {
        let schema = entity.schema();
        let (mut places, mut unmapped_fields, mut unfit) = (Vec::new(), Vec::new(), Vec::new());
        for (index, field) in schema.fields.iter().enumerate() {
            let Some(column) = taken.iter().position(|&taken| taken == Some(index)) else {
                unmapped_fields.push(index);
                continue;
            };
            let column = table.columns[column].clone();
            match ColumnType::of_field(field, &column) {
                Some(column_type) => {
                    places.push(Place { column, content: Content::Field(index), column_type });
                }
                None => unfit.push(unfit_type(table, &column, field)),
            }
        }
        let rest =
            table.columns.iter().zip(taken).filter(|(column, field)| field.is_none() && !column.generated);
        let rest = rest.map(|(column, _)| column.clone());
        let mut unmapped_columns = Vec::new();
        for column in rest {
            match ColumnType::extra(&column).filter(|_| schema.open) {
                Some(column_type) => places.push(Place { column, content: Content::Extra, column_type }),
                None => unmapped_columns.push(column),
            }
        }
        let is_key =
            |place: &Place| matches!(place.content, Content::Field(index) if schema.fields[index].key);
        let key = (0..places.len()).filter(|&place| is_key(&places[place])).collect();
        Self { table: table.clone(), places, key, unmapped_columns, unmapped_fields, unfit }
    }

    /// Why records cannot be read or written, if that is so: a field that must have a column has none, or a column is of
    /// a type that its field is not.
    pub(super) fn problem(&self, entity: &EntityCodec) -> Option<String> {
        let mut problems = self.unfit.clone();
        problems.extend(missing(entity, &self.table.shown, &self.unmapped_fields));
        (!problems.is_empty()).then(|| problems.join("; "))
    }

    /// What of a table is in an entity, or why that cannot be told.
    pub(super) fn matched(table: &Table, entity: &EntityCodec) -> Result<MatchedColumns, String> {
        let mapping = Self::of_table(table, entity).map_err(|error| error.to_string())?;
        if let Some(why) = mapping.unreadable() {
            return Err(why);
        }
        let names = |columns: &[Column]| columns.iter().map(|column| column.name.clone()).collect();
        Ok(MatchedColumns {
            problem: mapping.problem(entity),
            covered_columns: mapping.places.iter().map(|place| place.column.name.clone()).collect(),
            unmapped_columns: names(&mapping.unmapped_columns),
            bulky_fields: mapping.bulky_fields(entity),
            unmapped_fields: mapping.unmapped_fields,
        })
    }

    /// Why the role cannot read all rows of the entity, if that is so.
    pub(super) fn unreadable(&self) -> Option<String> {
        let name = &self.table.shown;
        if self.places.iter().any(|place| !place.column.is_readable) {
            let sql = self.table.quoted();
            Some(format!("the role may not read table `{name}`; run `GRANT SELECT ON {sql} TO` the role"))
        } else if self.table.hides_rows {
            Some(format!(
                "row-level security hides rows of table `{name}` from the role; use the owner of the table or a role with \
                 BYPASSRLS, so that no row is missing"
            ))
        } else {
            None
        }
    }

    /// [`problem`](Self::problem) as an error.
    pub(super) fn check(&self, entity: &EntityCodec) -> Result<()> {
        require_none(entity, self.problem(entity))
    }

    /// Fields of bytes that a line holds as a list of numbers, and whose columns hold bytes.
    fn bulky_fields(&self, entity: &EntityCodec) -> Vec<usize> {
        let fields = &entity.schema().fields;
        let is_bulky = |place: &Place| match place.content {
            Content::Field(index) if place.column.stored == StoredType::Bytea => {
                coverage::is_bulky(&fields[index]).then_some(index)
            }
            _ => None,
        };
        self.places.iter().filter_map(is_bulky).collect()
    }

    /// The columns of the key.
    pub(super) fn key_columns(&self) -> impl Iterator<Item = &Column> {
        self.key.iter().map(|&place| &self.places[place].column)
    }
}

/// The table of the default set.
pub(super) fn find_table<'c>(catalog: &'c Catalog, entity: &EntityCodec) -> Result<&'c Table> {
    let descriptor = entity.descriptor();
    let wanted = descriptor.table().unwrap_or(entity.name());
    let named = |matches: &dyn Fn(&str) -> bool| {
        let mut found: Vec<&Table> = catalog.visible().filter(|table| matches(&table.name)).collect();
        // The first schema that has one hides those behind it.
        if let Some(schema) = found.first().map(|table| table.schema.clone()) {
            found.retain(|table| table.schema == schema);
        }
        found
    };
    let mut found = named(&|name| name == wanted);
    if let (true, Some((schema, name))) = (found.is_empty(), wanted.split_once('.')) {
        found = catalog.tables.iter().filter(|table| table.schema == schema && table.name == name).collect();
    }
    if found.is_empty() && descriptor.table().is_some() {
        // PostgreSQL makes names that are not quoted lower-case.
        found = named(&|name| name.eq_ignore_ascii_case(wanted));
    } else if found.is_empty() {
        found = named(&|name| folded(name) == folded(wanted));
    }
    match found.as_slice() {
        [table] if catalog.is_closed(&table.schema) => Err(closed(entity, table)),
        [table] if table.is_table() => Ok(table),
        [table] => Err(not_a_table(entity, table)),
        [] => Err(no_table(catalog, entity, wanted)),
        several => Err(tables::ambiguous(entity, several.iter().map(|table| table.shown.as_str()))),
    }
}

fn unfit_type(table: &Table, column: &Column, field: &FieldSchema) -> String {
    let kind = Kind::of(field);
    if column.stored.is_money_of_other_units() {
        return format!(
            "column `{}` of table `{}` is of type `{}`, and `lc_monetary` of the database has no hundredths, so that what field \
             `{}` holds would depend on that setting; make the column `numeric`",
            column.name, table.shown, column.declared, field.name,
        );
    }
    format!(
        "column `{}` of table `{}` is of type `{}`, which field `{}` ({}, as its type says) cannot be read from; make the \
         column {}, or change the type of the field",
        column.name,
        table.shown,
        column.declared,
        field.name,
        kind.noun(),
        kind.remedy(),
    )
}

fn not_a_table(entity: &EntityCodec, table: &Table) -> Error {
    let what = match table.kind {
        TableKind::View => "a view",
        TableKind::MaterializedView => "a materialized view",
        _ => "a table of another server",
    };
    tables::not_a_table(entity, &table.shown, what)
}

/// The table is there, and the role may not use its schema.
fn closed(entity: &EntityCodec, table: &Table) -> Error {
    Error::new(
        ErrorKind::Provider,
        format!(
            "{} is in table `{}.{}`, and the role may not use schema `{}`; run `GRANT USAGE ON SCHEMA {} TO` the role",
            entity.name(),
            table.schema,
            table.name,
            table.schema,
            quoted(&table.schema),
        ),
    )
}

fn no_table(catalog: &Catalog, entity: &EntityCodec, wanted: &str) -> Error {
    // PostgreSQL leaves schemas that a role may not use out of its path without a word.
    let is_wanted = |table: &&Table| match entity.descriptor().table() {
        Some(_) => table.name.eq_ignore_ascii_case(wanted),
        None => folded(&table.name) == folded(wanted),
    };
    let hidden = catalog.tables.iter().filter(|table| catalog.is_closed(&table.schema)).find(is_wanted);
    if let Some(table) = hidden {
        return closed(entity, table);
    }
    let near = catalog.visible().find(|table| tables::is_near(&table.name, wanted)).or_else(|| {
        catalog.tables.iter().find(|table| table.name == wanted || tables::is_near(&table.name, wanted))
    });
    let place = looked_in(catalog);
    tables::not_found(entity, wanted, &place, near.map(|table| table.shown.as_str()))
}

/// Where a table was looked for, for an error: the schemas, those that do not exist or may not be used apart.
fn looked_in(catalog: &Catalog) -> String {
    let (known, unknown): (Vec<&str>, Vec<&str>) =
        catalog.schemas.iter().map(String::as_str).partition(|schema| catalog.usable.contains_key(*schema));
    let open: Vec<&str> = known.into_iter().filter(|schema| !catalog.is_closed(schema)).collect();
    let mut text = match open.as_slice() {
        [] => {
            let closed =
                catalog.usable.iter().filter(|(_, usable)| !**usable).map(|(schema, _)| schema.as_str());
            let closed: Vec<&str> = closed.collect();
            match closed.as_slice() {
                [] => ", and no schema is looked in, because the role's search_path names none that exists; name one with `.schema(\"…\")`".to_owned(),
                closed => format!(
                    ", and no schema is looked in, because the role may use none of its search_path (it may not use {}); GRANT USAGE ON \
                     SCHEMA to it, or name a schema with `.schema(\"…\")`",
                    listed(closed.iter().copied())
                ),
            }
        }
        open => format!(", in the schemas looked in, which are {}", listed(open.iter().copied())),
    };
    if !unknown.is_empty() {
        let there = listed(catalog.usable.keys().map(String::as_str));
        text.push_str(&format!(
            "; there is no schema {}, the schemas of the database are {there}",
            listed(unknown.iter().copied())
        ));
    }
    text
}
