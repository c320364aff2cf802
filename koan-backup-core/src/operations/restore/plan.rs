//! Plans a restore: which entries of an archive are written to which targets.

use std::collections::BTreeMap;

use super::options::RestoreOptions;
use crate::archive::{EntityManifest, EntityStatus, Manifest, ProviderDocument};
use crate::entity::EntityCodec;
use crate::environment::Environment;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::SetName;
use crate::foundation::names::names;
use crate::provider::{NOT_KEPT_ELSEWHERE, RestoreTarget};

/// One entry of the archive and its target.
#[derive(Clone, Debug)]
pub(super) struct PlannedRestore {
    pub(super) entity: EntityManifest,
    pub(super) file: String,
    pub(super) codec: EntityCodec,
    pub(super) target_set: SetName,
    pub(super) physical: Option<serde_json::Value>,
    /// Messages about properties of the source that the target does not preserve, because its database is of
    /// another kind than the source.
    pub(super) not_preserved: Vec<String>,
}

/// The entries by target provider, in the order of the archive.
pub(super) type RestorePlan = BTreeMap<String, Vec<PlannedRestore>>;

impl PlannedRestore {
    /// Returns the restore target for the provider.
    pub(super) fn target(&self) -> RestoreTarget {
        RestoreTarget {
            physical: self.physical.clone(),
            record_count: Some(self.entity.item_count),
            size_bytes: Some(self.entity.size_bytes),
            ..RestoreTarget::new(self.codec.clone(), self.target_set.clone())
        }
    }
}

/// Plans the restore of the selected entries.
///
/// # Errors
/// The backup is incomplete and [`allow_partial`](RestoreOptions::allow_partial) is not set, the backup
/// contains an entity that the application does not know, a selected entity or set is not in the backup, or
/// nothing is selected.
pub(super) fn plan(
    environment: &Environment,
    manifest: &Manifest,
    providers: &ProviderDocument,
    options: &RestoreOptions,
) -> Result<RestorePlan> {
    environment.require_entities()?;
    if !manifest.status.is_complete() && !options.allow_partial {
        return Err(Error::new(
            ErrorKind::Incompatible,
            format!(
                "entities of backup {} failed; restore the completed entities with `.allow_partial()`, or \
                 restore another backup",
                manifest.id
            ),
        ));
    }
    environment.check_provider_filters(&options.selection)?;
    // An excluded name that is mistyped must not lead to a restore of the entity.
    for name in &options.selection.excluded_names {
        if !manifest.entities.iter().any(|entity| &entity.entity == name) {
            environment.require_entity(name)?;
        }
    }
    let mut plan = RestorePlan::new();
    for entity in &manifest.entities {
        let (EntityStatus::Completed, Some(file)) = (entity.status, &entity.storage_file) else { continue };
        if !options.selection.selects_set(&entity.set) {
            continue;
        }
        let Some(known) = environment.entity(&entity.entity) else {
            if let Some(stream) = &entity.stream
                && let Some(known) = environment.entity(&stream.object)
                && known.codec.descriptor().stream_object() == Some(&stream.object)
            {
                let selects = environment.selects(&options.selection, known)?;
                if !selects || entity.item_count == 0 || options.allow_field_loss {
                    continue;
                }
                return Err(unsupported_part_error(entity, &known.provider));
            }
            if options.selection.is_explicit() && !options.selection.names.contains(&entity.entity) {
                continue;
            }
            if options.selection.excluded_names.contains(&entity.entity) {
                continue;
            }
            return Err(unknown_entity_error(environment, entity));
        };
        if !environment.selects(&options.selection, known)? {
            continue;
        }
        let provider = environment.provider(&known.provider)?;
        let is_same_kind = provider.kind() == entity.provider_kind;
        let physical = providers.get(&entity.provider).and_then(|info| info.physical.get(file));
        plan.entry(known.provider.clone()).or_default().push(PlannedRestore {
            entity: entity.clone(),
            file: file.clone(),
            codec: match entity.policy.encrypt {
                true => known.codec.clone().with_hidden_keys(),
                false => known.codec.clone(),
            },
            target_set: options.target_set.clone().unwrap_or_else(|| entity.set.clone()),
            not_preserved: if is_same_kind { Vec::new() } else { not_preserved_elsewhere(physical) },
            physical: physical.filter(|_| is_same_kind).cloned(),
        });
    }
    check_selected(environment, manifest, options, &plan)?;
    check_targets(&plan)?;
    Ok(plan)
}

/// Returns the messages of the source provider about properties that only its kind of database preserves.
fn not_preserved_elsewhere(physical: Option<&serde_json::Value>) -> Vec<String> {
    let messages = physical.and_then(|physical| physical.get(NOT_KEPT_ELSEWHERE)?.as_array());
    messages.into_iter().flatten().filter_map(|message| message.as_str().map(str::to_owned)).collect()
}

/// Returns the error for documents or snapshots that the event store of the provider cannot contain.
fn unsupported_part_error(entity: &EntityManifest, provider: &str) -> Error {
    let text = format!(
        "the archive contains {} records of `{}`, and the event store of provider `{provider}` cannot contain them",
        entity.item_count, entity.entity
    );
    Error::new(ErrorKind::Incompatible, text).with_help("restore without them with `.allow_field_loss()`")
}

fn unknown_entity_error(environment: &Environment, entity: &EntityManifest) -> Error {
    Error::new(
        ErrorKind::Incompatible,
        format!(
            "the archive contains `{}` (`{}`), which this application does not know; the known entities are \
             {}; if the type was renamed, give it `#[entity(alias = \"{}\")]`, or exclude the entity with \
             `.exclude(\"{}\")`",
            entity.entity,
            entity.type_path,
            names(environment.entities.iter().map(|known| known.codec.name())),
            entity.entity,
            entity.entity,
        ),
    )
}

fn check_selected(
    environment: &Environment,
    manifest: &Manifest,
    options: &RestoreOptions,
    plan: &RestorePlan,
) -> Result<()> {
    let planned = |name: &str| plan.values().flatten().any(|entry| entry.codec.name() == name);
    for selected in &options.selection.types {
        environment.require_type(selected)?;
    }
    let by_type = options.selection.types.iter().map(|selected| selected.name());
    let by_name = options
        .selection
        .names
        .iter()
        .map(|name| environment.entity(name).map_or(name.as_str(), |known| known.codec.name()));
    if let Some(set) = options
        .selection
        .sets
        .iter()
        .find(|set| !plan.values().flatten().any(|entry| &&entry.entity.set == set))
    {
        return Err(Error::new(
            ErrorKind::NotFound,
            format!("backup {} contains no set `{set}` of the selected entities", manifest.id),
        ));
    }
    let missing: Vec<_> = by_type.chain(by_name).filter(|name| !planned(name)).collect();
    if missing.is_empty() && !plan.is_empty() {
        return Ok(());
    }
    let contained = names(manifest.entities.iter().map(|entity| &entity.entity));
    let what =
        if missing.is_empty() { "anything that is selected".to_owned() } else { names(missing.into_iter()) };
    Err(Error::new(
        ErrorKind::NotFound,
        format!("backup {} does not contain {what}; it contains {contained}", manifest.id),
    ))
}

/// Refuses a plan in which two entries have the same target.
fn check_targets(plan: &RestorePlan) -> Result<()> {
    for entries in plan.values() {
        for (index, entry) in entries.iter().enumerate() {
            let has_same_target = |other: &&PlannedRestore| {
                other.codec.name() == entry.codec.name() && other.target_set == entry.target_set
            };
            if let Some(other) = entries[..index].iter().find(has_same_target) {
                return Err(Error::new(
                    ErrorKind::Configuration,
                    format!(
                        "`{}` and `{}` would both be restored into set `{}` of `{}`; select one set with \
                         `.set(\"…\")`",
                        other.file,
                        entry.file,
                        entry.target_set,
                        entry.codec.name()
                    ),
                ));
            }
        }
    }
    Ok(())
}
