//! Reading: what was there at one moment, where the layout allows to say so.

mod set_read;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use koan_backup_core::{
    Result, SetName,
    entity::EntityCodec,
    provider::{Consistency, ReadRequest, ReadSummary, RecordSink, Snapshot},
};

use super::directory::{Directory, Layout, Sort, entries};
use super::documents::{Documents, Listing};
use super::failure::blocking;
use super::journal_recovery::{is_locked_meanwhile, settled};
use super::lock::{Lock, Patience};
use super::name;
use super::open_file::Held;
use set_read::Reading;

/// One view of the directory.
#[derive(Clone, Debug)]
pub(super) struct JsonSnapshot {
    directory: Directory,
    view: View,
}

#[derive(Clone, Debug)]
enum View {
    /// All files of lines, opened at once, by the name of their directory and their set.
    Lines(Arc<BTreeMap<(String, SetName), Arc<Held>>>),
    /// Documents are opened one by one, while no restore takes effect.
    Documents { _lock: Option<Arc<Lock>> },
}

impl JsonSnapshot {
    pub(super) fn take(directory: &Directory, patience: &Patience) -> Result<Self> {
        directory.require_content()?;
        let view = loop {
            let lock = settled(directory, patience)?;
            let was_locked = lock.is_some();
            let view = match directory.layout {
                Layout::Lines => View::Lines(Arc::new(open_all(directory)?)),
                Layout::Documents => View::Documents { _lock: lock.map(Arc::new) },
            };
            // The first restore of all may have begun meanwhile.
            if was_locked || !is_locked_meanwhile(directory) {
                break view;
            }
        };
        Ok(Self { directory: directory.clone(), view })
    }

    /// The documents of a set.
    fn documents(&self, entity: &EntityCodec, set: &SetName) -> Result<Documents> {
        let name = name::of_type(entity);
        match &self.view {
            View::Lines(files) => {
                let file = files.get(&(name, set.clone()));
                Ok(file.map_or_else(Documents::none, |file| Documents::of_lines(Arc::clone(file))))
            }
            View::Documents { .. } => {
                let listing = Listing::of(&self.directory.place(&name, set)?.path)?;
                Ok(Documents::of_files(Arc::new(listing)))
            }
        }
    }

    fn sets_of(&self, entity: &EntityCodec) -> Result<Vec<SetName>> {
        let name = name::of_type(entity);
        let named: Vec<SetName> = match &self.view {
            View::Lines(files) => {
                files.keys().filter(|(directory, _)| *directory == name).map(|(_, set)| set.clone()).collect()
            }
            View::Documents { .. } => {
                self.directory.contents(&name)?.sets.into_iter().map(|place| place.set).collect()
            }
        };
        let named = named.into_iter().filter(|set| !set.is_root());
        Ok(std::iter::once(SetName::root()).chain(named).collect())
    }

    fn count_of(&self, entity: &EntityCodec, set: &SetName) -> Result<u64> {
        if let View::Documents { .. } = self.view {
            let listing = Listing::of(&self.directory.place(&name::of_type(entity), set)?.path)?;
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

/// Opens every file of lines, and waits until a change of any of them can be told.
fn open_all(directory: &Directory) -> Result<BTreeMap<(String, SetName), Arc<Held>>> {
    let mut files = BTreeMap::new();
    for entry in entries(&directory.root)? {
        if entry.sort != Sort::Directory || !entry.is_utf8 {
            continue;
        }
        for place in directory.contents(&entry.name)?.sets {
            files.insert((entry.name.clone(), place.set), Arc::new(Held::open(place.path)?));
        }
    }
    let wait = files.values().map(|file| file.stamp.until_settled()).max().unwrap_or_default();
    std::thread::sleep(wait);
    Ok(files)
}

#[async_trait]
impl Snapshot for JsonSnapshot {
    fn consistency(&self) -> Consistency {
        match self.view {
            View::Lines(_) => Consistency::Snapshot,
            View::Documents { .. } => Consistency::None,
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
            Ok(Reading::new(documents, request, sink))
        })
        .await?;
        // Piece by piece, so that a read that is dropped while nobody takes from it holds nothing.
        loop {
            let (next, ended) = blocking(move || reading.go_on()).await?;
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
