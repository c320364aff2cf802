//! Checks the coverage: whether each table and column of the databases belongs to an entity, each field to a column, and
//! each object name of the event stores to an event type.

use std::sync::Arc;

use super::stream_coverage;
use crate::declaration::inventory::{Inventory, Remedy, UncoveredColumn, UncoveredTable};
use crate::entity::EntityCodec;
use crate::environment::KnownEntity;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::provider::{EntityCoverage, Provider, ProviderDescription, folded, is_near};

/// Checks covered entities for fields whose elements are written in a random order, such as hash maps. A
/// field that could not be tested results in a warning.
///
/// # Errors
/// An entity has a field that is proven to be written in a different order each time, so the entity cannot be
/// backed up reliably.
pub(super) fn check_order(entities: &[KnownEntity], inventory: &mut Inventory) -> Result<()> {
    // The records of event streams have types of this crate.
    let covered = entities.iter().filter(|known| known.policy.is_some() && !known.is_of_streams());
    for known in covered {
        let descriptor = known.codec.descriptor();
        let (proven, suspected) = descriptor.unordered();
        if !proven.is_empty() {
            let text = format!("{} ({})", proven.join("; "), descriptor.location());
            return Err(Error::new(ErrorKind::Configuration, text));
        }
        suspected.into_iter().for_each(|warning| inventory.warn(Remedy::InWarning, warning));
    }
    Ok(())
}

/// Adds the provider of each entity to an inventory, and the coverage of the databases: the table of each entity, the
/// tables without an entity, the columns without a field, the fields without a column, and the object names without an
/// event type.
pub(super) async fn add_coverage(
    providers: &[(String, Arc<dyn Provider>)],
    entities: &[KnownEntity],
    inventory: &mut Inventory,
) -> Result<()> {
    entities.iter().for_each(|known| inventory.set_provider(known.codec.name(), &known.provider));
    let mut described: Vec<(&str, ProviderDescription)> = Vec::new();
    for (name, provider) in providers {
        let provider_entities: Vec<EntityCodec> = entities
            .iter()
            .filter(|entity| &entity.provider == name && !entity.is_of_streams())
            .map(|entity| entity.codec.clone())
            .collect();
        let description = provider.describe(&provider_entities).await;
        let description =
            description.map_err(|error| error.context(format!("provider `{name}` cannot be read")))?;
        described.push((name, description));
    }
    let misplaced = misplaced_tables(&described, entities);
    for (name, description) in &described {
        for coverage in &description.entities {
            let found = misplaced.iter().find(|table| table.entity == coverage.entity);
            add_entity_coverage(name, coverage, found, inventory);
        }
        for table in &description.unmapped_tables {
            let mut text = format!("table `{table}` of `{name}` belongs to no entity");
            let found = misplaced.iter().find(|found| found.provider == *name && found.table == table);
            if let Some(found) = found {
                text.push_str(&found.remedy_for_table());
            }
            inventory.uncovered_tables.push(UncoveredTable {
                provider: (*name).to_owned(),
                table: table.clone(),
                warning: text.clone(),
            });
            inventory.warn(Remedy::Table, text);
        }
        inventory.notes.extend(description.notes.iter().map(|note| format!("provider `{name}`: {note}")));
        for warning in &description.warnings {
            inventory.warn(Remedy::InWarning, format!("provider `{name}`: {warning}"));
        }
    }
    for (name, provider) in providers {
        stream_coverage::add(name, provider.as_ref(), entities, inventory).await;
    }
    Ok(())
}

/// A table without an entity, whose name is that of an entity that is assigned to another provider and has no
/// data there.
struct MisplacedTable<'d> {
    entity: &'d str,
    /// The provider that the entity is assigned to.
    expected: &'d str,
    /// The provider that contains the table.
    provider: &'d str,
    table: &'d str,
    /// The attribute with which the entity maps to this table.
    attribute: String,
}

impl MisplacedTable<'_> {
    fn remedy_for_entity(&self) -> String {
        let Self { provider, table, attribute, .. } = self;
        format!("; provider `{provider}` has a table `{table}`: did you mean `{attribute}`?")
    }

    fn remedy_for_table(&self) -> String {
        let Self { entity, expected, attribute, .. } = self;
        format!("; {entity} is expected in provider `{expected}`: did you mean `{attribute}` on {entity}?")
    }
}

/// Returns the tables that seem to belong to an entity of another provider.
fn misplaced_tables<'d>(
    described: &'d [(&'d str, ProviderDescription)],
    entities: &'d [KnownEntity],
) -> Vec<MisplacedTable<'d>> {
    let mut found = Vec::new();
    for (expected, description) in described {
        let without_data = description
            .entities
            .iter()
            .filter(|coverage| coverage.table.is_none() && coverage.sets.is_empty());
        for coverage in without_data {
            let known = entities.iter().find(|known| known.codec.name() == coverage.entity);
            let declared = known.and_then(|known| known.codec.descriptor().table());
            let wanted = declared.unwrap_or(&coverage.entity);
            let others = described.iter().filter(|(name, _)| name != expected);
            let tables = others.flat_map(|(provider, description)| {
                description.unmapped_tables.iter().map(move |table| (*provider, table.as_str()))
            });
            let matching: Vec<_> =
                tables.filter(|(_, table)| is_near(unqualified(table, wanted), wanted)).collect();
            // An exact name is more probable than a plural form.
            let is_equal = |table: &str| folded(unqualified(table, wanted)) == folded(wanted);
            let best = matching.iter().find(|(_, table)| is_equal(table)).or(matching.first());
            if let Some(&(provider, table)) = best {
                let attribute = if is_equal(table) {
                    format!("#[entity(provider = \"{provider}\")]")
                } else {
                    format!("#[entity(provider = \"{provider}\", table = \"{table}\")]")
                };
                found.push(MisplacedTable { entity: &coverage.entity, expected, provider, table, attribute });
            }
        }
    }
    found
}

/// Returns the name of a table without its schema, unless the wanted name has a schema as well.
fn unqualified<'t>(table: &'t str, wanted: &str) -> &'t str {
    match table.rsplit_once('.') {
        Some((_, name)) if !wanted.contains('.') => name,
        _ => table,
    }
}

fn add_entity_coverage(
    provider: &str,
    coverage: &EntityCoverage,
    misplaced: Option<&MisplacedTable<'_>>,
    inventory: &mut Inventory,
) {
    let entity = &coverage.entity;
    let Some(included) = inventory.included.iter_mut().find(|included| included.entity == *entity) else {
        return;
    };
    included.table.clone_from(&coverage.table);
    included.relationship.clone_from(&coverage.relationship);
    included.sets.clone_from(&coverage.sets);
    included.problem = coverage.problem.as_ref().map(|problem| {
        let remedy = misplaced.map(MisplacedTable::remedy_for_entity).unwrap_or_default();
        format!("{problem}{remedy}")
    });
    if let Some(problem) = included.problem.clone() {
        inventory.warn(Remedy::Entity, format!("{entity} cannot be backed up: {problem}"));
    }
    let table = coverage.table.as_deref().unwrap_or_default();
    for column in &coverage.unmapped_columns {
        let text = format!("column `{column}` of `{provider}.{table}` has no field in {entity}");
        inventory.uncovered_columns.push(UncoveredColumn {
            provider: provider.to_owned(),
            table: table.to_owned(),
            column: column.clone(),
            entity: entity.clone(),
            warning: text.clone(),
        });
        inventory.warn(Remedy::Column, text);
    }
    for field in &coverage.unmapped_fields {
        let text = format!("field `{field}` of {entity} has no column in `{provider}.{table}`");
        inventory.warn(Remedy::Field, text);
    }
    inventory.notes.extend(coverage.notes.iter().map(|note| format!("{entity}: {note}")));
}
