//! Maps an entity to its table, and its fields to columns.

mod sets;

use koan_backup_core::{Error, ErrorKind, Result, SetName, entity::EntityCodec, schema::FieldSchema};

use super::catalog::{Catalog, Column, Table, TableKind};
use super::column_type::ColumnType;
use super::types::StoredType;
use koan_backup_sql::columns::{Columns, missing, require_none};
use koan_backup_sql::content::Content;
use koan_backup_sql::coverage::{self, MatchedColumns};
use koan_backup_sql::field_kind::FieldKind;
use koan_backup_sql::identifier::{folded, listed, quoted};
use koan_backup_sql::tables;

pub(super) use sets::{named_sets, table_named_root};

/// An entity's table, with the columns matched to its fields.
#[derive(Clone, Debug)]
pub(super) struct Mapping {
    pub(super) table: Table,
    /// The columns that contain data of the entity: those of fields first, in the order of the fields.
    pub(super) columns: Vec<MappedColumn>,
    /// The columns without a field, except those that PostgreSQL computes.
    pub(super) unmapped_columns: Vec<Column>,
    /// The columns of the key fields, as indexes into `columns`.
    pub(super) key: Vec<usize>,
    /// The indexes of fields without a column.
    pub(super) unmapped_fields: Vec<usize>,
    /// Messages about columns whose type does not fit their field.
    incompatible: Vec<String>,
}

/// A column and the data of the entity that it contains.
#[derive(Clone, Debug)]
pub(super) struct MappedColumn {
    pub(super) column: Column,
    pub(super) content: Content,
    pub(super) column_type: ColumnType,
}

impl MappedColumn {
    /// Returns the serde name of the field, or the name of the column for an entry of a flattened map.
    pub(super) fn name<'a>(&'a self, entity: &'a EntityCodec) -> &'a str {
        match self.content {
            Content::Field(field) => &entity.schema().fields[field].name,
            Content::Extra => &self.column.name,
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
        let matches = Columns { table: &table.display_name, names }.matched(entity)?;
        Ok(Self::from_matches(table, entity, &matches))
    }

    fn from_matches(table: &Table, entity: &EntityCodec, matches: &[Option<usize>]) -> Self {
        let schema = entity.schema();
        let (mut columns, mut unmapped_fields, mut incompatible) = (Vec::new(), Vec::new(), Vec::new());
        for (index, field) in schema.fields.iter().enumerate() {
            let Some(column) = matches.iter().position(|&field| field == Some(index)) else {
                unmapped_fields.push(index);
                continue;
            };
            let column = table.columns[column].clone();
            match ColumnType::of_field(field, &column) {
                Some(column_type) => {
                    columns.push(MappedColumn { column, content: Content::Field(index), column_type });
                }
                None => incompatible.push(incompatible_type(table, &column, field)),
            }
        }
        let rest =
            table.columns.iter().zip(matches).filter(|(column, field)| field.is_none() && !column.generated);
        let rest = rest.map(|(column, _)| column.clone());
        let mut unmapped_columns = Vec::new();
        for column in rest {
            match ColumnType::extra(&column).filter(|_| schema.open) {
                Some(column_type) => {
                    columns.push(MappedColumn { column, content: Content::Extra, column_type })
                }
                None => unmapped_columns.push(column),
            }
        }
        let is_key = |mapped: &MappedColumn| mapped.content.is_key(entity);
        let key = (0..columns.len()).filter(|&index| is_key(&columns[index])).collect();
        Self { table: table.clone(), columns, key, unmapped_columns, unmapped_fields, incompatible }
    }

    /// Returns why records cannot be read or written, or `None` if they can. Possible reasons: a field that
    /// requires a column has no column, or the type of a column does not fit its field.
    pub(super) fn problem(&self, entity: &EntityCodec) -> Option<String> {
        let mut problems = self.incompatible.clone();
        problems.extend(missing(entity, &self.table.display_name, &self.unmapped_fields));
        (!problems.is_empty()).then(|| problems.join("; "))
    }

    /// Returns which columns of a table an entity covers, or why they cannot be matched.
    pub(super) fn matched(table: &Table, entity: &EntityCodec) -> Result<MatchedColumns, String> {
        let mapping = Self::of_table(table, entity).map_err(|error| error.to_string())?;
        if let Some(reason) = mapping.unreadable() {
            return Err(reason);
        }
        let names = |columns: &[Column]| columns.iter().map(|column| column.name.clone()).collect();
        Ok(MatchedColumns {
            problem: mapping.problem(entity),
            covered_columns: mapping.columns.iter().map(|mapped| mapped.column.name.clone()).collect(),
            unmapped_columns: names(&mapping.unmapped_columns),
            byte_list_fields: mapping.byte_list_fields(entity),
            unmapped_fields: mapping.unmapped_fields,
        })
    }

    /// Returns why the role cannot read all rows of the entity, or `None` if it can.
    pub(super) fn unreadable(&self) -> Option<String> {
        let name = &self.table.display_name;
        if self.columns.iter().any(|mapped| !mapped.column.is_readable) {
            let sql = self.table.quoted();
            Some(format!("the role may not read table `{name}`; run `GRANT SELECT ON {sql} TO` the role"))
        } else if self.table.hides_rows {
            Some(format!(
                "row-level security hides rows of table `{name}` from the role; use the owner of the table \
                 or a role with BYPASSRLS, so that no row is missing"
            ))
        } else {
            None
        }
    }

    /// Returns the [`problem`](Self::problem) as an error.
    pub(super) fn check(&self, entity: &EntityCodec) -> Result<()> {
        require_none(entity, self.problem(entity))
    }

    /// Returns the byte fields that serde writes as a list of numbers and whose columns are `bytea`.
    fn byte_list_fields(&self, entity: &EntityCodec) -> Vec<usize> {
        let fields = &entity.schema().fields;
        let byte_list_field = |mapped: &MappedColumn| match mapped.content {
            Content::Field(index) if mapped.column.stored == StoredType::Bytea => {
                coverage::is_byte_list(&fields[index]).then_some(index)
            }
            _ => None,
        };
        self.columns.iter().filter_map(byte_list_field).collect()
    }

    /// Returns the columns of the key.
    pub(super) fn key_columns(&self) -> impl Iterator<Item = &Column> {
        self.key.iter().map(|&index| &self.columns[index].column)
    }
}

/// Finds the table of the default set.
pub(super) fn find_table<'c>(catalog: &'c Catalog, entity: &EntityCodec) -> Result<&'c Table> {
    let descriptor = entity.descriptor();
    let wanted = descriptor.table().unwrap_or(entity.name());
    let visible_where = |matches: &dyn Fn(&str) -> bool| {
        let mut found: Vec<&Table> = catalog.visible().filter(|table| matches(&table.name)).collect();
        // The first schema with such a table hides the following schemas.
        if let Some(schema) = found.first().map(|table| table.schema.clone()) {
            found.retain(|table| table.schema == schema);
        }
        found
    };
    let mut found = visible_where(&|name| name == wanted);
    if let (true, Some((schema, name))) = (found.is_empty(), wanted.split_once('.')) {
        found = catalog.tables.iter().filter(|table| table.schema == schema && table.name == name).collect();
    }
    if found.is_empty() && descriptor.table().is_some() {
        // PostgreSQL converts unquoted names to lower case.
        found = visible_where(&|name| name.eq_ignore_ascii_case(wanted));
    } else if found.is_empty() {
        found = visible_where(&|name| folded(name) == folded(wanted));
    }
    match found.as_slice() {
        [table] if catalog.is_closed(&table.schema) => Err(closed(entity, table)),
        [table] if table.is_table() => Ok(table),
        [table] => Err(not_a_table(entity, table)),
        [] => Err(no_table(catalog, entity, wanted)),
        several => Err(tables::ambiguous(entity, several.iter().map(|table| table.display_name.as_str()))),
    }
}

fn incompatible_type(table: &Table, column: &Column, field: &FieldSchema) -> String {
    let kind = FieldKind::of(field);
    if column.stored.is_money_of_other_units() {
        return format!(
            "column `{}` of table `{}` is of type `{}`, which does not have two decimal places with \
             `lc_monetary` of the database, so the value of field `{}` would depend on that setting; make \
             the column `numeric`",
            column.name, table.display_name, column.declared, field.name,
        );
    }
    format!(
        "column `{}` of table `{}` is of type `{}`, which does not fit field `{}` ({}); make the column {}, \
         or change the type of the field",
        column.name,
        table.display_name,
        column.declared,
        field.name,
        kind.noun(),
        super::column_type::remedy(kind),
    )
}

fn not_a_table(entity: &EntityCodec, table: &Table) -> Error {
    let what = match table.kind {
        TableKind::View => "a view",
        TableKind::MaterializedView => "a materialized view",
        _ => "a foreign table",
    };
    tables::not_a_table(entity, &table.display_name, what)
}

/// Returns the error for an existing table in a schema that the role may not use.
fn closed(entity: &EntityCodec, table: &Table) -> Error {
    Error::new(
        ErrorKind::Provider,
        format!(
            "{} is in table `{}.{}`, and the role may not use schema `{}`; run `GRANT USAGE ON SCHEMA {} TO` \
             the role",
            entity.name(),
            table.schema,
            table.name,
            table.schema,
            quoted(&table.schema),
        ),
    )
}

fn no_table(catalog: &Catalog, entity: &EntityCodec, wanted: &str) -> Error {
    // PostgreSQL silently omits schemas that a role may not use from its search path.
    let is_wanted = |table: &&Table| match entity.descriptor().table() {
        Some(_) => table.name.eq_ignore_ascii_case(wanted),
        None => folded(&table.name) == folded(wanted),
    };
    let hidden = catalog.tables.iter().filter(|table| catalog.is_closed(&table.schema)).find(is_wanted);
    if let Some(table) = hidden {
        return closed(entity, table);
    }
    let similar = catalog.visible().find(|table| tables::is_near(&table.name, wanted)).or_else(|| {
        catalog.tables.iter().find(|table| table.name == wanted || tables::is_near(&table.name, wanted))
    });
    let location = searched_schemas(catalog);
    tables::not_found(entity, wanted, &location, similar.map(|table| table.display_name.as_str()))
}

/// Returns the schemas in which a table was searched, for an error; schemas that do not exist or may not be
/// used are listed separately.
fn searched_schemas(catalog: &Catalog) -> String {
    let (known, unknown): (Vec<&str>, Vec<&str>) =
        catalog.schemas.iter().map(String::as_str).partition(|schema| catalog.usable.contains_key(*schema));
    let open: Vec<&str> = known.into_iter().filter(|schema| !catalog.is_closed(schema)).collect();
    let mut text = match open.as_slice() {
        [] => {
            let closed =
                catalog.usable.iter().filter(|(_, usable)| !**usable).map(|(schema, _)| schema.as_str());
            let closed: Vec<&str> = closed.collect();
            match closed.as_slice() {
                [] => ", and no schema is searched, because the role's search_path contains no existing \
                       schema; set one with `.schema(\"…\")`"
                    .to_owned(),
                closed => format!(
                    ", and no schema is searched, because the role may use none of its search_path (it may \
                     not use {}); run GRANT USAGE ON SCHEMA, or set a schema with `.schema(\"…\")`",
                    listed(closed.iter().copied())
                ),
            }
        }
        open => format!(", in the searched schemas {}", listed(open.iter().copied())),
    };
    if !unknown.is_empty() {
        let existing = listed(catalog.usable.keys().map(String::as_str));
        text.push_str(&format!(
            "; there is no schema {}, the schemas of the database are {existing}",
            listed(unknown.iter().copied())
        ));
    }
    text
}
