//! A cache of the sidecar files of one folder in memory. A file is read again if the storage lists another version
//! of it.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;

use super::sidecar::{self, SidecarFiles};
use crate::foundation::error::Result;
use crate::foundation::id::BackupId;
use crate::storage::{FileFingerprint, ListedFile, Storage};

/// The maximum number of cached files of a profile. Further files are read each time.
const MAX_CACHED_FILES: usize = 100_000;

/// The age from which a file is cached. A younger file may be replaced at the same time of its file system, so that
/// its fingerprint would not show the change.
const MIN_CACHED_AGE: SignedDuration = SignedDuration::from_secs(2);

/// The cached files of a profile, each with the fingerprint that it had.
type KnownFiles<T> = HashMap<BackupId, (FileFingerprint, T)>;

/// A cache of the sidecar files of one folder, in all profiles.
#[derive(Debug)]
pub(crate) struct SidecarCache<T> {
    folder: &'static str,
    /// What the user should do about a damaged file.
    remedy: &'static str,
    /// The known files, by profile.
    known: Mutex<HashMap<String, KnownFiles<T>>>,
}

impl<T: Clone + DeserializeOwned> SidecarCache<T> {
    pub(crate) fn new(folder: &'static str, remedy: &'static str) -> Self {
        Self { folder, remedy, known: Mutex::default() }
    }

    /// Returns all files of a profile, as [`sidecar::read_all`] does. Cached files are not read again.
    ///
    /// # Errors
    /// The storage cannot be read.
    pub(crate) async fn all(&self, profile: &str, storage: &Storage) -> Result<SidecarFiles<BackupId, T>> {
        let newest = Timestamp::now() - MIN_CACHED_AGE;
        let listed = sidecar::list::<BackupId>(storage, self.folder).await?;
        let (cached, unknown) = self.with_profile(profile, |known| partition(known, listed));
        let ids = unknown.keys().copied();
        let mut found = sidecar::read_some::<BackupId, T>(storage, self.folder, self.remedy, ids).await?;
        self.with_profile(profile, |known| {
            for (id, content) in &found.readable {
                if let Some(file) = unknown.get(id).filter(|file| file.modified() < newest)
                    && known.len() < MAX_CACHED_FILES
                {
                    known.insert(*id, (file.fingerprint.clone(), content.clone()));
                }
            }
        });
        found.readable.extend(cached);
        Ok(found)
    }

    fn with_profile<R>(&self, profile: &str, work: impl FnOnce(&mut KnownFiles<T>) -> R) -> R {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        work(known.entry(profile.to_owned()).or_default())
    }
}

/// Returns the contents of the listed files that are known, and the other files. Forgets the files that are no longer
/// listed.
fn partition<T: Clone>(
    known: &mut KnownFiles<T>,
    listed: Vec<(BackupId, ListedFile)>,
) -> (Vec<(BackupId, T)>, HashMap<BackupId, ListedFile>) {
    let (mut cached, mut unknown) = (Vec::with_capacity(listed.len()), HashMap::new());
    for (id, file) in listed {
        match known.get(&id) {
            Some((fingerprint, content)) if *fingerprint == file.fingerprint => {
                cached.push((id, content.clone()));
            }
            _ => drop(unknown.insert(id, file)),
        }
    }
    if known.len() > cached.len() {
        let current: HashSet<_> = cached.iter().map(|(id, _)| *id).collect();
        known.retain(|id, _| current.contains(id));
    }
    (cached, unknown)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    const FOLDER: &str = "notes";

    /// A profile with one file of an age, and its id.
    async fn profile(age: Duration) -> (tempfile::TempDir, Storage, BackupId) {
        let folder = tempfile::tempdir().expect("a folder");
        let storage = Storage::local(folder.path()).expect("the storage opens");
        let id = BackupId::from_uuid(uuid::Uuid::now_v7());
        sidecar::write(&storage, FOLDER, &id, &1_u32).await.expect("the file is written");
        set_age(&folder, id, age);
        (folder, storage, id)
    }

    fn set_age(folder: &tempfile::TempDir, id: BackupId, age: Duration) {
        let file = std::fs::File::options().write(true).open(path(folder, id)).expect("the file exists");
        file.set_modified(SystemTime::now() - age).expect("the time is set");
    }

    fn path(folder: &tempfile::TempDir, id: BackupId) -> std::path::PathBuf {
        folder.path().join(FOLDER).join(format!("{id}.json"))
    }

    async fn read(cache: &SidecarCache<u32>, storage: &Storage) -> Vec<u32> {
        let found = cache.all("profile", storage).await.expect("the profile can be read");
        assert!(found.unreadable.is_empty(), "{found:?}");
        found.readable.into_values().collect()
    }

    /// Replaces the content 1 by 3; the size, the time and the inode of the file stay.
    fn replace_with_same_fingerprint(folder: &tempfile::TempDir, id: BackupId) {
        let path = path(folder, id);
        let modified = std::fs::metadata(&path).and_then(|meta| meta.modified()).expect("a time");
        let content = std::fs::read_to_string(&path).expect("the content");
        std::fs::write(&path, content.replace('1', "3")).expect("the file is written");
        let file = std::fs::File::options().write(true).open(&path).expect("the file exists");
        file.set_modified(modified).expect("the time is set");
    }

    #[tokio::test]
    async fn a_file_that_another_process_replaces_or_removes_is_seen() {
        let (folder, storage, id) = profile(Duration::from_secs(60)).await;
        let cache = SidecarCache::new(FOLDER, "");
        assert_eq!(read(&cache, &storage).await, [1]);
        sidecar::write(&storage, FOLDER, &id, &2_u32).await.expect("the file is replaced");
        set_age(&folder, id, Duration::from_secs(30));
        assert_eq!(read(&cache, &storage).await, [2], "the new content has another time");
        sidecar::remove(&storage, FOLDER, &id).await.expect("the file is removed");
        assert_eq!(read(&cache, &storage).await, [0; 0]);
        assert!(cache.with_profile("profile", |known| known.is_empty()), "a removed file is forgotten");
    }

    #[tokio::test]
    async fn an_unchanged_file_is_not_read_again() {
        let (folder, storage, id) = profile(Duration::from_secs(60)).await;
        let cache = SidecarCache::new(FOLDER, "");
        assert_eq!(read(&cache, &storage).await, [1]);
        replace_with_same_fingerprint(&folder, id);
        assert_eq!(read(&cache, &storage).await, [1], "the cached content is used");
    }

    #[tokio::test]
    async fn a_file_that_may_still_change_within_its_time_is_not_cached() {
        let (folder, storage, id) = profile(Duration::ZERO).await;
        let cache = SidecarCache::new(FOLDER, "");
        assert_eq!(read(&cache, &storage).await, [1]);
        replace_with_same_fingerprint(&folder, id);
        assert_eq!(read(&cache, &storage).await, [3], "a young file is read again");
    }
}
