//! What the database holds, and what of it is in no entity.

use std::collections::{BTreeMap, BTreeSet};

use koan_backup_core::{EntityCodec, EntityCoverage, ForeignKey, ProviderDescription, Result};

use super::catalog::{Catalog, Table, references};
use super::connection::Connection;
use super::error::failed;
use super::identifier::listed;
use super::mapping::{Mapping, find_table, named_sets, root_twin};

/// Describes the database as `entities` see it. Tables in `ignored` are not missed.
pub(super) async fn describe(
    connection: &Connection,
    entities: &[EntityCodec],
    ignored: &BTreeMap<String, String>,
) -> Result<ProviderDescription> {
    let catalog = Catalog::read(connection).await?;
    let mut description = ProviderDescription::default();
    description.version = format!("PostgreSQL {}", version(connection).await?);
    let mut twins = BTreeMap::new();
    let views: Vec<View<'_>> = entities.iter().map(|entity| View::of(&catalog, entity, &mut twins)).collect();
    for (index, view) in views.iter().enumerate() {
        let others = views.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, view)| view);
        description.entities.push(view.coverage(&others.collect::<Vec<_>>()));
    }
    let mapped: BTreeSet<u32> =
        views.iter().flat_map(|view| &view.tables).map(|seen| seen.table.oid).collect();
    // The rows of partitions are those of the partitioned table.
    let tables = catalog.tables.iter().filter(|table| table.is_table() && !table.is_partition);
    let unmapped = tables.filter(|table| {
        !mapped.contains(&table.oid)
            && !ignored.contains_key(&table.shown)
            && !ignored.contains_key(&table.name)
    });
    description.unmapped_tables = unmapped
        .map(|table| match twins.get(&table.oid) {
            Some(root) => {
                format!("{} (no set: the set `root` is table `{root}` itself; rename this one)", table.shown)
            }
            None => table.shown.clone(),
        })
        .collect();
    description.unmapped_tables.sort();
    let shown: BTreeMap<u32, &str> =
        catalog.tables.iter().map(|table| (table.oid, table.shown.as_str())).collect();
    for reference in references(connection).await? {
        if let (Some(&table), Some(&parent)) = (shown.get(&reference.child), shown.get(&reference.parent)) {
            description.foreign_keys.push(ForeignKey { table: table.to_owned(), parent: parent.to_owned() });
        }
    }
    description.foreign_keys.sort_by(|a, b| (&a.table, &a.parent).cmp(&(&b.table, &b.parent)));
    Ok(description)
}

async fn version(connection: &Connection) -> Result<String> {
    let row = connection.client.query_one("SELECT pg_catalog.current_setting('server_version')", &[]).await;
    row.and_then(|row| row.try_get(0)).map_err(|error| failed("asking for the version", &error))
}

/// What one entity has to do with the database.
struct View<'c> {
    entity: &'c EntityCodec,
    /// Its tables, that of the default set first.
    tables: Vec<Seen<'c>>,
    /// Why there is none.
    problem: Option<String>,
}

/// A table as an entity sees it.
struct Seen<'c> {
    table: &'c Table,
    mapping: Result<Mapping>,
}

impl<'c> View<'c> {
    fn of(catalog: &'c Catalog, entity: &'c EntityCodec, twins: &mut BTreeMap<u32, String>) -> Self {
        let root = match find_table(catalog, entity) {
            Ok(root) => root,
            Err(error) => return Self { entity, tables: Vec::new(), problem: Some(error.to_string()) },
        };
        if let Some(twin) = root_twin(catalog, root) {
            twins.insert(twin.oid, root.shown.clone());
        }
        let sets = named_sets(catalog, root).into_iter().map(|(_, table)| table);
        let tables = [root].into_iter().chain(sets);
        let tables = tables.map(|table| Seen { table, mapping: Mapping::of_table(table, entity) }).collect();
        Self { entity, tables, problem: None }
    }

    fn coverage(&self, others: &[&View<'_>]) -> EntityCoverage {
        let mut coverage = EntityCoverage::new(self.entity.name());
        coverage.table = self.tables.first().map(|seen| seen.table.shown.clone());
        let mut problems: Vec<String> = self.problem.iter().cloned().collect();
        let fields = &self.entity.schema().fields;
        let absent = self.tables.first().and_then(|root| root.mapping.as_ref().ok());
        let absent = absent.map_or(&[][..], |mapping| &mapping.unmapped_fields);
        for (index, seen) in self.tables.iter().enumerate() {
            let table = &seen.table.shown;
            let called = |name: &str| match index {
                0 => name.to_owned(),
                _ => format!("{name} (in table `{table}`)"),
            };
            let sharing: Vec<(&View<'_>, &Seen<'_>)> = others
                .iter()
                .flat_map(|view| view.tables.iter().map(move |seen| (*view, seen)))
                .filter(|(_, other)| other.table.oid == seen.table.oid)
                .collect();
            if !sharing.is_empty() {
                problems.push(shared(table, sharing.iter().map(|(view, _)| view.entity.name())));
            }
            match &seen.mapping {
                Err(error) => problems.push(error.to_string()),
                Ok(mapping) => {
                    problems.extend(mapping.problem(self.entity));
                    let elsewhere = |column: &str| sharing.iter().any(|(_, other)| other.covers(column));
                    let columns = mapping.unmapped_columns.iter().map(|column| column.name.as_str());
                    coverage.unmapped_columns.extend(columns.filter(|column| !elsewhere(column)).map(called));
                    let unmapped = mapping
                        .unmapped_fields
                        .iter()
                        .filter(|&&field| index == 0 || !absent.contains(&field));
                    coverage.unmapped_fields.extend(unmapped.map(|&field| called(&fields[field].name)));
                }
            }
        }
        coverage.problem = (!problems.is_empty()).then(|| problems.join("; "));
        coverage
    }
}

impl Seen<'_> {
    /// Whether something of the entity is in the column.
    fn covers(&self, column: &str) -> bool {
        self.mapping
            .as_ref()
            .is_ok_and(|mapping| mapping.places.iter().any(|place| place.column.name == column))
    }
}

/// Why entities cannot be in one table.
pub(super) fn shared<'a>(table: &str, others: impl IntoIterator<Item = &'a str>) -> String {
    format!(
        "shares table `{table}` with {}; restoring one with `replace_existing` would take the rows of the other, so \
         make one entity of them that has all the columns",
        listed(others)
    )
}
