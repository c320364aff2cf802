//! Finds a backup whose content is read without the types of an application.

use std::collections::BTreeSet;

use super::Environment;
use super::latest::{current_name, selected_entities};
use crate::archive::{EntityStatus, Manifest};
use crate::catalog::{self, BackupRef, Listing, Lookup, StoredBackup};
use crate::declaration::selection::Selection;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::storage::Storage;

/// Finds a backup by id or name, as [`catalog::find`] does, or the backup to which `latest` refers: the newest
/// completed backup of the application in `lookup` that contains each included entity that is contained in any
/// completed backup. An application that knows none of the entities gets its newest completed backup.
///
/// # Errors
/// There is no such backup, or the storage cannot be read.
pub(crate) async fn find<'a>(
    environment: &Environment,
    storage: &'a Storage,
    lookup: Lookup<'_>,
    wanted: &BackupRef,
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
    let is_complete = |manifest: &Manifest| manifest.status.is_complete() && accept(manifest);
    let mut candidates = lookup.select(&all, is_complete);
    candidates.retain(|backup| is_complete(backup.manifest()));
    let contained: Vec<_> =
        candidates.iter().map(|backup| contained(environment, backup.manifest())).collect();
    let in_any_backup: BTreeSet<_> = contained.iter().flatten().cloned().collect();
    let mut required = selected_entities(environment, &Selection::default())?;
    required.retain(|entity| in_any_backup.contains(entity));
    let found = candidates.iter().zip(&contained).filter(|(_, contained)| required.is_subset(contained));
    let found: Vec<_> = found.map(|(backup, _)| backup.id()).collect();
    if let Some(backup) = profile.read_first(&found, &mut unreadable).await? {
        return Ok(backup.with_unreadable(unreadable));
    }
    let note = lookup.not_found_note(&all);
    let text = format!(
        "there is no completed backup{note} in storage `{}`, so there is no `latest`",
        storage.location()
    );
    Err(Error::new(ErrorKind::NotFound, text).with_help("select a backup by its id"))
}

/// Returns the entities that a backup contains, by their current names.
fn contained(environment: &Environment, manifest: &Manifest) -> BTreeSet<String> {
    let completed = manifest.entities.iter().filter(|entity| entity.status == EntityStatus::Completed);
    completed.map(|entity| current_name(environment, &entity.entity)).collect()
}
