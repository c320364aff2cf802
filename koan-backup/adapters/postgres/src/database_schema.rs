//! Describes the tables of the database for tools.

mod field_type;
mod stored_values;

use std::collections::{BTreeMap, BTreeSet};

use koan_backup_core::{
    Result, SetName,
    provider::{ColumnDescription, ColumnFieldType, DatabaseSchema, EnumDescription, TableDescription},
    schema::LogicalType,
};
use koan_backup_sql::identifier::listed;
use tokio_postgres::types::Oid;

use super::catalog::{Catalog, Table, TableKind};
use super::connection::Connection;
use super::coverage::{CoverageSettings, is_ignored};
use super::enumeration::{self, Enumeration};
use super::state;

/// Describes the tables, with a type of field for each column that reads every stored value. Ignored tables and the
/// tables of the event store are missing.
pub(super) async fn describe(
    connection: &Connection,
    settings: &CoverageSettings<'_>,
) -> Result<DatabaseSchema> {
    let CoverageSettings { ignored, state, .. } = *settings;
    let catalog = Catalog::read(connection).await?;
    let event_tables: BTreeSet<Oid> =
        settings.find_event_tables(&catalog)?.iter().flat_map(|tables| tables.oids()).collect();
    let enums = enumeration::read(connection).await?;
    let enum_names: BTreeMap<Oid, String> =
        enums.iter().map(|(oid, found)| (*oid, catalog.display_name(&found.schema, &found.name))).collect();
    let mut schema = DatabaseSchema::new("postgres");
    schema.relations = catalog.visible().map(|table| table.name.clone()).collect();
    let mut used_enums = BTreeSet::new();
    for table in catalog.tables.iter().filter(|table| !is_ignored(ignored, table)) {
        if table.kind == TableKind::Foreign {
            schema.uncoverable.push(format!(
                "foreign table `{}` contains rows of another server, which a backup of this database does not \
                 contain; back up that server",
                table.display_name
            ));
        }
        if !table.is_table()
            || table.is_partition
            || event_tables.contains(&table.oid)
            || is_set(&catalog, table)
        {
            continue;
        }
        let Some(address) = address(&catalog, table) else {
            schema.uncoverable.push(format!(
                "table `{}` cannot be an entity, because the name of its schema contains a point; rename the \
                 schema, or add it to the search path",
                table.display_name
            ));
            continue;
        };
        used_enums.extend(table.columns.iter().filter_map(|column| column.enumeration));
        schema.tables.push(describe_table(connection, &catalog, table, address, &enum_names).await?);
    }
    schema.tables.sort_by(|a, b| a.address.cmp(&b.address));
    schema.enums = used_enums.iter().filter_map(|oid| describe_enum(*oid, &enums, &enum_names)).collect();
    schema.enums.sort_by(|a, b| a.name.cmp(&b.name));
    let covered: BTreeSet<Oid> =
        catalog.tables.iter().filter(|table| table.is_table()).map(|table| table.oid).collect();
    schema.uncoverable.extend(state::uncovered(connection, &catalog, &covered, state).await?);
    Ok(schema)
}

fn describe_enum(
    oid: Oid,
    enums: &BTreeMap<Oid, Enumeration>,
    names: &BTreeMap<Oid, String>,
) -> Option<EnumDescription> {
    let (found, name) = (enums.get(&oid)?, names.get(&oid)?);
    Some(EnumDescription::new(name, found.labels.clone()))
}

/// Returns whether the table contains a named set of an entity.
fn is_set(catalog: &Catalog, table: &Table) -> bool {
    catalog.tables.iter().any(|root| root.is_table() && is_set_of(table, root))
}

fn is_set_of(table: &Table, root: &Table) -> bool {
    table.schema == root.schema
        && table
            .name
            .rsplit_once('#')
            .is_some_and(|(name, set)| name == root.name && SetName::new(set).is_ok_and(|set| !set.is_root()))
}

/// Returns the name with which `#[entity(table = "…")]` refers to a table; `None` if no name does.
fn address(catalog: &Catalog, table: &Table) -> Option<String> {
    let found = catalog.visible().find(|other| other.name == table.name);
    if found.is_some_and(|found| found.oid == table.oid) {
        return Some(table.name.clone());
    }
    (!table.schema.contains('.')).then(|| format!("{}.{}", table.schema, table.name))
}

async fn describe_table(
    connection: &Connection,
    catalog: &Catalog,
    table: &Table,
    address: String,
    enums: &BTreeMap<Oid, String>,
) -> Result<TableDescription> {
    let mut description = TableDescription::new(&table.name);
    description.address = address;
    description.schema = Some(table.schema.clone());
    description.notes.extend(
        table
            .relationship()
            .map(|relationship| format!("The relationship of the table to others: {relationship}.")),
    );
    let sets: Vec<&Table> = catalog.tables.iter().filter(|other| is_set_of(other, table)).collect();
    if !sets.is_empty() {
        let names = listed(sets.iter().map(|set| set.display_name.as_str()));
        description.notes.push(format!("The tables {names} contain named sets of this entity."));
    }
    let mut unfit = BTreeSet::new();
    for stored in [table].iter().chain(&sets) {
        if stored.hides_rows {
            description.notes.push(format!(
                "Row-level security hides rows of table `{}` from the role, so not all values were examined.",
                stored.display_name
            ));
        }
        if catalog.lacks_usage(&stored.schema) || !stored.is_readable {
            description.notes.push(format!(
                "The role is not permitted to read table `{}`, so its values were not examined.",
                stored.display_name
            ));
        } else {
            unfit.extend(stored_values::unfit_columns(connection, stored).await?);
        }
    }
    for column in &table.columns {
        let mut field_type = field_type::of_column(column, enums);
        let mut notes = Vec::new();
        if unfit.contains(&column.name) {
            field_type = ColumnFieldType::Logical(LogicalType::Text);
            notes.push(format!(
                "the column is of type `{}`, but only text represents all of its values; correct them, or keep the \
                 type of the field",
                column.declared
            ));
        }
        let mut described = ColumnDescription::new(&column.name, &column.declared, field_type);
        let is_nullable_in =
            |table: &Table| table.columns.iter().any(|other| other.name == column.name && !other.not_null);
        described.nullable = !column.not_null || sets.iter().any(|set| is_nullable_in(set));
        described.generated = column.generated;
        described.notes = notes;
        description.columns.push(described);
    }
    description.key = key(table, &description.columns);
    Ok(description)
}

/// Returns the columns of the primary key, or else of the smallest unique index whose columns are NOT NULL.
fn key(table: &Table, columns: &[ColumnDescription]) -> Vec<String> {
    let can_be_key = |name: &String| {
        let column = columns.iter().find(|column| column.name == *name);
        column.is_some_and(|column| column.field_type.can_be_key() && !column.nullable)
    };
    let mut keys: Vec<&Vec<String>> = vec![&table.primary_key];
    let mut others: Vec<&Vec<String>> = table.unique.iter().map(|index| &index.columns).collect();
    others.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    keys.extend(others);
    let found = keys.into_iter().find(|key| !key.is_empty() && key.iter().all(can_be_key));
    let is_in_key = |column: &&ColumnDescription| found.is_some_and(|key| key.contains(&column.name));
    columns.iter().filter(is_in_key).map(|column| column.name.clone()).collect()
}
