//! What the database holds, and what of it is in no entity.

use std::collections::{BTreeMap, BTreeSet};

use koan_backup_core::{EntityCodec, EntityCoverage, ForeignKey, ProviderDescription, Result};

use super::catalog::{Table, TableKind, references};
use super::error::failed;
use super::identifier::listed;
use super::mapping::{Mapping, find_table, named_sets, root_twin};
use super::snapshot::Reader;

/// Describes the database as `entities` see it. Tables in `ignored` are not missed.
pub(super) fn describe(
    reader: &Reader,
    entities: &[EntityCodec],
    ignored: &BTreeMap<String, String>,
) -> Result<ProviderDescription> {
    let mut description = ProviderDescription::default();
    description.version = format!("SQLite {}", rusqlite::version());
    let mut twins = BTreeMap::new();
    let views: Vec<View<'_>> = entities.iter().map(|entity| View::of(reader, entity, &mut twins)).collect();
    for (index, view) in views.iter().enumerate() {
        let others = views.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, view)| view);
        description.entities.push(view.coverage(&others.collect::<Vec<_>>()));
    }
    let mapped: BTreeSet<&str> =
        views.iter().flat_map(|view| &view.tables).map(|seen| seen.table.name.as_str()).collect();
    let tables = reader
        .catalog
        .tables
        .iter()
        .filter(|table| matches!(table.kind, TableKind::Table | TableKind::Virtual));
    let unmapped = tables
        .map(|table| &table.name)
        .filter(|name| !mapped.contains(name.as_str()) && !ignored.contains_key(*name));
    description.unmapped_tables = unmapped
        .map(|name| match twins.get(name) {
            Some(root) => {
                format!("{name} (no set: the set `root` is table `{root}` itself; rename this one)")
            }
            None => name.clone(),
        })
        .collect();
    description.unmapped_tables.sort();
    let pairs = references(&reader.connection)
        .map_err(|error| failed(&reader.path, "reading the foreign keys", error))?;
    description.foreign_keys =
        pairs.into_iter().map(|(table, parent)| ForeignKey { table, parent }).collect();
    Ok(description)
}

/// What one entity has to do with the database.
struct View<'r> {
    entity: &'r EntityCodec,
    /// Its tables, that of the default set first.
    tables: Vec<Seen<'r>>,
    /// Why there is none.
    problem: Option<String>,
}

/// A table as an entity sees it.
struct Seen<'r> {
    table: &'r Table,
    mapping: Result<Mapping>,
}

impl<'r> View<'r> {
    fn of(reader: &'r Reader, entity: &'r EntityCodec, twins: &mut BTreeMap<String, String>) -> Self {
        let root = match find_table(&reader.catalog, entity) {
            Ok(root) => root,
            Err(error) => return Self { entity, tables: Vec::new(), problem: Some(error.to_string()) },
        };
        if let Some(twin) = root_twin(&reader.catalog, entity, root) {
            twins.insert(twin.name.clone(), root.name.clone());
        }
        let sets = named_sets(&reader.catalog, entity, root).into_iter().map(|(_, table)| table);
        let tables = [root].into_iter().chain(sets);
        let tables = tables.map(|table| Seen { table, mapping: Mapping::of_table(table, entity) }).collect();
        Self { entity, tables, problem: None }
    }

    fn coverage(&self, others: &[&View<'_>]) -> EntityCoverage {
        let mut coverage = EntityCoverage::new(self.entity.name());
        coverage.table = self.tables.first().map(|seen| seen.table.name.clone());
        let mut problems: Vec<String> = self.problem.iter().cloned().collect();
        let fields = &self.entity.schema().fields;
        let absent = self.tables.first().and_then(|root| root.mapping.as_ref().ok());
        let absent = absent.map_or(&[][..], |mapping| &mapping.unmapped_fields);
        for (index, seen) in self.tables.iter().enumerate() {
            let table = &seen.table.name;
            let called = |name: &str| match index {
                0 => name.to_owned(),
                _ => format!("{name} (in table `{table}`)"),
            };
            let sharing: Vec<(&View<'_>, &Seen<'_>)> = others
                .iter()
                .flat_map(|view| view.tables.iter().map(move |seen| (*view, seen)))
                .filter(|(_, other)| other.table.name == *table)
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
