//! Decides which entities a backup reads, and in which order. Every kind of backup uses this module, so
//! policies apply to all backups.

use crate::declaration::inventory::Inventory;
use crate::declaration::selection::Selection;
use crate::entity::{EntityCodec, Policy};
use crate::environment::Environment;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::SetName;
use crate::foundation::names::names;

/// A covered entity that a backup reads.
#[derive(Clone, Debug)]
pub(super) struct PlannedEntity {
    pub(super) codec: EntityCodec,
    pub(super) policy: Policy,
    pub(super) provider: String,
}

/// One set of an entity that a backup reads. It becomes one entry of the archive.
#[derive(Clone, Debug)]
pub(super) struct PlannedEntry {
    pub(super) entity: PlannedEntity,
    pub(super) set: SetName,
    /// The number of records in the set. `None` if no listener is set, or if the records could not be
    /// counted.
    pub(super) expected: Option<u64>,
}

/// Returns the covered entities that `selection` selects, sorted by provider and name.
///
/// # Errors
/// The selection contains an entity or a provider that does not exist, or an entity that is not covered, or
/// it selects no entity.
pub(super) fn plan(environment: &Environment, selection: &Selection) -> Result<Vec<PlannedEntity>> {
    environment.require_entities()?;
    for name in selection.names.iter().chain(&selection.excluded_names) {
        environment.require_entity(name)?;
    }
    environment.check_provider_filters(selection)?;
    let mut planned = Vec::new();
    for known in &environment.entities {
        if !environment.selects(selection, known)? {
            continue;
        }
        match known.policy {
            Some(policy) => planned.push(PlannedEntity {
                codec: known.codec.clone(),
                policy,
                provider: known.provider.clone(),
            }),
            None if selection.is_explicit() => return Err(not_covered(environment, known.codec.name())),
            None => {}
        }
    }
    for selected in &selection.types {
        environment.require_type(selected)?;
    }
    // A filter must not silently remove an entity that the caller selected by name or type.
    let named = environment
        .entities
        .iter()
        .filter(|known| selection.is_explicit() && selection.selects_by_name(known.codec.descriptor()));
    for known in named {
        if !planned.iter().any(|entity: &PlannedEntity| entity.codec.name() == known.codec.name()) {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!(
                    "`{}` is selected explicitly, but a filter by provider or crate removes it from the \
                     selection; its provider is `{}`",
                    known.codec.name(),
                    known.provider
                ),
            ));
        }
    }
    if planned.is_empty() {
        return Err(Error::new(ErrorKind::NotFound, nothing_selected(&environment.inventory.get())));
    }
    planned.sort_by(|a, b| (&a.provider, a.codec.name()).cmp(&(&b.provider, b.codec.name())));
    Ok(planned)
}

/// Returns the error of a selection without entities. Most often no entity is covered, because a scope is missing.
fn nothing_selected(inventory: &Inventory) -> String {
    if inventory.included.is_empty() && !inventory.uncovered.is_empty() {
        return format!(
            "nothing to back up: no entity is covered, and {} {} no policy; {}",
            names(inventory.uncovered.iter().map(|entity| &entity.entity)),
            if inventory.uncovered.len() == 1 { "has" } else { "have" },
            inventory.remedies.join("; ")
        );
    }
    format!(
        "nothing to back up: no covered entity is selected; the covered entities are {}",
        names(inventory.included.iter().map(|entity| &entity.entity))
    )
}

fn not_covered(environment: &Environment, entity: &str) -> Error {
    let inventory = environment.inventory.get();
    let excluded = inventory.excluded.iter().find(|excluded| excluded.entity == entity);
    let why = match excluded {
        Some(excluded) => format!("is excluded from backups: {:?}", excluded.reason),
        None => "has no backup policy; add `#[entity_backup]` to it, or a scope to its crate".to_owned(),
    };
    Error::new(ErrorKind::Configuration, format!("`{entity}` {why}"))
}
