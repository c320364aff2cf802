//! Manifests that were read before. They are never altered in place, so a file of the same size, time and tag is the same.
//!
//! The cache is a convenience: what it lacks or what is damaged in it is read from the storage, and archives are never in it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt as _;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::entry::CatalogEntry;
use super::unreadable::UnreadableManifest;
use super::{READS_AT_ONCE, damage, stored};
use crate::archive::Manifest;
use crate::foundation::error::{ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::foundation::private_files::{create_private_directories, create_private_file};
use crate::storage::{FileStamp, ListedFile, Storage};

/// The manifests of all profiles, in memory and, if there is a directory for them, on disk.
#[derive(Debug, Default)]
pub(crate) struct ManifestCache {
    directory: Option<PathBuf>,
    /// By profile, then by path.
    known: Mutex<HashMap<Arc<str>, HashMap<Path, Known>>>,
}

/// A manifest, and of which version of its file.
type Known = (FileStamp, Arc<Manifest>);

/// A manifest in the directory.
#[derive(Serialize, Deserialize)]
struct Kept {
    stamp: FileStamp,
    /// The hash of the manifest's JSON.
    sha256: String,
    manifest: String,
}

/// The manifests of a profile.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) entries: Vec<CatalogEntry>,
    pub(crate) unreadable: Vec<UnreadableManifest>,
}

impl ManifestCache {
    pub(crate) fn new(directory: Option<PathBuf>) -> Self {
        Self { directory, known: Mutex::default() }
    }

    /// All backups of a profile, in no order, with what is known to be wrong with them, and the manifests that cannot be read. Those
    /// that are known are not read again.
    ///
    /// # Errors
    /// The storage cannot be listed or read: an incomplete list is never given. If the store hands out none of the manifests, that is an
    /// error, too.
    pub(crate) async fn all(&self, profile: &str, storage: &Storage) -> Result<Listing> {
        let profile: Arc<str> = profile.into();
        let (listed, damaged) = futures::try_join!(stored::listed(storage), damage::of(storage))?;
        let mut entries = Vec::with_capacity(listed.len());
        let mut unknown = Vec::new();
        self.of_profile(&profile, |known| {
            for file in listed {
                match known.get(&file.path) {
                    Some((stamp, manifest)) if *stamp == file.stamp => {
                        entries.push(CatalogEntry::new(Arc::clone(&profile), Arc::clone(manifest)));
                    }
                    _ => unknown.push(file),
                }
            }
        });
        let read = |file: ListedFile| async move { (self.read(storage, &file).await, file) };
        let mut read = futures::stream::iter(unknown).map(read).buffer_unordered(READS_AT_ONCE);
        let (mut unreadable, mut refused) = (Vec::new(), None);
        while let Some((manifest, file)) = read.next().await {
            let manifest = match manifest {
                Ok(manifest) => manifest,
                Err(error) => {
                    let Some(problem) = UnreadableManifest::of(storage, &file.path, &error) else {
                        return Err(error);
                    };
                    unreadable.push(problem);
                    refused = refused.or((error.kind() == ErrorKind::Storage).then_some(error));
                    continue;
                }
            };
            let Some(manifest) = manifest else { continue };
            let manifest = Arc::new(manifest);
            entries.push(CatalogEntry::new(Arc::clone(&profile), Arc::clone(&manifest)));
            self.of_profile(&profile, |known| known.insert(file.path, (file.stamp, manifest)));
        }
        if let (Some(error), true) = (refused, entries.is_empty()) {
            return Err(error);
        }
        // What is gone is forgotten.
        self.of_profile(&profile, |known| {
            if known.len() > entries.len() {
                let ids: HashSet<_> = entries.iter().map(CatalogEntry::id).collect();
                known.retain(|_, (_, manifest)| ids.contains(&manifest.id));
            }
        });
        if !damaged.is_empty() {
            for entry in &mut entries {
                if let Some(problem) = damaged.get(&entry.id()) {
                    entry.set_damage(problem);
                }
            }
        }
        unreadable.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(Listing { entries, unreadable })
    }

    fn of_profile<T>(&self, profile: &Arc<str>, work: impl FnOnce(&mut HashMap<Path, Known>) -> T) -> T {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        work(known.entry(Arc::clone(profile)).or_default())
    }

    /// Removes the manifests of backups that are gone from the disk. That it could not is logged: the cache is a convenience.
    pub(crate) async fn trim(&self, storage: &Storage, there: BTreeSet<BackupId>) {
        let Some(folder) = self.folder(storage) else { return };
        let shown = folder.display().to_string();
        let trimmed = tokio::task::spawn_blocking(move || trim(&folder, &there)).await;
        if let Err(error) = trimmed.map_err(std::io::Error::other).and_then(|trimmed| trimmed) {
            tracing::warn!(target: "koan::backup", folder = %shown, error = %error, "the cache of manifests was not trimmed");
        }
    }

    async fn read(&self, storage: &Storage, listed: &ListedFile) -> Result<Option<Manifest>> {
        if let Some(manifest) = self.kept(storage, listed).await {
            return Ok(Some(manifest));
        }
        let Some(backup) = stored::read(storage, &listed.path).await? else { return Ok(None) };
        self.keep(storage, listed, &backup.published).await;
        Ok(Some(backup.manifest))
    }

    /// A manifest as it is on disk, if it is there, whole, and that of this file.
    async fn kept(&self, storage: &Storage, listed: &ListedFile) -> Option<Manifest> {
        let file = self.file(storage, listed)?;
        let stamp = listed.stamp.clone();
        let read = tokio::task::spawn_blocking(move || {
            let kept: Kept = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
            let is_whole = kept.stamp == stamp
                && kept.sha256 == crate::foundation::digest::sha256(kept.manifest.as_bytes());
            is_whole.then_some(kept.manifest)
        });
        let text = read.await.ok()??;
        stored::parse(storage, listed.path.as_ref(), text.as_bytes()).ok().map(|backup| backup.manifest)
    }

    /// Keeps a manifest on disk. That it could not is logged: the cache is a convenience.
    async fn keep(&self, storage: &Storage, listed: &ListedFile, published: &serde_json::Value) {
        let Some(file) = self.file(storage, listed) else { return };
        let manifest = published.to_string();
        let kept = Kept {
            stamp: listed.stamp.clone(),
            sha256: crate::foundation::digest::sha256(manifest.as_bytes()),
            manifest,
        };
        let shown = file.display().to_string();
        let written = tokio::task::spawn_blocking(move || write(&file, &kept)).await;
        let written = written.map_err(std::io::Error::other).and_then(|written| written);
        if let Err(error) = written {
            tracing::warn!(target: "koan::backup", file = %shown, error = %error, "a manifest was not kept in the cache");
        }
    }

    /// Where a manifest is on disk.
    fn file(&self, storage: &Storage, listed: &ListedFile) -> Option<PathBuf> {
        Some(self.folder(storage)?.join(listed.path.filename()?))
    }

    /// Where the manifests of a storage are on disk: storages of the same file names stay apart.
    fn folder(&self, storage: &Storage) -> Option<PathBuf> {
        let place = crate::foundation::digest::sha256(storage.location().as_bytes());
        let place = place.trim_start_matches("sha256:").get(..16)?;
        Some(self.directory.as_ref()?.join(place))
    }
}

/// Removes the files of backups that are not there, and what a process left that died while it wrote one.
fn trim(folder: &std::path::Path, there: &BTreeSet<BackupId>) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let Some((id, rest)) = name.split_once('.') else { continue };
        let Ok(id) = id.parse::<BackupId>() else { continue };
        let is_gone = match rest {
            "json" => !there.contains(&id),
            rest if rest.ends_with(".new") => {
                let age = entry.metadata()?.modified()?.elapsed();
                age.is_ok_and(|age| age > std::time::Duration::from_secs(86_400))
            }
            _ => false,
        };
        if is_gone {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Whole or not at all.
fn write(file: &std::path::Path, kept: &Kept) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or_else(|| std::path::Path::new("."));
    create_private_directories(folder)?;
    let new = file.with_extension(format!("{}.new", uuid::Uuid::now_v7().simple()));
    let written = create_private_file(&new)
        .and_then(|mut output| output.write_all(&serde_json::to_vec(kept)?))
        .and_then(|()| std::fs::rename(&new, file));
    if written.is_err() {
        // The error that counts is the one above.
        let _ = std::fs::remove_file(&new);
    }
    written
}
