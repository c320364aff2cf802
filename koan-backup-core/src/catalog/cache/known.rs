//! The manifests that are cached in memory.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path;
use tokio::time::Instant;

use crate::archive::Manifest;
use crate::storage::{FileFingerprint, ListedFile};

/// The maximum size of the files of all manifests in memory. Further manifests are read for each listing.
const MAX_KNOWN_BYTES: u64 = 128 << 20;

/// How long a manifest is known. It is then read again, so that damage which does not change the file's fingerprint is
/// noticed.
const MAX_KNOWN_TIME: Duration = Duration::from_secs(3600);

/// The manifests that are cached in memory, of all profiles.
#[derive(Debug, Default)]
pub(super) struct KnownManifests {
    /// The manifests by profile, then by the path of the file.
    profiles: HashMap<Arc<str>, HashMap<Path, KnownManifest>>,
    /// The size of their files.
    bytes: u64,
}

/// A manifest with the fingerprint of its file, and when it was read.
type KnownManifest = (FileFingerprint, Arc<Manifest>, Instant);

impl KnownManifests {
    /// Returns the manifests of the listed files that are known, and the other files. Forgets the files of the profile
    /// that are no longer listed.
    pub(super) fn take(
        &mut self,
        profile: &Arc<str>,
        listed: Vec<ListedFile>,
    ) -> (Vec<Arc<Manifest>>, Vec<ListedFile>) {
        let Some(known) = self.profiles.get_mut(profile) else { return (Vec::new(), listed) };
        let (mut found, mut unknown) = (Vec::with_capacity(listed.len()), Vec::new());
        for file in listed {
            match known.get(&file.path) {
                Some((fingerprint, manifest, read_at))
                    if *fingerprint == file.fingerprint && read_at.elapsed() < MAX_KNOWN_TIME =>
                {
                    found.push(Arc::clone(manifest));
                }
                _ => unknown.push(file),
            }
        }
        if known.len() > found.len() {
            let current: HashSet<_> = found.iter().map(|manifest| manifest.id).collect();
            known.retain(|_, (fingerprint, manifest, _)| {
                let is_current = current.contains(&manifest.id);
                if !is_current {
                    self.bytes = self.bytes.saturating_sub(fingerprint.size_bytes());
                }
                is_current
            });
        }
        (found, unknown)
    }

    /// Adds a manifest, unless the limit of memory is reached.
    pub(super) fn insert(&mut self, profile: &Arc<str>, file: ListedFile, manifest: Arc<Manifest>) {
        let bytes = file.size_bytes();
        if self.bytes.saturating_add(bytes) > MAX_KNOWN_BYTES {
            return;
        }
        let known = self.profiles.entry(Arc::clone(profile)).or_default();
        self.bytes += bytes;
        if let Some((replaced, ..)) = known.insert(file.path, (file.fingerprint, manifest, Instant::now())) {
            self.bytes = self.bytes.saturating_sub(replaced.size_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectMeta;

    use super::*;
    use crate::archive::manifest_path;

    fn listed(manifest: &Manifest, size: u64) -> ListedFile {
        ListedFile::from(ObjectMeta {
            location: manifest_path(&manifest.id),
            last_modified: std::time::SystemTime::UNIX_EPOCH.into(),
            size,
            e_tag: None,
            version: None,
        })
    }

    #[test]
    fn the_memory_of_the_known_manifests_has_a_limit_and_is_freed() {
        let profile: Arc<str> = "default".into();
        let mut known = KnownManifests::default();
        let manifests: Vec<_> = (0..3).map(|_| Arc::new(Manifest::example())).collect();
        let size = MAX_KNOWN_BYTES / 2;
        for manifest in &manifests {
            known.insert(&profile, listed(manifest, size), Arc::clone(manifest));
        }
        assert_eq!(known.bytes, MAX_KNOWN_BYTES, "the third manifest does not fit");
        let files = || manifests.iter().map(|manifest| listed(manifest, size)).collect();
        let (found, unknown) = known.take(&profile, files());
        assert_eq!((found.len(), unknown.len()), (2, 1), "the third manifest is read each time");
        let (found, unknown) = known.take(&profile, vec![listed(&manifests[2], size)]);
        assert_eq!((found.len(), unknown.len(), known.bytes), (0, 1, 0), "removed manifests are forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn a_known_manifest_is_read_again_after_an_hour() {
        let (profile, manifest): (Arc<str>, _) = ("default".into(), Arc::new(Manifest::example()));
        let mut known = KnownManifests::default();
        known.insert(&profile, listed(&manifest, 9), Arc::clone(&manifest));
        tokio::time::advance(MAX_KNOWN_TIME - Duration::from_secs(1)).await;
        assert_eq!(known.take(&profile, vec![listed(&manifest, 9)]).0.len(), 1, "the manifest is known");
        tokio::time::advance(Duration::from_secs(1)).await;
        let (found, unknown) = known.take(&profile, vec![listed(&manifest, 9)]);
        assert_eq!((found.len(), unknown.len(), known.bytes), (0, 1, 0), "the manifest is read again");
        known.insert(&profile, listed(&manifest, 9), Arc::clone(&manifest));
        assert_eq!(known.take(&profile, vec![listed(&manifest, 9)]).0.len(), 1, "it is known again");
    }
}
