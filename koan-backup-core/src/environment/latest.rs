//! Finds a backup, in particular the backup to which `latest` refers.

use std::collections::BTreeSet;

use crate::archive::{EntityManifest, EntityStatus, Manifest};
use crate::catalog::{self, BackupRef, CatalogEntry, Listing, Lookup, StoredBackup, list, unreadable_note};
use crate::declaration::selection::Selection;
use crate::environment::Environment;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::names::names;
use crate::storage::Storage;

/// Finds a backup by id or name, as [`catalog::find`] does, or the backup to which `latest` refers: the
/// newest completed backup of the application in `lookup` that contains every selected entity. Without a
/// selection, the backup must contain each included entity that is contained in any completed backup; in a context
/// without entities, it is the newest completed backup. A name narrows the considered backups.
///
/// # Errors
/// There is no such backup, or the storage cannot be read.
pub(crate) async fn find<'a>(
    environment: &Environment,
    storage: &'a Storage,
    lookup: Lookup<'_>,
    wanted: &BackupRef,
    selection: &Selection,
    accept: impl Fn(&Manifest) -> bool,
) -> Result<StoredBackup<'a>> {
    let profile = environment.searched(storage);
    if !wanted.is_latest() {
        return catalog::find(profile, lookup, wanted, accept).await;
    }
    let Listing { entries: mut all, mut unreadable } = profile.list().await?;
    if let BackupRef::LatestNamed(name) = wanted {
        all.retain(|backup| backup.manifest().name.as_str() == name);
    }
    let is_complete = |manifest: &Manifest| manifest.status.is_complete();
    let mut candidates = lookup.select(&all, is_complete);
    candidates.retain(|backup| is_complete(backup.manifest()));
    let origin_note = if all.is_empty() { String::new() } else { lookup.not_found_note(&all) };
    let note = format!("{origin_note}{}", unreadable_note(&unreadable));
    loop {
        let latest = latest(environment, storage, &candidates, selection, wanted, &note)?.id();
        if let Some(backup) = profile.read_first(&[latest], &mut unreadable).await? {
            return Ok(backup.with_unreadable(unreadable));
        }
        // The backup was removed or damaged after it was listed.
        candidates.retain(|backup| backup.id() != latest);
    }
}

/// Returns the warnings of the newest completed backup of the application in a profile, for the boot report.
///
/// # Errors
/// The storage cannot be read.
pub(crate) async fn warnings(storage: &Storage, lookup: Lookup<'_>) -> Result<Vec<String>> {
    let all = list(storage).await?;
    let is_complete = |manifest: &Manifest| manifest.status.is_complete();
    let own = lookup.select(&all, is_complete);
    let newest = own.into_iter().find(|backup| is_complete(&backup.manifest));
    let prefixed_warnings = |backup: StoredBackup<'_>| {
        let name = backup.manifest.name.to_string();
        backup.manifest.warnings.into_iter().map(move |warning| format!("`{name}`: {warning}"))
    };
    Ok(newest.into_iter().flat_map(prefixed_warnings).collect())
}

fn latest<'c>(
    environment: &Environment,
    storage: &Storage,
    candidates: &'c [CatalogEntry],
    selection: &Selection,
    wanted: &BackupRef,
    note: &str,
) -> Result<&'c CatalogEntry> {
    let selected = selected_entities(environment, selection)?;
    let contained: Vec<_> =
        candidates.iter().map(|backup| contained_entities(environment, backup, selection)).collect();
    let in_any_backup: BTreeSet<&str> = contained.iter().flatten().map(String::as_str).collect();
    let mut required = selected;
    if !selection.is_explicit() {
        required.retain(|entity| in_any_backup.contains(entity.as_str()));
    }
    let contains_sets = |backup: &CatalogEntry| {
        selection.sets.iter().all(|set| completed_entities(backup).any(|entity| &entity.set == set))
    };
    // A context without entities selects no entity by itself, so that every backup contains what is selected.
    let is_any_accepted = environment.entities.is_empty() && !selection.is_explicit();
    let found = candidates.iter().zip(&contained).find(|(backup, contained)| {
        (is_any_accepted || !required.is_empty()) && required.is_subset(contained) && contains_sets(backup)
    });
    if let Some((backup, _)) = found {
        return Ok(backup);
    }
    let required_content = match required.is_empty() {
        true => "any selected entity".to_owned(),
        false => format!("all of {}", names(required.iter())),
    };
    let named = match wanted {
        BackupRef::LatestNamed(name) => format!(" with the name `{name}`"),
        _ => String::new(),
    };
    Err(Error::new(
        ErrorKind::NotFound,
        format!(
            "no completed backup{named} in storage `{}` contains {required_content}{note}, so there is no `latest`",
            storage.location()
        ),
    )
    .with_help("select a backup by its id, or select fewer entities"))
}

/// Returns the names of the selected entities.
pub(crate) fn selected_entities(
    environment: &Environment,
    selection: &Selection,
) -> Result<BTreeSet<String>> {
    let mut selected = BTreeSet::new();
    for known in environment.entities.iter().filter(|known| known.policy.is_some()) {
        if environment.selects(selection, known)? {
            selected.insert(known.codec.name().to_owned());
        }
    }
    // A backup can also contain an entity that the application no longer includes or knows.
    selected.extend(selection.names.iter().map(|name| current_name(environment, name)));
    Ok(selected)
}

/// Returns the entities that a backup contains, by their current names.
fn contained_entities(
    environment: &Environment,
    backup: &CatalogEntry,
    selection: &Selection,
) -> BTreeSet<String> {
    completed_entities(backup)
        .filter(|entity| selection.selects_set(&entity.set))
        .map(|entity| current_name(environment, &entity.entity))
        .collect()
}

fn completed_entities(backup: &CatalogEntry) -> impl Iterator<Item = &EntityManifest> {
    backup.manifest().entities.iter().filter(|entity| entity.status == EntityStatus::Completed)
}

/// Returns the current name of an entity that a backup may contain with a former name.
pub(crate) fn current_name(environment: &Environment, name: &str) -> String {
    environment.entity(name).map_or(name, |known| known.codec.name()).to_owned()
}
