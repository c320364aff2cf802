//! What the database holds, and what of it is in no entity.

use std::collections::{BTreeMap, BTreeSet};

use koan_backup_core::{EntityCodec, EntityCoverage, ForeignKey, ProviderDescription, Result, SetName};

use super::catalog::{TableKind, references};
use super::error::failed;
use super::mapping::{Mapping, find_table, named_sets};
use super::snapshot::Reader;

/// Describes the database as `entities` see it. Tables in `ignored` are not missed.
pub(super) fn describe(
    reader: &Reader,
    entities: &[EntityCodec],
    ignored: &BTreeMap<String, String>,
) -> Result<ProviderDescription> {
    let mut mapped = BTreeSet::new();
    let mut description = ProviderDescription::default();
    description.version = format!("SQLite {}", rusqlite::version());
    for entity in entities {
        let mut coverage = EntityCoverage::new(entity.name());
        match find_table(&reader.catalog, entity) {
            Err(error) => coverage.problem = Some(error.to_string()),
            Ok(root) => {
                coverage.table = Some(root.name.clone());
                mapped.insert(root.name.clone());
                mapped.extend(
                    named_sets(&reader.catalog, &root.name).iter().map(|set| format!("{}#{set}", root.name)),
                );
                cover_columns(reader, entity, &mut coverage);
            }
        }
        description.entities.push(coverage);
    }
    let tables = reader
        .catalog
        .tables
        .iter()
        .filter(|table| matches!(table.kind, TableKind::Table | TableKind::Virtual));
    let unmapped = tables
        .map(|table| &table.name)
        .filter(|name| !mapped.contains(*name) && !ignored.contains_key(*name));
    description.unmapped_tables = unmapped.cloned().collect();
    description.unmapped_tables.sort();
    let pairs = references(&reader.connection)
        .map_err(|error| failed(&reader.path, "reading the foreign keys", error))?;
    description.foreign_keys =
        pairs.into_iter().map(|(table, parent)| ForeignKey { table, parent }).collect();
    Ok(description)
}

fn cover_columns(reader: &Reader, entity: &EntityCodec, coverage: &mut EntityCoverage) {
    match Mapping::find(&reader.catalog, entity, &SetName::root()) {
        Err(error) => coverage.problem = Some(error.to_string()),
        Ok(mapping) => {
            let fields = &entity.schema().fields;
            coverage.problem = mapping.problem(entity);
            coverage.unmapped_columns =
                mapping.unmapped_columns.iter().map(|column| column.name.clone()).collect();
            coverage.unmapped_fields =
                mapping.unmapped_fields.iter().map(|&field| fields[field].name.clone()).collect();
        }
    }
}
