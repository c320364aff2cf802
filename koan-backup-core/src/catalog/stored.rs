//! Reads manifests from a storage profile.

use futures::StreamExt as _;
use object_store::path::Path;
use tokio::time::timeout;

use super::origin::origin_note;
use super::unreadable::UnreadableManifest;
use crate::archive::{FORMAT_VERSION, MAX_MANIFEST_BYTES, Manifest, manifest_id, manifest_path, tree_fits};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::foundation::identity::ApplicationIdentity;
use crate::storage::manifests_prefix;
use crate::storage::{CLEANUP_TIMEOUT, ListedFile, Storage};

/// The number of manifests that are read at the same time. A remote store needs some time for each response.
pub(super) const MAX_CONCURRENT_READS: usize = 64;

/// A backup in a storage profile.
#[derive(Clone, Debug)]
pub(crate) struct StoredBackup<'a> {
    pub(crate) storage: &'a Storage,
    pub(crate) manifest: Manifest,
    /// The manifest as it was published, which is compared with its copy in the archive.
    pub(crate) published: serde_json::Value,
    /// Whether `manifest` is the complete manifest inside an archive that is encrypted as a whole.
    /// `published` is its envelope then.
    pub(crate) is_decrypted: bool,
    /// A newer backup with the same name that was not selected because it failed.
    pub(crate) newer_failed: Option<BackupId>,
    /// Manifests that cannot be read and may belong to newer backups, if the backup was looked up by name or
    /// as `latest`.
    pub(crate) unreadable: Vec<UnreadableManifest>,
}

impl<'a> StoredBackup<'a> {
    /// Creates a backup that was looked up by its id.
    pub(crate) fn new(storage: &'a Storage, manifest: Manifest, published: serde_json::Value) -> Self {
        Self { storage, manifest, published, is_decrypted: false, newer_failed: None, unreadable: Vec::new() }
    }

    /// Adds the unreadable manifests, except those that belong to older backups.
    pub(crate) fn with_unreadable(self, unreadable: Vec<UnreadableManifest>) -> Self {
        let started_ms = self.manifest.created_at.as_millisecond();
        let may_be_newer = |manifest: &UnreadableManifest| {
            manifest.id.time().is_none_or(|time| time.as_millisecond() >= started_ms)
        };
        Self { unreadable: unreadable.into_iter().filter(may_be_newer).collect(), ..self }
    }

    /// Returns notes about the lookup: that a newer backup may exist, and that another application may have
    /// made this backup.
    pub(crate) fn notes(&self, own: &ApplicationIdentity) -> Vec<String> {
        let Manifest { id, name, created_at, .. } = &self.manifest;
        let newer_failed = self.newer_failed.map(|failed| {
            format!("the newest backup called `{name}`, {failed}, failed, so the older backup {id} is used")
        });
        let unreadable = self.unreadable.first().map(|first| {
            let more = match self.unreadable.len() {
                1 => String::new(),
                count => format!(" (other manifests that cannot be read: {})", count - 1),
            };
            format!(
                "backup {id} of {created_at} is used, but there may be a newer backup: {}{more}; \
                 `koan.catalog().recover()` verifies the archive of a damaged manifest and publishes the \
                 manifest again; select a backup by its id to use it in any case",
                first.problem
            )
        });
        newer_failed.into_iter().chain(unreadable).chain(origin_note(&self.manifest, own)).collect()
    }
}

/// The manifests of a profile: the backups, newest first, and the manifests that cannot be read.
#[derive(Debug)]
pub(crate) struct StoredManifests<'a> {
    pub(crate) backups: Vec<StoredBackup<'a>>,
    pub(crate) unreadable: Vec<UnreadableManifest>,
}

/// Returns the backups of a profile whose manifests can be read, newest first. The other manifests are
/// logged.
///
/// # Errors
/// The errors of [`list_all`].
pub(crate) async fn list(storage: &Storage) -> Result<Vec<StoredBackup<'_>>> {
    let StoredManifests { backups, unreadable } = list_all(storage).await?;
    unreadable.iter().for_each(|manifest| manifest.log(storage));
    Ok(backups)
}

/// Returns the backups of a profile, and the manifests that cannot be read.
///
/// # Errors
/// The storage cannot be listed or read; an incomplete list is never returned. A single manifest that is
/// damaged, or that the store refuses to return, is not an error, unless the store returns none of the
/// manifests.
pub(crate) async fn list_all(storage: &Storage) -> Result<StoredManifests<'_>> {
    list_some(storage, |_| true).await
}

/// Returns the backups of a profile whose ids are `selected`, as [`list_all`] does. Other manifests are not read.
///
/// # Errors
/// The errors of [`list_all`].
pub(super) async fn list_some(
    storage: &Storage,
    selected: impl Fn(BackupId) -> bool,
) -> Result<StoredManifests<'_>> {
    let mut listed = list_manifest_files(storage).await?;
    listed.retain(|file| manifest_id(&file.path).is_some_and(&selected));
    let read = |file: ListedFile| async move { (read(storage, &file.path).await, file.path) };
    let mut read = futures::stream::iter(listed).map(read).buffer_unordered(MAX_CONCURRENT_READS);
    let (mut backups, mut unreadable, mut refused) = (Vec::new(), Vec::new(), None);
    while let Some((found, path)) = read.next().await {
        match found {
            Ok(found) => backups.extend(found),
            Err(error) => {
                unreadable.extend(UnreadableManifest::from_error(storage, &path, &error));
                match unreadable.last() {
                    Some(manifest) if manifest.path == path.as_ref() => {
                        refused = refused.or((error.kind() == ErrorKind::Storage).then_some(error));
                    }
                    _ => return Err(error),
                }
            }
        }
    }
    if let (Some(error), true) = (refused, backups.is_empty()) {
        return Err(error);
    }
    backups.sort_by_key(|backup| std::cmp::Reverse((backup.manifest.created_at, backup.manifest.id)));
    unreadable.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(StoredManifests { backups, unreadable })
}

/// Lists the manifest files of a profile. Their names are `{id}.json`; other files are ignored.
///
/// # Errors
/// The storage cannot be listed; an incomplete list is never returned.
pub(super) async fn list_manifest_files(storage: &Storage) -> Result<Vec<ListedFile>> {
    let mut listed = storage.list(&manifests_prefix()).await.map_err(|source| {
        Error::with_source(
            ErrorKind::Storage,
            format!("the backups in storage `{}` cannot be listed", storage.location()),
            source,
        )
    })?;
    listed.retain(|file| manifest_id(&file.path).is_some());
    Ok(listed)
}

/// Reads a manifest, or returns `None` if the file does not exist.
pub(super) async fn read<'a>(storage: &'a Storage, path: &Path) -> Result<Option<StoredBackup<'a>>> {
    let bytes = storage.read(path, MAX_MANIFEST_BYTES).await?;
    bytes.map(|bytes| parse(storage, path.as_ref(), &bytes)).transpose()
}

/// Returns the backup with an id, independent of the application that made it.
///
/// # Errors
/// There is no such backup, or it cannot be read.
pub(crate) async fn find_id(storage: &Storage, id: BackupId) -> Result<StoredBackup<'_>> {
    let path = manifest_path(&id);
    match storage.read(&path, MAX_MANIFEST_BYTES).await? {
        Some(bytes) => parse(storage, path.as_ref(), &bytes),
        None => Err(not_found(storage, &format!("no backup has the id {id}"))),
    }
}

/// Returns the currently published manifest of a backup, or `None` if there is none.
pub(crate) async fn published(storage: &Storage, id: &BackupId) -> Result<Option<serde_json::Value>> {
    let path = manifest_path(id);
    match storage.read(&path, MAX_MANIFEST_BYTES).await? {
        Some(bytes) => Ok(Some(parse(storage, path.as_ref(), &bytes)?.published)),
        None => Ok(None),
    }
}

/// Calls [`published`] with a time limit, for operations that clean up after an error.
///
/// # Errors
/// The errors of [`published`], or the storage does not respond in time.
pub(crate) async fn published_in_time(storage: &Storage, id: &BackupId) -> Result<Option<serde_json::Value>> {
    timeout(CLEANUP_TIMEOUT, published(storage, id)).await.unwrap_or_else(|_| Err(storage.timeout_error()))
}

/// Returns the part of a "not found" error that describes manifests that cannot be read.
pub(crate) fn unreadable_note(unreadable: &[UnreadableManifest]) -> String {
    match unreadable.first() {
        None => String::new(),
        Some(manifest) => {
            format!(", but {} manifest(s) cannot be read: {}", unreadable.len(), manifest.problem)
        }
    }
}

pub(super) fn not_found(storage: &Storage, problem: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("{problem} in storage `{}`", storage.location()))
        .with_help("`koan.backups()` lists the existing backups")
}

pub(crate) fn parse<'a>(storage: &'a Storage, path: &str, bytes: &[u8]) -> Result<StoredBackup<'a>> {
    let damaged = |source: serde_json::Error| {
        Error::with_source(
            ErrorKind::Corrupt,
            format!(
                "manifest `{path}` in storage `{}` is damaged; do not move its archive: \
                 `koan.catalog().recover()` verifies the archive and publishes its manifest again",
                storage.location()
            ),
            source,
        )
    };
    if !tree_fits(bytes) {
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!(
                "manifest `{path}` in storage `{}` is larger than any manifest that koan-backup writes",
                storage.location()
            ),
        ));
    }
    let published: serde_json::Value = serde_json::from_slice(bytes).map_err(damaged)?;
    let version = published.get("formatVersion").and_then(serde_json::Value::as_u64);
    if version.is_some_and(|version| version > u64::from(FORMAT_VERSION)) {
        return Err(Error::new(
            ErrorKind::Incompatible,
            format!(
                "manifest `{path}` has format version {}, but this version of koan-backup reads \
                 only versions up to {FORMAT_VERSION}; update koan-backup",
                version.unwrap_or_default()
            ),
        ));
    }
    let manifest: Manifest = serde_json::from_value(published.clone()).map_err(damaged)?;
    if manifest.format_version == 0 {
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!(
                "manifest `{path}` in storage `{}` has format version 0, which does not exist",
                storage.location()
            ),
        ));
    }
    if manifest_path(&manifest.id).as_ref() != path {
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!("manifest `{path}` in storage `{}` belongs to another backup", storage.location()),
        ));
    }
    Ok(StoredBackup::new(storage, manifest, published))
}
