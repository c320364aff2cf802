//! Describes the coverage of a database: which tables and columns belong to entities.

use std::collections::{BTreeMap, BTreeSet};

use koan_backup_core::{
    Result, SetName,
    entity::EntityCodec,
    provider::{ForeignKey, ProviderDescription},
};

use super::catalog::{TableKind, references};
use super::error::failed;
use super::mapping::{self, find_table, named_sets, table_named_root};
use super::snapshot::Reader;
use koan_backup_sql::coverage::{self, DatabaseTable, EntityTables, IgnoredTables, MatchedTable};

/// Describes the coverage of the database by `entities`. Tables in `ignored` are not reported as uncovered.
pub(super) fn describe(
    reader: &Reader,
    entities: &[EntityCodec],
    ignored: &BTreeMap<String, String>,
) -> Result<ProviderDescription> {
    let mut description = ProviderDescription::default();
    description.version = format!("SQLite {}", rusqlite::version());
    let mut unused_tables = BTreeMap::new();
    let entity_tables: Vec<_> =
        entities.iter().map(|entity| matched_tables(reader, entity, &mut unused_tables)).collect();
    description.entities = coverage::of_entities(&entity_tables);
    let known: Vec<DatabaseTable<'_>> =
        reader.catalog.tables.iter().map(|table| database_table(&table.name)).collect();
    let ignored = IgnoredTables { tables: ignored, is_named };
    description.warnings = ignored.warnings(&known, &entity_tables);
    let mapped: BTreeSet<&str> =
        entity_tables.iter().flat_map(|entity| &entity.tables).map(|matched| matched.id.as_str()).collect();
    let tables = reader
        .catalog
        .tables
        .iter()
        .filter(|table| matches!(table.kind, TableKind::Table | TableKind::Virtual));
    let unmapped = tables
        .map(|table| &table.name)
        .filter(|name| !mapped.contains(name.as_str()) && !ignored.contains(&database_table(name)));
    description.unmapped_tables =
        unmapped.map(|name| coverage::unmapped_table(name, unused_tables.get(name))).collect();
    description.unmapped_tables.sort();
    let pairs = references(&reader.connection)
        .map_err(|error| failed(&reader.path, "reading the foreign keys", error))?;
    description.foreign_keys =
        pairs.into_iter().map(|(table, parent)| ForeignKey { table, parent }).collect();
    Ok(description)
}

/// Returns whether the application ignores a table.
pub(super) fn is_ignored(ignored: &BTreeMap<String, String>, table: &str) -> bool {
    IgnoredTables { tables: ignored, is_named }.contains(&database_table(table))
}

fn database_table(name: &str) -> DatabaseTable<'_> {
    DatabaseTable { display_name: name, schema: "main", name, partition_of: None }
}

/// Returns whether a name refers to a table. Case is ignored, as in SQLite, and the name may include the
/// schema of the table.
fn is_named(name: &str, table: &DatabaseTable<'_>) -> bool {
    let with_schema = name.strip_prefix(table.schema).and_then(|rest| rest.strip_prefix('.'));
    name.eq_ignore_ascii_case(table.name)
        || with_schema.is_some_and(|rest| rest.eq_ignore_ascii_case(table.name))
}

/// Matches one entity with the tables of the database.
fn matched_tables<'r>(
    reader: &Reader,
    entity: &'r EntityCodec,
    unused_tables: &mut BTreeMap<String, String>,
) -> EntityTables<'r, String> {
    let root = match find_table(&reader.catalog, entity) {
        Ok(root) => root,
        Err(error) => return EntityTables { entity, tables: Vec::new(), problem: Some(error.to_string()) },
    };
    if let Some(unused) = table_named_root(&reader.catalog, entity, root) {
        unused_tables.insert(unused.name.clone(), root.name.clone());
    }
    let sets = named_sets(&reader.catalog, entity, root);
    let tables = [(SetName::root(), root)].into_iter().chain(sets).map(|(set, table)| MatchedTable {
        set,
        id: table.name.clone(),
        table: table.name.clone(),
        relationship: None,
        matched: mapping::match_columns(table, entity),
    });
    EntityTables { entity, tables: tables.collect(), problem: None }
}
