//! What the database holds, and what of it is in no entity.

use std::collections::{BTreeMap, BTreeSet};

use koan_backup_core::{
    Result,
    entity::EntityCodec,
    provider::{ForeignKey, ProviderDescription},
};

use super::catalog::{TableKind, references};
use super::error::failed;
use super::mapping::{Mapping, find_table, named_sets, root_twin};
use super::snapshot::Reader;
use koan_backup_sql::coverage::{self, DatabaseTable, EntityTables, IgnoredTables, MatchedTable};

/// Describes the database as `entities` see it. Tables in `ignored` are not missed.
pub(super) fn describe(
    reader: &Reader,
    entities: &[EntityCodec],
    ignored: &BTreeMap<String, String>,
) -> Result<ProviderDescription> {
    let mut description = ProviderDescription::default();
    description.version = format!("SQLite {}", rusqlite::version());
    let mut twins = BTreeMap::new();
    let views: Vec<_> = entities.iter().map(|entity| view(reader, entity, &mut twins)).collect();
    description.entities = coverage::of_entities(&views);
    let known: Vec<DatabaseTable<'_>> =
        reader.catalog.tables.iter().map(|table| known(&table.name)).collect();
    let ignored = IgnoredTables { tables: ignored, names: is_named };
    description.warnings = ignored.warnings(&known, &views);
    let mapped: BTreeSet<&str> =
        views.iter().flat_map(|view| &view.tables).map(|seen| seen.id.as_str()).collect();
    let tables = reader
        .catalog
        .tables
        .iter()
        .filter(|table| matches!(table.kind, TableKind::Table | TableKind::Virtual));
    let unmapped = tables
        .map(|table| &table.name)
        .filter(|name| !mapped.contains(name.as_str()) && !ignored.contains(&self::known(name)));
    description.unmapped_tables =
        unmapped.map(|name| coverage::unmapped_table(name, twins.get(name))).collect();
    description.unmapped_tables.sort();
    let pairs = references(&reader.connection)
        .map_err(|error| failed(&reader.path, "reading the foreign keys", error))?;
    description.foreign_keys =
        pairs.into_iter().map(|(table, parent)| ForeignKey { table, parent }).collect();
    Ok(description)
}

fn known(name: &str) -> DatabaseTable<'_> {
    DatabaseTable { shown: name, schema: "main", name, partition_of: None }
}

/// SQLite compares names without regard to case. A name may have its schema before it.
fn is_named(name: &str, table: &DatabaseTable<'_>) -> bool {
    let with_schema = name.strip_prefix(table.schema).and_then(|rest| rest.strip_prefix('.'));
    name.eq_ignore_ascii_case(table.name)
        || with_schema.is_some_and(|rest| rest.eq_ignore_ascii_case(table.name))
}

/// What one entity has to do with the database.
fn view<'r>(
    reader: &Reader,
    entity: &'r EntityCodec,
    twins: &mut BTreeMap<String, String>,
) -> EntityTables<'r, String> {
    let root = match find_table(&reader.catalog, entity) {
        Ok(root) => root,
        Err(error) => return EntityTables { entity, tables: Vec::new(), problem: Some(error.to_string()) },
    };
    if let Some(twin) = root_twin(&reader.catalog, entity, root) {
        twins.insert(twin.name.clone(), root.name.clone());
    }
    let sets = named_sets(&reader.catalog, entity, root).into_iter().map(|(_, table)| table);
    let tables = [root].into_iter().chain(sets).map(|table| MatchedTable {
        id: table.name.clone(),
        table: table.name.clone(),
        belongs: None,
        matched: Mapping::matched(table, entity),
    });
    EntityTables { entity, tables: tables.collect(), problem: None }
}
