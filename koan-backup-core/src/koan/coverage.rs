//! Checks the coverage: whether each table and column of the databases belongs to an entity, and each field
//! to a column.

use std::sync::Arc;

use crate::declaration::inventory::{Inventory, Remedy};
use crate::entity::EntityCodec;
use crate::environment::KnownEntity;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::provider::{EntityCoverage, Provider};

/// Checks covered entities for fields whose elements are written in a random order, such as hash maps. A
/// field that could not be tested results in a warning.
///
/// # Errors
/// An entity has a field that is proven to be written in a different order each time, so the entity cannot be
/// backed up reliably.
pub(super) fn check_order(entities: &[KnownEntity], inventory: &mut Inventory) -> Result<()> {
    for known in entities.iter().filter(|known| known.policy.is_some()) {
        let descriptor = known.codec.descriptor();
        let (proven, suspected) = descriptor.unordered();
        if !proven.is_empty() {
            let text = format!("{} ({})", proven.join("; "), descriptor.location());
            return Err(Error::new(ErrorKind::Configuration, text));
        }
        suspected.into_iter().for_each(|warning| warn(inventory, Remedy::InWarning, warning));
    }
    Ok(())
}

/// Adds the coverage of the databases to an inventory: the table of each entity, the tables without an
/// entity, the columns without a field, and the fields without a column.
pub(super) async fn add_coverage(
    providers: &[(String, Arc<dyn Provider>)],
    entities: &[KnownEntity],
    inventory: &mut Inventory,
) -> Result<()> {
    for (name, provider) in providers {
        let provider_entities: Vec<EntityCodec> = entities
            .iter()
            .filter(|entity| &entity.provider == name)
            .map(|entity| entity.codec.clone())
            .collect();
        let described = provider.describe(&provider_entities).await;
        let described =
            described.map_err(|error| error.context(format!("provider `{name}` cannot be read")))?;
        for coverage in &described.entities {
            add_entity_coverage(name, coverage, inventory);
        }
        for table in &described.unmapped_tables {
            warn(inventory, Remedy::Table, format!("table `{table}` of `{name}` belongs to no entity"));
        }
        inventory.notes.extend(described.notes.iter().map(|note| format!("provider `{name}`: {note}")));
        for warning in &described.warnings {
            warn(inventory, Remedy::InWarning, format!("provider `{name}`: {warning}"));
        }
    }
    Ok(())
}

fn add_entity_coverage(provider: &str, coverage: &EntityCoverage, inventory: &mut Inventory) {
    let entity = &coverage.entity;
    let Some(included) = inventory.included.iter_mut().find(|included| included.entity == *entity) else {
        return;
    };
    included.place = coverage.table.as_ref().map(|table| {
        let relationship = coverage
            .relationship
            .as_ref()
            .map(|relationship| format!(" ({relationship})"))
            .unwrap_or_default();
        format!("table `{table}` of `{provider}`{relationship}")
    });
    included.problem.clone_from(&coverage.problem);
    if let Some(problem) = &coverage.problem {
        warn(inventory, Remedy::Entity, format!("{entity} cannot be backed up: {problem}"));
    }
    let table = coverage.table.as_deref().unwrap_or_default();
    for column in &coverage.unmapped_columns {
        let text = format!("column `{column}` of `{provider}.{table}` has no field in {entity}");
        warn(inventory, Remedy::Column, text);
    }
    for field in &coverage.unmapped_fields {
        let text = format!("field `{field}` of {entity} has no column in `{provider}.{table}`");
        warn(inventory, Remedy::Field, text);
    }
    inventory.notes.extend(coverage.notes.iter().map(|note| format!("{entity}: {note}")));
}

fn warn(inventory: &mut Inventory, remedy: Remedy, text: String) {
    inventory.remedies.insert(remedy);
    inventory.warnings.push(text);
}
