//! Maps an entity to its table, and its fields to columns.

mod sets;

use koan_backup_core::{Error, ErrorKind, Result, SetName, entity::EntityCodec, schema::FieldSchema};

use super::catalog::{Catalog, Column, Table, TableKind};
use super::column_type::ColumnType;
use super::types::StoredType;
use koan_backup_sql::coverage::MatchedColumns;
use koan_backup_sql::field_kind::FieldKind;
use koan_backup_sql::identifier::{folded, listed, quoted};
use koan_backup_sql::mapping::{SqlColumn, SqlTable};
use koan_backup_sql::tables;

pub(super) use sets::{named_sets, table_named_root};

/// An entity's table, with the columns matched to its fields.
pub(super) type Mapping = koan_backup_sql::mapping::Mapping<Table>;

/// A column and what it contains for the entity.
pub(super) type MappedColumn = koan_backup_sql::mapping::MappedColumn<Column>;

impl SqlTable for Table {
    type Column = Column;

    fn display_name(&self) -> &str {
        &self.display_name
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn type_of_field(&self, column: &Column, field: &FieldSchema) -> Result<ColumnType, String> {
        ColumnType::of_field(field, column).ok_or_else(|| incompatible_type(self, column, field))
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
        self.stored == StoredType::Bytea
    }

    fn type_of_extra(&self) -> Option<ColumnType> {
        ColumnType::extra(self)
    }
}

/// Finds the table of a set of an entity and matches its columns.
pub(super) fn find(catalog: &Catalog, entity: &EntityCodec, set: &SetName) -> Result<Mapping> {
    let root = find_table(catalog, entity)?;
    let table = if set.is_root() { root } else { sets::find(catalog, entity, root, set)? };
    Mapping::of_table(table, entity)
}

/// Returns which columns of a table an entity covers, or why the columns cannot be matched or read.
pub(super) fn match_columns(table: &Table, entity: &EntityCodec) -> Result<MatchedColumns, String> {
    let mapping = Mapping::of_table(table, entity).map_err(|error| error.to_string())?;
    match unreadable(&mapping) {
        Some(reason) => Err(reason),
        None => Ok(mapping.into_matched(entity)),
    }
}

/// Returns why the role cannot read all rows of the entity, or `None` if it can.
pub(super) fn unreadable(mapping: &Mapping) -> Option<String> {
    let name = &mapping.table.display_name;
    if mapping.columns.iter().any(|mapped| !mapped.column.is_readable) {
        let sql = mapping.table.quoted();
        Some(format!(
            "the role is not permitted to read table `{name}`; run `GRANT SELECT ON {sql} TO` the role"
        ))
    } else if mapping.table.hides_rows {
        Some(format!(
            "row-level security hides rows of table `{name}` from the role; use the owner of the table \
             or a role with BYPASSRLS, so that no row is missing"
        ))
    } else {
        None
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
        [table] if catalog.lacks_usage(&table.schema) => Err(schema_usage_error(entity, table)),
        [table] if table.is_table() => Ok(table),
        [table] => Err(not_a_table(entity, table)),
        [] => Err(no_table(catalog, entity, wanted)),
        several => Err(tables::ambiguous(entity, several.iter().map(|table| table.display_name.as_str()))),
    }
}

fn incompatible_type(table: &Table, column: &Column, field: &FieldSchema) -> String {
    let kind = FieldKind::of_field(field);
    if column.stored.contains_money_of_other_scale() {
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
        super::column_type::suggested_types(kind),
    )
}

fn not_a_table(entity: &EntityCodec, table: &Table) -> Error {
    let kind = match table.kind {
        TableKind::View => "a view",
        TableKind::MaterializedView => "a materialized view",
        _ => "a foreign table",
    };
    tables::not_a_table(entity, &table.display_name, kind)
}

/// Returns the error for an existing table in a schema that the role is not permitted to use.
fn schema_usage_error(entity: &EntityCodec, table: &Table) -> Error {
    Error::new(
        ErrorKind::Provider,
        format!(
            "{} is in table `{}.{}`, and the role is not permitted to use schema `{}`; run `GRANT USAGE ON SCHEMA {} TO` \
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
    // PostgreSQL silently omits schemas that a role is not permitted to use from its search path.
    let is_wanted = |table: &&Table| match entity.descriptor().table() {
        Some(_) => table.name.eq_ignore_ascii_case(wanted),
        None => folded(&table.name) == folded(wanted),
    };
    let hidden = catalog.tables.iter().filter(|table| catalog.lacks_usage(&table.schema)).find(is_wanted);
    if let Some(table) = hidden {
        return schema_usage_error(entity, table);
    }
    let similar = catalog.visible().find(|table| tables::is_near(&table.name, wanted)).or_else(|| {
        catalog.tables.iter().find(|table| table.name == wanted || tables::is_near(&table.name, wanted))
    });
    let location = searched_schemas(catalog);
    tables::not_found(entity, wanted, &location, similar.map(|table| table.display_name.as_str()))
}

/// Returns the schemas in which a table was searched, as a part of an error message. Schemas that do not
/// exist or that the role is not permitted to use are listed separately.
fn searched_schemas(catalog: &Catalog) -> String {
    let (known, unknown): (Vec<&str>, Vec<&str>) = catalog
        .schemas
        .iter()
        .map(String::as_str)
        .partition(|schema| catalog.schema_usage.contains_key(*schema));
    let searched: Vec<&str> = known.into_iter().filter(|schema| !catalog.lacks_usage(schema)).collect();
    let mut text = match searched.as_slice() {
        [] => {
            let without_usage = catalog
                .schema_usage
                .iter()
                .filter(|(_, has_usage)| !**has_usage)
                .map(|(schema, _)| schema.as_str());
            let without_usage: Vec<&str> = without_usage.collect();
            match without_usage.as_slice() {
                [] => ", and no schema is searched, because the role's search_path contains no existing \
                       schema; set a schema with `.schema(\"…\")`"
                    .to_owned(),
                without_usage => format!(
                    ", and no schema is searched, because the role may use no schema of its search_path (it has \
                     no USAGE privilege on {}); run GRANT USAGE ON SCHEMA, or set a schema with \
                     `.schema(\"…\")`",
                    listed(without_usage.iter().copied())
                ),
            }
        }
        searched => format!(", in the searched schemas {}", listed(searched.iter().copied())),
    };
    if !unknown.is_empty() {
        let existing = listed(catalog.schema_usage.keys().map(String::as_str));
        text.push_str(&format!(
            "; there is no schema {}, the schemas of the database are {existing}",
            listed(unknown.iter().copied())
        ));
    }
    text
}
