//! A cache of manifests. A manifest is replaced only as a whole, by a rekey or a recovery, so a file whose size,
//! modification time and tag are unchanged has the cached content. In memory, it is read again after an hour.
//!
//! The cache is optional: a manifest that is missing or damaged in the cache is read from the storage.

mod known;

use std::collections::{BTreeSet, HashMap};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt as _;
use serde::{Deserialize, Serialize};

use self::known::KnownManifests;
use super::entry::CatalogEntry;
use super::shared_listing::SharedListing;
use super::stored::MAX_CONCURRENT_READS;
use super::unreadable::UnreadableManifest;
use super::{damage, stored};
use crate::archive::{MAX_MANIFEST_BYTES, Manifest};
use crate::foundation::blocking::blocking;
use crate::foundation::bounded_file::read_bounded;
use crate::foundation::error::{ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::foundation::private_files::{create_private_directories, create_private_file};
use crate::storage::{FileFingerprint, ListedFile, Storage};

/// The maximum size of a cached manifest, which is a JSON string in its file.
const MAX_CACHE_FILE_BYTES: u64 = 2 * MAX_MANIFEST_BYTES;

/// A cache of the manifests of all profiles, in memory and, if a directory is configured, on disk.
#[derive(Debug, Default)]
pub(crate) struct ManifestCache {
    directory: Option<PathBuf>,
    known: Mutex<KnownManifests>,
    /// The listings that concurrent callers share, by profile.
    listings: Mutex<HashMap<Arc<str>, Arc<SharedListing<Listing>>>>,
}

/// The content of a cache file.
#[derive(Serialize, Deserialize)]
struct CacheFile {
    fingerprint: FileFingerprint,
    /// The hash of the manifest's JSON.
    sha256: String,
    manifest: String,
}

/// The manifests of a profile.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    pub(crate) entries: Vec<CatalogEntry>,
    pub(crate) unreadable: Vec<UnreadableManifest>,
}

impl ManifestCache {
    pub(crate) fn new(directory: Option<PathBuf>) -> Self {
        Self { directory, ..Self::default() }
    }

    /// Returns all backups of a profile in any order, with their known damage, and the manifests that cannot
    /// be read. Cached manifests are not read again. Concurrent callers share a listing that begins after their calls,
    /// so that every backup that was published before a call is in its result.
    ///
    /// # Errors
    /// The storage cannot be listed or read; an incomplete list is never returned. It is also an error if the
    /// store refuses every manifest.
    pub(crate) async fn all(&self, profile: &str, storage: &Storage) -> Result<Listing> {
        let (mut listing, damaged) =
            futures::try_join!(self.without_damage(profile, storage), damage::read_all(storage))?;
        if !damaged.is_empty() {
            for entry in &mut listing.entries {
                if let Some(problem) = damaged.get(&entry.id()) {
                    entry.set_damage(problem);
                }
            }
        }
        Ok(listing)
    }

    /// Returns what [`all`](Self::all) does, newest first and without known damage, which a search for a backup
    /// does not need.
    ///
    /// # Errors
    /// The errors of [`all`](Self::all).
    pub(crate) async fn newest_first(&self, profile: &str, storage: &Storage) -> Result<Listing> {
        let mut listing = self.without_damage(profile, storage).await?;
        listing.entries.sort_by_key(|entry| std::cmp::Reverse((entry.manifest().created_at, entry.id())));
        Ok(listing)
    }

    async fn without_damage(&self, profile: &str, storage: &Storage) -> Result<Listing> {
        let profile: Arc<str> = profile.into();
        let shared = {
            let mut listings = self.listings.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(listings.entry(Arc::clone(&profile)).or_default())
        };
        let listing = shared.next(|| self.list(&profile, storage)).await?;
        Ok(Arc::unwrap_or_clone(listing))
    }

    async fn list(&self, profile: &Arc<str>, storage: &Storage) -> Result<Listing> {
        let listed = stored::list_manifest_files(storage).await?;
        let mut entries = Vec::with_capacity(listed.len());
        let (cached, unknown) = self.known().take(profile, listed);
        entries.extend(cached.into_iter().map(|manifest| CatalogEntry::new(Arc::clone(profile), manifest)));
        let read = |file: ListedFile| async move { (self.read(storage, &file).await, file) };
        let mut read = futures::stream::iter(unknown).map(read).buffer_unordered(MAX_CONCURRENT_READS);
        let (mut unreadable, mut refused) = (Vec::new(), None);
        while let Some((manifest, file)) = read.next().await {
            let manifest = match manifest {
                Ok(manifest) => manifest,
                Err(error) => {
                    let Some(problem) = UnreadableManifest::from_error(storage, &file.path, &error) else {
                        return Err(error);
                    };
                    unreadable.push(problem);
                    refused = refused.or((error.kind() == ErrorKind::Storage).then_some(error));
                    continue;
                }
            };
            let Some(manifest) = manifest else { continue };
            let manifest = Arc::new(manifest);
            entries.push(CatalogEntry::new(Arc::clone(profile), Arc::clone(&manifest)));
            self.known().insert(profile, file, manifest);
        }
        if let (Some(error), true) = (refused, entries.is_empty()) {
            return Err(error);
        }
        unreadable.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(Listing { entries, unreadable })
    }

    fn known(&self) -> MutexGuard<'_, KnownManifests> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Deletes the files of the cache on disk that belong to backups that no longer exist. An error is only
    /// logged, because the cache is optional.
    pub(crate) async fn trim(&self, storage: &Storage, existing: BTreeSet<BackupId>) {
        let Some(folder) = self.folder(storage) else { return };
        let folder_text = folder.display().to_string();
        let trimmed = blocking("trims the cache", move || trim(&folder, &existing)).await;
        if let Err(error) = trimmed.map_err(std::io::Error::other).and_then(|trimmed| trimmed) {
            tracing::warn!(
                target: "koan::backup", folder = %folder_text, error = %error,
                "the cache of manifests could not be trimmed"
            );
        }
    }

    async fn read(&self, storage: &Storage, listed: &ListedFile) -> Result<Option<Manifest>> {
        if let Some(manifest) = self.read_cached(storage, listed).await {
            return Ok(Some(manifest));
        }
        let Some(backup) = stored::read(storage, &listed.path).await? else { return Ok(None) };
        self.write_cached(storage, listed, &backup.published).await;
        Ok(Some(backup.manifest))
    }

    /// Reads a manifest from the cache on disk, if it exists there, is complete, and belongs to this version
    /// of the manifest file.
    async fn read_cached(&self, storage: &Storage, listed: &ListedFile) -> Option<Manifest> {
        let file = self.file(storage, listed)?;
        let fingerprint = listed.fingerprint.clone();
        let read = blocking("reads the cache", move || {
            let content = read_bounded(&file, MAX_CACHE_FILE_BYTES).ok()?;
            let cached: CacheFile = serde_json::from_slice(&content).ok()?;
            let is_valid = cached.fingerprint == fingerprint
                && cached.sha256 == crate::foundation::digest::sha256(cached.manifest.as_bytes());
            is_valid.then_some(cached.manifest)
        });
        let text = read.await.ok()??;
        stored::parse(storage, listed.path.as_ref(), text.as_bytes()).ok().map(|backup| backup.manifest)
    }

    /// Writes a manifest to the cache on disk. An error is only logged, because the cache is optional.
    async fn write_cached(&self, storage: &Storage, listed: &ListedFile, published: &serde_json::Value) {
        let Some(file) = self.file(storage, listed) else { return };
        let manifest = published.to_string();
        let cached = CacheFile {
            fingerprint: listed.fingerprint.clone(),
            sha256: crate::foundation::digest::sha256(manifest.as_bytes()),
            manifest,
        };
        let file_text = file.display().to_string();
        let written = blocking("writes the cache", move || write(&file, &cached)).await;
        let written = written.map_err(std::io::Error::other).and_then(|written| written);
        if let Err(error) = written {
            tracing::warn!(
                target: "koan::backup", file = %file_text, error = %error,
                "a manifest could not be written to the cache"
            );
        }
    }

    /// Returns the path of a manifest in the cache on disk.
    fn file(&self, storage: &Storage, listed: &ListedFile) -> Option<PathBuf> {
        Some(self.folder(storage)?.join(listed.path.filename()?))
    }

    /// Returns the cache folder of a storage. Each storage has its own folder, because file names can be the
    /// same.
    fn folder(&self, storage: &Storage) -> Option<PathBuf> {
        let hash = crate::foundation::digest::sha256(storage.location().as_bytes());
        let name = hash.trim_start_matches("sha256:").get(..16)?;
        Some(self.directory.as_ref()?.join(name))
    }
}

/// Removes the cache files of backups that do not exist, and old temporary files of processes that were
/// killed.
fn trim(folder: &std::path::Path, existing: &BTreeSet<BackupId>) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let Some((id, rest)) = name.split_once('.') else { continue };
        let Ok(id) = id.parse::<BackupId>() else { continue };
        let is_obsolete = match rest {
            "json" => !existing.contains(&id),
            rest if rest.ends_with(".new") => {
                let age = entry.metadata()?.modified()?.elapsed();
                age.is_ok_and(|age| age > std::time::Duration::from_secs(86_400))
            }
            _ => false,
        };
        if is_obsolete {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Writes a cache file atomically.
fn write(file: &std::path::Path, cached: &CacheFile) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or_else(|| std::path::Path::new("."));
    create_private_directories(folder)?;
    let new = file.with_extension(format!("{}.new", uuid::Uuid::now_v7().simple()));
    let written = create_private_file(&new)
        .and_then(|mut output| output.write_all(&serde_json::to_vec(cached)?))
        .and_then(|()| std::fs::rename(&new, file));
    if written.is_err() {
        // Only the error of the write is reported.
        let _ = std::fs::remove_file(&new);
    }
    written
}
