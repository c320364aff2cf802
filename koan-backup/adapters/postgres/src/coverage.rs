//! Describes the coverage of a database: which tables and columns belong to entities.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use koan_backup_core::{
    Result, SetName,
    entity::EntityCodec,
    provider::{ForeignKey, ProviderDescription},
};

use super::catalog::{Catalog, Table, references};
use super::connection::Connection;
use super::error::failed;
use super::event_store::tables::StoreTables;
use super::mapping::{self, find_table, named_sets, table_named_root};
use super::state::{self, StateOptions};
use koan_backup_sql::coverage::{self, DatabaseTable, EntityTables, IgnoredTables, MatchedTable};
use koan_backup_sql::event_tables::EventTables;

/// The settings of a provider that affect the coverage of its database.
#[derive(Clone, Copy, Debug)]
pub(super) struct CoverageSettings<'s> {
    /// The tables that are not reported as uncovered, each with the reason.
    pub(super) ignored: &'s BTreeMap<String, String>,
    pub(super) state: &'s StateOptions,
    /// The tables of the event store, if there is one.
    pub(super) event_tables: Option<&'s Arc<EventTables>>,
}

impl CoverageSettings<'_> {
    /// Finds the tables of the event store.
    pub(super) fn find_event_tables(&self, catalog: &Catalog) -> Result<Option<StoreTables>> {
        self.event_tables.map(|settings| StoreTables::find(catalog, settings)).transpose()
    }
}

/// Describes the coverage of the database by `entities` and by the event store.
pub(super) async fn describe(
    connection: &Connection,
    entities: &[EntityCodec],
    settings: &CoverageSettings<'_>,
) -> Result<ProviderDescription> {
    let CoverageSettings { ignored, state, .. } = *settings;
    let catalog = Catalog::read(connection).await?;
    let event_tables = settings.find_event_tables(&catalog)?;
    let mut description = ProviderDescription::default();
    description.version = format!("PostgreSQL {}", version(connection).await?);
    let mut unused_tables = BTreeMap::new();
    let entity_tables: Vec<_> =
        entities.iter().map(|entity| matched_tables(&catalog, entity, &mut unused_tables)).collect();
    description.entities = coverage::of_entities(&entity_tables);
    let known: Vec<DatabaseTable<'_>> = catalog.tables.iter().map(database_table).collect();
    if let Some(tables) = &event_tables {
        for matched in &entity_tables {
            tables.require_no_entity(matched.entity.name(), matched.tables.iter().map(|table| table.id))?;
        }
    }
    let ignored_tables = ignored;
    let ignored = IgnoredTables { tables: ignored, is_named: refers_to };
    description.warnings = ignored.warnings(&known, &entity_tables);
    let mut mapped: BTreeSet<u32> =
        entity_tables.iter().flat_map(|entity| &entity.tables).map(|table| table.id).collect();
    if let Some(tables) = &event_tables {
        description.warnings.extend(tables.warnings());
        description.warnings.extend(tables.ignored_tables(|table| is_ignored(ignored_tables, table)));
        mapped.extend(tables.oids());
    }
    if !mapped.is_empty() || !entities.is_empty() {
        description.warnings.extend(state::uncovered(connection, &catalog, &mapped, state).await?);
    }
    // The rows of a partition belong to its partitioned table.
    let tables = catalog.tables.iter().filter(|table| table.is_table() && !table.is_partition);
    let unmapped =
        tables.filter(|table| !mapped.contains(&table.oid) && !ignored.contains(&database_table(table)));
    description.unmapped_tables = unmapped
        .map(|table| coverage::unmapped_table(&table.display_name, unused_tables.get(&table.oid)))
        .collect();
    description.unmapped_tables.sort();
    let inheriting = catalog.tables.iter().filter(|table| !table.is_partition && !table.parents.is_empty());
    description.notes.extend(inheriting.filter(|table| !mapped.contains(&table.oid)).map(|table| {
        let relationship = table.relationship().unwrap_or_default();
        format!(
            "table `{}` {relationship}; its rows are backed up only if an entity is mapped to this table",
            table.display_name
        )
    }));
    let display_names: BTreeMap<u32, &str> =
        catalog.tables.iter().map(|table| (table.oid, table.display_name.as_str())).collect();
    for reference in references(connection).await? {
        if let (Some(&table), Some(&parent)) =
            (display_names.get(&reference.child), display_names.get(&reference.parent))
        {
            description.foreign_keys.push(ForeignKey { table: table.to_owned(), parent: parent.to_owned() });
        }
    }
    description.foreign_keys.sort_by(|a, b| (&a.table, &a.parent).cmp(&(&b.table, &b.parent)));
    Ok(description)
}

/// Returns whether the application ignores a table.
pub(super) fn is_ignored(ignored: &BTreeMap<String, String>, table: &Table) -> bool {
    IgnoredTables { tables: ignored, is_named: refers_to }.contains(&database_table(table))
}

fn database_table(table: &Table) -> DatabaseTable<'_> {
    let partition_of = table.parents.first().filter(|_| table.is_partition).map(String::as_str);
    DatabaseTable {
        display_name: &table.display_name,
        schema: &table.schema,
        name: &table.name,
        partition_of,
    }
}

/// Returns whether a name refers to the table: its display name, or its name with the schema.
fn refers_to(name: &str, table: &DatabaseTable<'_>) -> bool {
    let with_schema = name.strip_prefix(table.schema).and_then(|rest| rest.strip_prefix('.'));
    name == table.display_name || with_schema == Some(table.name)
}

async fn version(connection: &Connection) -> Result<String> {
    let row = connection.client.query_one("SELECT pg_catalog.current_setting('server_version')", &[]).await;
    row.and_then(|row| row.try_get(0)).map_err(|error| failed("reading the version", &error))
}

/// Matches one entity with the tables of the database.
fn matched_tables<'c>(
    catalog: &Catalog,
    entity: &'c EntityCodec,
    unused_tables: &mut BTreeMap<u32, String>,
) -> EntityTables<'c, u32> {
    let root = match find_table(catalog, entity) {
        Ok(root) => root,
        Err(error) => return EntityTables { entity, tables: Vec::new(), problem: Some(error.to_string()) },
    };
    if let Some(unused) = table_named_root(catalog, root) {
        unused_tables.insert(unused.oid, root.display_name.clone());
    }
    let sets = named_sets(catalog, root);
    let tables = [(SetName::root(), root)].into_iter().chain(sets).map(|(set, table)| MatchedTable {
        set,
        id: table.oid,
        table: table.display_name.clone(),
        relationship: table.relationship(),
        matched: mapping::match_columns(table, entity),
    });
    EntityTables { entity, tables: tables.collect(), problem: None }
}
