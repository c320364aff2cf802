//! A snapshot of the directory. It is consistent if the layout is `lines`.

mod set_read;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use koan_backup_core::{
    Result, SetName,
    entity::EntityCodec,
    provider::{Consistency, ReadRequest, ReadSummary, RecordSink, Snapshot},
};

use super::directory::{Directory, EntryKind, Layout, entries};
use super::documents::{Documents, Listing};
use super::failure::blocking;
use super::journal_recovery::{is_lock_file_present, recover_journal};
use super::lock::{Lock, LockTimeout};
use super::name;
use super::open_file::OpenFile;
use set_read::SetRead;

/// A snapshot of the directory.
#[derive(Clone, Debug)]
pub(super) struct JsonSnapshot {
    directory: Directory,
    files: SnapshotFiles,
}

#[derive(Clone, Debug)]
enum SnapshotFiles {
    /// All files of lines, which were opened when the snapshot was taken, by the name of their directory and
    /// their set.
    Lines(Arc<BTreeMap<(String, SetName), Arc<OpenFile>>>),
    /// Documents, which are opened one by one. The lock prevents restores from taking effect.
    Documents { _lock: Option<Arc<Lock>> },
}

impl JsonSnapshot {
    /// Takes a snapshot, after an interrupted restore was finished.
    pub(super) fn take(directory: &Directory, timeout: &LockTimeout) -> Result<Self> {
        directory.require_content()?;
        let files = loop {
            let lock = recover_journal(directory, timeout)?;
            let was_locked = lock.is_some();
            let files = match directory.layout {
                Layout::Lines => SnapshotFiles::Lines(Arc::new(open_all(directory)?)),
                Layout::Documents => SnapshotFiles::Documents { _lock: lock.map(Arc::new) },
            };
            // Without a lock file there is no lock. If the first restore of the directory has created the
            // file in the meantime, the files may be inconsistent.
            if was_locked || !is_lock_file_present(directory) {
                break files;
            }
        };
        Ok(Self { directory: directory.clone(), files })
    }

    /// Returns the documents of a set.
    fn documents(&self, entity: &EntityCodec, set: &SetName) -> Result<Documents> {
        let name = name::entity_directory(entity);
        match &self.files {
            SnapshotFiles::Lines(files) => {
                let file = files.get(&(name, set.clone()));
                Ok(file.map_or_else(Documents::none, |file| Documents::from_lines(Arc::clone(file))))
            }
            SnapshotFiles::Documents { .. } => {
                let listing = Listing::read(&self.directory.set_path(&name, set)?.path)?;
                Ok(Documents::from_files(Arc::new(listing)))
            }
        }
    }

    fn sets_of(&self, entity: &EntityCodec) -> Result<Vec<SetName>> {
        let name = name::entity_directory(entity);
        let named: Vec<SetName> = match &self.files {
            SnapshotFiles::Lines(files) => {
                files.keys().filter(|(directory, _)| *directory == name).map(|(_, set)| set.clone()).collect()
            }
            SnapshotFiles::Documents { .. } => {
                self.directory.contents(&name)?.sets.into_iter().map(|set| set.set).collect()
            }
        };
        let named = named.into_iter().filter(|set| !set.is_root());
        Ok(std::iter::once(SetName::root()).chain(named).collect())
    }

    fn count_of(&self, entity: &EntityCodec, set: &SetName) -> Result<u64> {
        if let SnapshotFiles::Documents { .. } = self.files {
            let listing =
                Listing::read(&self.directory.set_path(&name::entity_directory(entity), set)?.path)?;
            return Ok(u64::try_from(listing.files.len()).unwrap_or(u64::MAX));
        }
        let mut documents = self.documents(entity, set)?;
        let mut count = 0;
        while documents.advance()?.is_some() {
            count += 1;
        }
        documents.check_unchanged()?;
        Ok(count)
    }
}

/// Opens every file of lines, and waits until every later change of a file is detectable.
fn open_all(directory: &Directory) -> Result<BTreeMap<(String, SetName), Arc<OpenFile>>> {
    let mut files = BTreeMap::new();
    for entry in entries(&directory.root)? {
        if entry.kind != EntryKind::Directory || !entry.is_utf8 {
            continue;
        }
        for found in directory.contents(&entry.name)?.sets {
            files.insert((entry.name.clone(), found.set), Arc::new(OpenFile::open(found.path)?));
        }
    }
    let wait =
        files.values().map(|file| file.fingerprint.until_changes_are_detectable()).max().unwrap_or_default();
    std::thread::sleep(wait);
    Ok(files)
}

#[async_trait]
impl Snapshot for JsonSnapshot {
    fn consistency(&self) -> Consistency {
        match self.files {
            SnapshotFiles::Lines(_) => Consistency::Snapshot,
            SnapshotFiles::Documents { .. } => Consistency::None,
        }
    }

    fn concurrent_reads(&self) -> usize {
        usize::MAX
    }

    async fn sets(&self, entity: &EntityCodec) -> Result<Vec<SetName>> {
        let (snapshot, entity) = (self.clone(), entity.clone());
        blocking(move || snapshot.sets_of(&entity)).await
    }

    async fn read(&self, request: ReadRequest, sink: RecordSink) -> Result<ReadSummary> {
        let snapshot = self.clone();
        let mut reading = blocking(move || {
            let documents = snapshot.documents(&request.entity, &request.set)?;
            Ok(SetRead::new(documents, request, sink))
        })
        .await?;
        // The read is split into steps, so that it occupies no thread while it waits for the receiver, and
        // ends after the current step when its future is dropped.
        loop {
            let (next, ended) = blocking(move || reading.read_until_flush()).await?;
            if ended {
                return next.sink.finish().await;
            }
            reading = next;
            reading.sink.flush().await?;
        }
    }

    async fn count(&self, entity: &EntityCodec, set: &SetName) -> Result<u64> {
        let (snapshot, entity, set) = (self.clone(), entity.clone(), set.clone());
        blocking(move || snapshot.count_of(&entity, &set)).await
    }
}
