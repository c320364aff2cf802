//! Selects a backup of a tree. The registry decides, not the links.

use std::collections::BTreeSet;

use crate::archive::tree::{TreeBackup, TreeRegistry, is_tree_time};
use crate::catalog::{BackupRef, Origin};
use crate::environment::{Environment, latest};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::foundation::names::names;
use crate::operations::restore::RestoreOptions;

/// Returns the backup to which `wanted` refers: an id, the end of an id, the name of a directory, the newest
/// completed backup with a name, or as `latest` the newest completed backup that contains every selected entity.
/// Names and `latest` refer only to backups of this application, or of the application in the options.
///
/// # Errors
/// There is no such backup, or there are several; the error lists them.
pub(super) fn select<'r>(
    environment: &Environment,
    root: &str,
    registry: &'r TreeRegistry,
    wanted: &BackupRef,
    options: &RestoreOptions,
) -> Result<&'r TreeBackup> {
    let matching = |accepts: &dyn Fn(&TreeBackup) -> bool| -> Vec<&'r TreeBackup> {
        registry.backups.iter().filter(|backup| accepts(backup)).collect()
    };
    match wanted {
        BackupRef::Id(id) => {
            one(root, registry, &matching(&|backup| backup.id == *id), &format!("the id {id}"))
        }
        BackupRef::Short(digits) => {
            let found = matching(&|backup| backup.id.short() == *digits);
            one(root, registry, &found, &format!("an id that ends with {digits}"))
        }
        BackupRef::Name(time) if is_tree_time(time) => {
            let found = matching(&|backup| base(&backup.directory) == time);
            one(root, registry, &found, &format!("the time `{time}`"))
        }
        BackupRef::Name(name) => {
            let exact = matching(&|backup| backup.directory == *name);
            if let [backup] = exact.as_slice() {
                return Ok(backup);
            }
            newest(environment, root, registry, Some(name), options, &BTreeSet::new())
        }
        BackupRef::Latest | BackupRef::LatestNamed(_) => {
            let name = match wanted {
                BackupRef::LatestNamed(name) => Some(name),
                _ => None,
            };
            let required = required(environment, registry, options)?;
            newest(environment, root, registry, name, options, &required)
        }
    }
}

/// Returns the time in the name of a directory, without the suffix of a second backup of the same second.
fn base(directory: &str) -> &str {
    match directory.split_at_checked("2025-10-02T15-30-45Z".len()) {
        Some((time, "")) => time,
        Some((time, suffix)) if suffix.starts_with('-') => time,
        _ => directory,
    }
}

fn one<'r>(
    root: &str,
    registry: &TreeRegistry,
    found: &[&'r TreeBackup],
    wanted: &str,
) -> Result<&'r TreeBackup> {
    match found {
        [backup] => Ok(backup),
        [] => Err(not_found(root, registry, &format!("no backup has {wanted}"))),
        several => {
            let list: Vec<_> = several.iter().map(|backup| backup.label()).collect();
            let text = format!("{} backups in `{root}` have {wanted}: {}", list.len(), list.join(", "));
            Err(Error::new(ErrorKind::InvalidName, text).with_help("select one of them by its complete id"))
        }
    }
}

/// Returns the entities that the newest backup must contain: the selected entities, and without a selection those
/// that any backup of the tree contains.
fn required(
    environment: &Environment,
    registry: &TreeRegistry,
    options: &RestoreOptions,
) -> Result<BTreeSet<String>> {
    let mut required = latest::selected_entities(environment, &options.selection)?;
    if !options.selection.is_explicit() {
        let contained: BTreeSet<_> =
            registry.backups.iter().flat_map(|backup| contained(environment, backup)).collect();
        required.retain(|entity| contained.contains(entity));
    }
    Ok(required)
}

/// Returns the entities of a backup by their current names.
fn contained(environment: &Environment, backup: &TreeBackup) -> BTreeSet<String> {
    backup.entities.iter().map(|entity| latest::current_name(environment, &entity.entity)).collect()
}

/// Returns the newest backup of the application that contains the required entities and the selected sets.
fn newest<'r>(
    environment: &Environment,
    root: &str,
    registry: &'r TreeRegistry,
    name: Option<&String>,
    options: &RestoreOptions,
    required: &BTreeSet<String>,
) -> Result<&'r TreeBackup> {
    let application = options.application.as_ref().unwrap_or(&environment.identity);
    let contains_sets = |backup: &TreeBackup| {
        let has = |set| backup.entities.iter().any(|entity| entity.sets.contains(set));
        options.selection.sets.iter().all(has)
    };
    let candidates = |origin: Origin| {
        registry.backups.iter().filter(move |backup| backup.producer.origin(application) == origin).filter(
            |backup| {
                name.is_none_or(|name| backup.name.as_str() == name)
                    && (backup.status.is_complete() || (name.is_some() && options.allow_partial))
                    && required.is_subset(&contained(environment, backup))
                    && contains_sets(backup)
            },
        )
    };
    let newest_of = |origin| candidates(origin).max_by_key(|backup| (backup.created_at, backup.id));
    if let Some(found) = newest_of(Origin::Own).or_else(|| newest_of(Origin::Unidentified)) {
        return Ok(found);
    }
    let named = name.map(|name| format!(" with the name `{name}`")).unwrap_or_default();
    let content = match required.is_empty() {
        true => String::new(),
        false => format!(" contains all of {}", names(required.iter())),
    };
    let mut others: Vec<_> = registry
        .backups
        .iter()
        .filter(|backup| backup.producer.origin(application) == Origin::Other)
        .map(|backup| backup.producer.description())
        .collect();
    others.sort();
    others.dedup();
    let note = match others.is_empty() {
        true => String::new(),
        false => format!(
            "; there are backups of {}; select that application with `.from_application(name, environment)`, or \
             select a backup by its id",
            others.join(", ")
        ),
    };
    let problem = match content.is_empty() {
        true => format!("there is no completed backup{named} of {application}{note}"),
        false => format!("no completed backup{named} of {application}{content}{note}"),
    };
    Err(not_found(root, registry, &problem))
}

fn not_found(root: &str, registry: &TreeRegistry, problem: &str) -> Error {
    const MAX_LISTED: usize = 5;
    let newest: Vec<BackupId> =
        registry.backups.iter().rev().take(MAX_LISTED).map(|backup| backup.id).collect();
    let help = match newest.is_empty() {
        true => "write a backup into the directory tree first".to_owned(),
        false => {
            format!("the newest backups of the tree are {}", names(newest.iter().map(ToString::to_string)))
        }
    };
    Error::new(ErrorKind::NotFound, format!("{problem} in the directory tree `{root}`")).with_help(help)
}
