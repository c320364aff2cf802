//! Looks up a backup among the backups of one application.

use super::origin::Origin;
use super::reference::BackupRef;
use super::stored::{StoredBackup, StoredManifests, find_id, list_all, not_found, unreadable_note};
use crate::archive::Manifest;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::identity::ApplicationIdentity;
use crate::storage::Storage;

/// The application among whose backups a name is looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lookup<'a> {
    /// The application of this context.
    pub(crate) identity: &'a ApplicationIdentity,
    /// The application that the caller selected instead of the application of this context.
    pub(crate) selected: Option<&'a ApplicationIdentity>,
}

impl Lookup<'_> {
    fn origin(&self, manifest: &Manifest) -> Origin {
        manifest.producer.origin(self.selected.unwrap_or(self.identity))
    }

    /// Returns the backups of the application from `candidates`, which all have the same name, in the same
    /// order. Backups that record no environment are returned only if `accept` accepts none of the
    /// application's own backups.
    pub(crate) fn select<'a>(
        &self,
        candidates: &[StoredBackup<'a>],
        accept: impl Fn(&Manifest) -> bool,
    ) -> Vec<StoredBackup<'a>> {
        let with_origin = |wanted: Origin| {
            let found = candidates.iter().filter(|backup| self.origin(&backup.manifest) == wanted);
            found.cloned().collect::<Vec<_>>()
        };
        let own = with_origin(Origin::Own);
        let is_other = self.selected.is_some_and(|selected| selected != self.identity);
        if is_other || own.iter().any(|backup| accept(&backup.manifest)) {
            return own;
        }
        let unidentified = with_origin(Origin::Unidentified);
        match unidentified.iter().any(|backup| accept(&backup.manifest)) || own.is_empty() {
            true => unidentified,
            false => own,
        }
    }

    /// Returns the part of a "not found" error that describes backups of other applications with the same
    /// name.
    pub(crate) fn not_found_note(&self, candidates: &[StoredBackup<'_>]) -> String {
        let mut others: Vec<_> = candidates
            .iter()
            .filter(|backup| self.origin(&backup.manifest) == Origin::Other)
            .map(|backup| backup.manifest.producer.description())
            .collect();
        others.sort();
        others.dedup();
        let application = self.selected.unwrap_or(self.identity);
        match others.is_empty() {
            true => format!(" of {application}"),
            false => format!(
                " of {application}; there are backups of {}; select that application with \
                 `.from_application(name, environment)`, or select a backup by its id",
                others.join(", ")
            ),
        }
    }
}

/// Finds the backup of any application whose id ends with these digits.
///
/// # Errors
/// There is no such backup, or there are several; the error lists them.
async fn find_short<'a>(storage: &'a Storage, digits: &str) -> Result<StoredBackup<'a>> {
    let StoredManifests { backups, unreadable } = list_all(storage).await?;
    let mut found: Vec<_> =
        backups.into_iter().filter(|backup| backup.manifest.id.short() == digits).collect();
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => {
            let problem =
                format!("no backup has an id that ends with {digits}{}", unreadable_note(&unreadable));
            Err(not_found(storage, &problem))
        }
        _ => {
            let list: Vec<_> = found
                .iter()
                .map(|StoredBackup { manifest, .. }| {
                    format!("{} (`{}` of {})", manifest.id, manifest.name, manifest.created_at)
                })
                .collect();
            let text = format!("the ids of {} backups end with {digits}: {}", list.len(), list.join(", "));
            Err(Error::new(ErrorKind::InvalidName, text).with_help("select one of them by its complete id"))
        }
    }
}

/// Finds a backup. An id selects a backup of any application. A name selects the newest backup that `accept`
/// accepts among the backups of the application in `lookup`.
///
/// # Errors
/// There is no such backup, or it cannot be read.
pub(crate) async fn find<'a>(
    storage: &'a Storage,
    lookup: Lookup<'_>,
    wanted: &BackupRef,
    accept: impl Fn(&Manifest) -> bool,
) -> Result<StoredBackup<'a>> {
    match wanted {
        BackupRef::Id(id) => find_id(storage, *id).await,
        BackupRef::Short(digits) => find_short(storage, digits).await,
        BackupRef::Latest | BackupRef::LatestNamed(_) => Err(Error::new(
            ErrorKind::Internal,
            "`latest` was looked up as a name; this is a bug in koan-backup",
        )),
        BackupRef::Name(name) => {
            let StoredManifests { backups: mut all, unreadable } = list_all(storage).await?;
            unreadable.iter().for_each(|manifest| manifest.log(storage));
            all.retain(|backup| backup.manifest.name.as_str() == name);
            let named = lookup.select(&all, &accept);
            let failed =
                named.first().filter(|backup| !accept(&backup.manifest)).map(|backup| backup.manifest.id);
            if let Some(backup) = named.into_iter().find(|backup| accept(&backup.manifest)) {
                return Ok(StoredBackup { newer_failed: failed, ..backup }.with_unreadable(unreadable));
            }
            let others = if all.is_empty() { String::new() } else { lookup.not_found_note(&all) };
            let problem = match failed {
                Some(id) => {
                    format!(
                        "the newest backup with the name `{name}`, {id}, failed, and there is no completed \
                         backup{others}"
                    )
                }
                None => format!("there is no backup with the name `{name}`{others}"),
            };
            Err(not_found(storage, &format!("{problem}{}", unreadable_note(&unreadable))))
        }
    }
}
