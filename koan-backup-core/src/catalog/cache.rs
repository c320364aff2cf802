//! Manifests that were read before. They are never altered in place, so a file of the same size, time and tag is the same.
//!
//! The cache is a convenience: what it lacks or what is damaged in it is read from the storage, and archives are never in it.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt as _, TryStreamExt as _};
use object_store::ObjectMeta;
use serde::{Deserialize, Serialize};

use super::READS_AT_ONCE;
use super::entry::CatalogEntry;
use super::stored;
use crate::archive::Manifest;
use crate::error::Result;
use crate::storage::Storage;

/// The manifests of all profiles, in memory and, if there is a directory for them, on disk.
#[derive(Debug, Default)]
pub(crate) struct ManifestCache {
    directory: Option<PathBuf>,
    /// By profile and path.
    known: Mutex<HashMap<(String, String), Known>>,
}

/// A manifest, and of which version of its file.
type Known = (Stamp, Arc<Manifest>);

/// What tells two versions of a file apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stamp {
    size: u64,
    modified: String,
    tag: Option<String>,
}

/// A manifest in the directory.
#[derive(Serialize, Deserialize)]
struct Kept {
    stamp: Stamp,
    /// The hash of the manifest's JSON.
    sha256: String,
    manifest: String,
}

impl Stamp {
    fn of(meta: &ObjectMeta) -> Self {
        Self { size: meta.size, modified: meta.last_modified.to_rfc3339(), tag: meta.e_tag.clone() }
    }
}

impl ManifestCache {
    pub(crate) fn new(directory: Option<PathBuf>) -> Self {
        Self { directory, known: Mutex::default() }
    }

    /// All backups of a profile, in no order. Those that are known are not read again.
    ///
    /// # Errors
    /// The storage cannot be read, or a manifest is damaged: an incomplete list is never given.
    pub(crate) async fn all(&self, profile: &str, storage: &Storage) -> Result<Vec<CatalogEntry>> {
        let profile: Arc<str> = profile.into();
        let listed = stored::listed(storage).await?;
        let mut entries = Vec::with_capacity(listed.len());
        let mut unknown = Vec::new();
        {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let mut key = (profile.to_string(), String::new());
            for meta in listed {
                meta.location.as_ref().clone_into(&mut key.1);
                match known.get(&key) {
                    Some((stamp, manifest)) if *stamp == Stamp::of(&meta) => {
                        entries.push(CatalogEntry::new(Arc::clone(&profile), Arc::clone(manifest)));
                    }
                    _ => unknown.push(meta),
                }
            }
        }
        let read = |meta: ObjectMeta| async move { Ok((self.read(storage, &meta).await?, meta)) };
        let mut read = futures::stream::iter(unknown).map(read).buffer_unordered(READS_AT_ONCE);
        while let Some((manifest, meta)) = read.try_next().await? {
            let Some(manifest) = manifest else { continue };
            let manifest = Arc::new(manifest);
            let key = (profile.to_string(), meta.location.to_string());
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.insert(key, (Stamp::of(&meta), Arc::clone(&manifest)));
            drop(known);
            entries.push(CatalogEntry::new(Arc::clone(&profile), manifest));
        }
        // What is gone is forgotten.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() > entries.len() {
            let ids: HashSet<_> = entries.iter().map(CatalogEntry::id).collect();
            known.retain(|(of, _), (_, manifest)| **of != *profile || ids.contains(&manifest.id));
        }
        drop(known);
        Ok(entries)
    }

    async fn read(&self, storage: &Storage, meta: &ObjectMeta) -> Result<Option<Manifest>> {
        if let Some(manifest) = self.kept(storage, meta).await {
            return Ok(Some(manifest));
        }
        let Some(backup) = stored::read(storage, meta).await? else { return Ok(None) };
        self.keep(storage, meta, &backup.published).await;
        Ok(Some(backup.manifest))
    }

    /// A manifest as it is on disk, if it is there, whole, and that of this file.
    async fn kept(&self, storage: &Storage, meta: &ObjectMeta) -> Option<Manifest> {
        let file = self.file(storage, meta)?;
        let stamp = Stamp::of(meta);
        let read = tokio::task::spawn_blocking(move || {
            let kept: Kept = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
            let is_whole =
                kept.stamp == stamp && kept.sha256 == crate::digest::sha256(kept.manifest.as_bytes());
            is_whole.then_some(kept.manifest)
        });
        let text = read.await.ok()??;
        stored::parse(storage, meta.location.as_ref(), text.as_bytes()).ok().map(|backup| backup.manifest)
    }

    /// Keeps a manifest on disk. That it could not is logged: the cache is a convenience.
    async fn keep(&self, storage: &Storage, meta: &ObjectMeta, published: &serde_json::Value) {
        let Some(file) = self.file(storage, meta) else { return };
        let manifest = published.to_string();
        let kept =
            Kept { stamp: Stamp::of(meta), sha256: crate::digest::sha256(manifest.as_bytes()), manifest };
        let shown = file.display().to_string();
        let written = tokio::task::spawn_blocking(move || write(&file, &kept)).await;
        let written = written.map_err(std::io::Error::other).and_then(|written| written);
        if let Err(error) = written {
            tracing::warn!(target: "koan::backup", file = %shown, error = %error, "a manifest was not kept in the cache");
        }
    }

    /// Where a manifest is on disk: storages of the same file names stay apart.
    fn file(&self, storage: &Storage, meta: &ObjectMeta) -> Option<PathBuf> {
        let place = crate::digest::sha256(storage.location().as_bytes());
        let place = place.trim_start_matches("sha256:").get(..16)?;
        Some(self.directory.as_ref()?.join(place).join(meta.location.filename()?))
    }
}

/// Whole or not at all.
fn write(file: &Path, kept: &Kept) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or_else(|| Path::new("."));
    std::fs::create_dir_all(folder)?;
    let new = file.with_extension(format!("{}.new", uuid::Uuid::now_v7().simple()));
    let written = std::fs::write(&new, serde_json::to_vec(kept)?).and_then(|()| std::fs::rename(&new, file));
    if written.is_err() {
        // The error that counts is the one above.
        let _ = std::fs::remove_file(&new);
    }
    written
}
