//! Looks up a backup among the backups of one application.

use super::cache::{Listing, ManifestCache};
use super::entry::CatalogEntry;
use super::origin::Origin;
use super::reference::BackupRef;
use super::stored::{StoredBackup, StoredManifests, find_id, list_some, not_found, read, unreadable_note};
use super::unreadable::UnreadableManifest;
use crate::archive::{Manifest, manifest_path};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::foundation::identity::ApplicationIdentity;
use crate::storage::Storage;

/// A backup among which one is selected.
pub(crate) trait Candidate: Clone {
    /// Returns the manifest of the backup.
    fn manifest(&self) -> &Manifest;
}

impl Candidate for StoredBackup<'_> {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }
}

impl Candidate for CatalogEntry {
    fn manifest(&self) -> &Manifest {
        CatalogEntry::manifest(self)
    }
}

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
    pub(crate) fn select<C: Candidate>(
        &self,
        candidates: &[C],
        accept: impl Fn(&Manifest) -> bool,
    ) -> Vec<C> {
        let with_origin = |wanted: Origin| {
            let found = candidates.iter().filter(|backup| self.origin(backup.manifest()) == wanted);
            found.cloned().collect::<Vec<_>>()
        };
        let own = with_origin(Origin::Own);
        let is_other = self.selected.is_some_and(|selected| selected != self.identity);
        if is_other || own.iter().any(|backup| accept(backup.manifest())) {
            return own;
        }
        let unidentified = with_origin(Origin::Unidentified);
        match unidentified.iter().any(|backup| accept(backup.manifest())) || own.is_empty() {
            true => unidentified,
            false => own,
        }
    }

    /// Returns the part of a "not found" error that describes backups of other applications with the same
    /// name.
    pub(crate) fn not_found_note<C: Candidate>(&self, candidates: &[C]) -> String {
        let mut others: Vec<_> = candidates
            .iter()
            .filter(|backup| self.origin(backup.manifest()) == Origin::Other)
            .map(|backup| backup.manifest().producer.description())
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
    let is_named = |id: BackupId| id.short() == digits;
    let StoredManifests { backups: mut found, unreadable } = list_some(storage, is_named).await?;
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

/// A storage profile in which a backup is looked up, with its cache of manifests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SearchedProfile<'c, 'a> {
    pub(crate) manifests: &'c ManifestCache,
    pub(crate) name: &'c str,
    pub(crate) storage: &'a Storage,
}

impl<'a> SearchedProfile<'_, 'a> {
    /// Lists the backups, newest first. Manifests that cannot be read are logged.
    ///
    /// # Errors
    /// The storage cannot be read; an incomplete list is never returned.
    pub(crate) async fn list(&self) -> Result<Listing> {
        let listing = Box::pin(self.manifests.newest_first(self.name, self.storage)).await?;
        listing.unreadable.iter().for_each(|manifest| manifest.log(self.storage));
        Ok(listing)
    }

    /// Reads the first of these backups that still exists and can be read. A manifest that was damaged after it was
    /// listed is added to `unreadable`.
    ///
    /// # Errors
    /// The storage cannot be read.
    pub(crate) async fn read_first(
        &self,
        candidates: &[BackupId],
        unreadable: &mut Vec<UnreadableManifest>,
    ) -> Result<Option<StoredBackup<'a>>> {
        for id in candidates {
            let path = manifest_path(id);
            match Box::pin(read(self.storage, &path)).await {
                Ok(None) => {}
                Ok(Some(backup)) => return Ok(Some(backup)),
                Err(error) => match UnreadableManifest::from_error(self.storage, &path, &error) {
                    Some(problem) => {
                        problem.log(self.storage);
                        unreadable.push(problem);
                    }
                    None => return Err(error),
                },
            }
        }
        Ok(None)
    }
}

/// Finds a backup. An id selects a backup of any application. A name selects the newest backup that `accept`
/// accepts among the backups of the application in `lookup`.
///
/// # Errors
/// There is no such backup, or it cannot be read.
pub(crate) async fn find<'a>(
    profile: SearchedProfile<'_, 'a>,
    lookup: Lookup<'_>,
    wanted: &BackupRef,
    accept: impl Fn(&Manifest) -> bool,
) -> Result<StoredBackup<'a>> {
    let storage = profile.storage;
    match wanted {
        BackupRef::Id(id) => find_id(storage, *id).await,
        BackupRef::Short(digits) => find_short(storage, digits).await,
        BackupRef::Latest | BackupRef::LatestNamed(_) => Err(Error::new(
            ErrorKind::Internal,
            "`latest` was looked up as a name; this is a bug in koan-backup",
        )),
        BackupRef::Name(name) => {
            let Listing { entries: mut all, mut unreadable } = profile.list().await?;
            all.retain(|backup| backup.manifest().name.as_str() == name);
            let named = lookup.select(&all, &accept);
            let failed = named.first().filter(|backup| !accept(backup.manifest())).map(CatalogEntry::id);
            let accepted = named.iter().filter(|backup| accept(backup.manifest()));
            let accepted: Vec<_> = accepted.map(CatalogEntry::id).collect();
            if let Some(backup) = profile.read_first(&accepted, &mut unreadable).await? {
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
