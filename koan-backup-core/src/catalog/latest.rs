//! Which backup `latest` means.

use std::collections::BTreeSet;

use super::origin::Lookup;
use super::reference::BackupRef;
use super::stored::{StoredBackup, list};
use crate::archive::{EntityManifest, EntityStatus, Manifest};
use crate::environment::{Environment, names};
use crate::error::{Error, ErrorKind, Result};
use crate::selection::Selection;
use crate::storage::Storage;

/// Returns the backup that is meant, with `latest` replaced by the id of the newest completed backup that contains every selected
/// entity, among those of the application that `lookup` names. Without a selection these are all included entities that any
/// completed backup contains.
///
/// # Errors
/// No completed backup contains them, or the storage cannot be read.
pub(crate) async fn resolve(
    environment: &Environment,
    storage: &Storage,
    lookup: Lookup<'_>,
    wanted: &BackupRef,
    selection: &Selection,
) -> Result<BackupRef> {
    match wanted {
        BackupRef::Latest => {
            let all = list(storage).await?;
            let is_complete = |manifest: &Manifest| manifest.status.is_complete();
            let mut candidates = lookup.meant(&all, is_complete);
            candidates.retain(|backup| is_complete(&backup.manifest));
            let others = if all.is_empty() { String::new() } else { lookup.others(&all) };
            latest(environment, storage, &candidates, selection, &others).map(BackupRef::Id)
        }
        named => Ok(named.clone()),
    }
}

fn latest(
    environment: &Environment,
    storage: &Storage,
    candidates: &[StoredBackup<'_>],
    selection: &Selection,
    others: &str,
) -> Result<crate::id::BackupId> {
    let selected = selected(environment, selection)?;
    let held: Vec<_> = candidates.iter().map(|backup| held(environment, backup, selection)).collect();
    let anywhere: BTreeSet<&str> = held.iter().flatten().map(String::as_str).collect();
    let mut required = selected;
    if !selection.is_explicit() {
        required.retain(|entity| anywhere.contains(entity.as_str()));
    }
    let holds_sets = |backup: &StoredBackup<'_>| {
        selection.sets.iter().all(|set| completed(backup).any(|entity| &entity.set == set))
    };
    let found = candidates
        .iter()
        .zip(&held)
        .find(|(backup, held)| !required.is_empty() && required.is_subset(held) && holds_sets(backup));
    if let Some((backup, _)) = found {
        return Ok(backup.manifest.id);
    }
    let what = match required.is_empty() {
        true => "any entity that is selected".to_owned(),
        false => format!("all of {}", names(required.iter())),
    };
    Err(Error::new(
        ErrorKind::NotFound,
        format!(
            "no completed backup{others} in storage `{}` contains {what}, so there is no `latest`; name a backup by its id, or select fewer \
             entities",
            storage.location()
        ),
    ))
}

/// The names of the selected entities: of all that are covered, or those that are named.
fn selected(environment: &Environment, selection: &Selection) -> Result<BTreeSet<String>> {
    let mut selected = BTreeSet::new();
    for known in environment.entities.iter().filter(|known| known.policy.is_some()) {
        if environment.selects(selection, known)? {
            selected.insert(known.codec.name().to_owned());
        }
    }
    // An entity that the application no longer includes or knows can be in a backup all the same.
    selected.extend(selection.names.iter().map(|name| current(environment, name)));
    Ok(selected)
}

/// The entities that a backup contains, by their current names.
fn held(environment: &Environment, backup: &StoredBackup<'_>, selection: &Selection) -> BTreeSet<String> {
    completed(backup)
        .filter(|entity| selection.selects_set(&entity.set))
        .map(|entity| current(environment, &entity.entity))
        .collect()
}

fn completed<'b>(backup: &'b StoredBackup<'_>) -> impl Iterator<Item = &'b EntityManifest> {
    backup.manifest.entities.iter().filter(|entity| entity.status == EntityStatus::Completed)
}

fn current(environment: &Environment, name: &str) -> String {
    environment.entity(name).map_or(name, |known| known.codec.name()).to_owned()
}
