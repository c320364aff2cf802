//! Writing within a restore.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use koan_backup_core::event_store::{
    EventKey, EventWriter, RemovedObject, SnapshotKey, StreamDocument, StreamEvent, StreamHeads,
    StreamSnapshot,
};
use koan_backup_core::provider::SessionIntent;
use koan_backup_core::{Error, ErrorKind, Result};
use uuid::Uuid;

use crate::aggregate::{Aggregate, EventFile, SnapshotFile};
use crate::event_file;
use crate::objects::CONCURRENT_REQUESTS;
use crate::path;
use crate::session::{FileSession, SessionState};

impl FileSession {
    /// Begins a change. The session cannot be committed until [`end`](Self::end) was called.
    fn begin(&mut self, object: &str) -> Result<()> {
        if self.state == SessionState::Failed {
            let text = format!("`{object}` cannot be written, because the session has failed");
            return Err(Error::new(ErrorKind::Conflict, text).with_help("repeat the operation"));
        }
        self.state = SessionState::Failed;
        if self.intent == SessionIntent::Compare {
            let text = format!("`{object}` cannot be written in a dry run");
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        Ok(())
    }

    /// Ends a change that succeeded.
    fn end(&mut self) {
        self.state = SessionState::Intact;
    }

    /// Returns aggregates as this session sees them.
    async fn aggregates(&mut self, object: &str, object_ids: &[String]) -> Result<Vec<&Aggregate>> {
        self.flush().await?;
        self.load(object, object_ids).await?;
        let staged = object_ids.iter().filter_map(|id| self.staged.get(&(object.to_owned(), id.clone())));
        Ok(staged.map(|staged| &staged.aggregate).filter(|aggregate| !aggregate.is_empty()).collect())
    }

    async fn append_all(&mut self, object: &str, events: Vec<StreamEvent>) -> Result<u64> {
        let mut ids: Vec<_> = events.iter().map(|event| event.object_id.clone()).collect();
        ids.dedup();
        self.load(object, &ids).await?;
        let count = u64::try_from(events.len()).unwrap_or(u64::MAX);
        for event in events {
            self.push(object, event).await?;
        }
        Ok(count)
    }

    async fn put_snapshots(&mut self, object: &str, snapshots: Vec<StreamSnapshot>) -> Result<u64> {
        let count = u64::try_from(snapshots.len()).unwrap_or(u64::MAX);
        let mut files = Vec::new();
        for snapshot in snapshots {
            let staged = self.aggregate(object, &snapshot.object_id).await?;
            let is_same = |other: &SnapshotFile| {
                other.stream_id == snapshot.stream_id && other.version == snapshot.version
            };
            if staged.aggregate.snapshots.iter().any(is_same) {
                let (id, version) = (&snapshot.object_id, snapshot.version);
                let text = format!("the snapshot of `{object}` `{id}` at version {version} exists already");
                return Err(Error::new(ErrorKind::Conflict, text));
            }
            let file = format!("{}.snapshot.json", Uuid::now_v7().simple());
            let (text, sha256) = event_file::encode_snapshot(&snapshot)?;
            let path = path::file(object, &snapshot.object_id, &file)?;
            let (stream_id, version) = (snapshot.stream_id, snapshot.version);
            staged.aggregate.snapshots.push(SnapshotFile { stream_id, version, file, sha256 });
            staged.is_changed = true;
            self.written.push(path.clone());
            files.push((path, text));
        }
        let objects = self.objects();
        let objects = &objects;
        let puts = stream::iter(files).map(|(path, text)| async move { objects.put(&path, text).await });
        puts.buffer_unordered(CONCURRENT_REQUESTS).try_collect::<()>().await?;
        Ok(count)
    }
}

fn snapshot_key(object_id: &str, file: &SnapshotFile) -> SnapshotKey {
    SnapshotKey { object_id: object_id.to_owned(), stream_id: file.stream_id.clone(), version: file.version }
}

/// Returns the files that contain the events with these keys, and the versions that are wanted from each.
fn files_of(
    aggregate: &Aggregate,
    keys: &BTreeMap<&str, Vec<u64>>,
) -> Vec<(String, EventFile, BTreeSet<u64>)> {
    let mut files = Vec::new();
    for (stream_id, versions) in keys {
        for file in aggregate.stream(stream_id).into_iter().flat_map(|stream| &stream.files) {
            let range = file.first_version..=file.last_version;
            let wanted: BTreeSet<_> =
                versions.iter().copied().filter(|version| range.contains(version)).collect();
            if !wanted.is_empty() {
                files.push(((*stream_id).to_owned(), file.clone(), wanted));
            }
        }
    }
    files
}

#[async_trait]
impl EventWriter for FileSession {
    async fn is_empty(&mut self, object: &str) -> Result<bool> {
        self.flush().await?;
        Ok(self.ids(object, None, 1).await?.is_empty())
    }

    async fn object_ids(&mut self, object: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        self.flush().await?;
        self.ids(object, after, limit).await
    }

    async fn heads(&mut self, object: &str, object_ids: &[String]) -> Result<Vec<StreamHeads>> {
        let heads = |aggregate: &Aggregate| StreamHeads {
            object_id: aggregate.object_id.clone(),
            streams: aggregate.heads(),
        };
        Ok(self.aggregates(object, object_ids).await?.into_iter().map(heads).collect())
    }

    async fn events_at(&mut self, object: &str, keys: &[EventKey]) -> Result<Vec<StreamEvent>> {
        self.write_all().await?;
        let mut wanted: BTreeMap<&str, BTreeMap<&str, Vec<u64>>> = BTreeMap::new();
        for key in keys {
            let streams = wanted.entry(&key.object_id).or_default();
            streams.entry(&key.stream_id).or_default().push(key.version);
        }
        let ids: Vec<_> = wanted.keys().map(|id| (*id).to_owned()).collect();
        let objects = self.objects();
        let objects = &objects;
        let mut files = Vec::new();
        for aggregate in self.aggregates(object, &ids).await? {
            let keys = wanted.get(aggregate.object_id.as_str());
            let found = keys.map(|keys| files_of(aggregate, keys)).unwrap_or_default();
            files.extend(found.into_iter().map(|found| (aggregate.object_id.clone(), found)));
        }
        let last_read = self.last_read.clone();
        let reads = stream::iter(files).map(|(id, (stream_id, file, versions))| {
            let known = last_read.as_ref().filter(|(name, _)| *name == file.file).cloned();
            async move {
                let (name, events) = match known {
                    Some(known) => known,
                    None => {
                        let batches = event_file::read(objects, (object, &id), &stream_id, &file);
                        let batches: Vec<Vec<_>> = batches.try_collect().await?;
                        (file.file, Arc::new(batches.into_iter().flatten().collect::<Vec<_>>()))
                    }
                };
                let wanted = events.iter().filter(|event| versions.contains(&event.version));
                let found: Vec<_> = wanted.cloned().collect();
                Ok::<_, Error>(((name, events), found))
            }
        });
        let mut reads = reads.buffered(CONCURRENT_REQUESTS);
        let mut found = Vec::new();
        let mut last_read = None;
        while let Some((file, events)) = reads.try_next().await? {
            last_read = Some(file);
            found.extend(events);
        }
        drop(reads);
        self.last_read = last_read;
        Ok(found)
    }

    async fn documents_of(&mut self, object: &str, object_ids: &[String]) -> Result<Vec<StreamDocument>> {
        let aggregates = self.aggregates(object, object_ids).await?;
        Ok(aggregates.into_iter().filter_map(|aggregate| aggregate.document.clone()).collect())
    }

    async fn snapshot_keys(&mut self, object: &str, object_ids: &[String]) -> Result<Vec<SnapshotKey>> {
        let aggregates = self.aggregates(object, object_ids).await?.into_iter();
        let keys = |aggregate: &Aggregate| {
            let key = |file: &SnapshotFile| snapshot_key(&aggregate.object_id, file);
            aggregate.snapshots.iter().map(key).collect::<Vec<_>>()
        };
        Ok(aggregates.flat_map(keys).collect())
    }

    async fn snapshots_at(&mut self, object: &str, keys: &[SnapshotKey]) -> Result<Vec<StreamSnapshot>> {
        let ids: BTreeSet<_> = keys.iter().map(|key| key.object_id.clone()).collect();
        let ids: Vec<_> = ids.into_iter().collect();
        let keys: BTreeSet<_> = keys.iter().collect();
        let objects = self.objects();
        let objects = &objects;
        let mut files = Vec::new();
        for aggregate in self.aggregates(object, &ids).await? {
            let id = &aggregate.object_id;
            let is_wanted = |file: &&SnapshotFile| keys.contains(&snapshot_key(id, file));
            files.extend(aggregate.snapshots.iter().filter(is_wanted).map(|file| (id.clone(), file.clone())));
        }
        let reads = stream::iter(files)
            .map(|(id, file)| async move { event_file::read_snapshot(objects, (object, &id), &file).await });
        reads.buffered(CONCURRENT_REQUESTS).try_collect().await
    }

    async fn append(&mut self, object: &str, events: Vec<StreamEvent>) -> Result<u64> {
        self.begin(object)?;
        let count = self.append_all(object, events).await?;
        self.end();
        Ok(count)
    }

    async fn truncate(&mut self, object: &str, object_id: &str, stream_id: &str, from: u64) -> Result<u64> {
        self.begin(object)?;
        self.flush().await?;
        let staged = self.aggregate(object, object_id).await?;
        let removed = staged.aggregate.truncate(stream_id, from);
        staged.is_changed |= removed > 0;
        self.end();
        Ok(removed)
    }

    async fn remove(&mut self, object: &str, object_id: &str) -> Result<RemovedObject> {
        self.begin(object)?;
        self.flush().await?;
        let staged = self.aggregate(object, object_id).await?;
        let removed = RemovedObject {
            events: staged.aggregate.event_count(),
            documents: u64::from(staged.aggregate.document.is_some()),
            snapshots: staged.aggregate.snapshot_count(),
        };
        staged.is_changed |= !staged.aggregate.is_empty();
        staged.aggregate = Aggregate::new(object, object_id);
        self.end();
        Ok(removed)
    }

    async fn put_document(&mut self, object: &str, document: StreamDocument) -> Result<()> {
        self.begin(object)?;
        self.flush().await?;
        let staged = self.aggregate(object, &document.object_id).await?;
        staged.aggregate.document = Some(document);
        staged.is_changed = true;
        self.end();
        Ok(())
    }

    async fn remove_document(&mut self, object: &str, object_id: &str) -> Result<bool> {
        self.begin(object)?;
        self.flush().await?;
        let staged = self.aggregate(object, object_id).await?;
        let is_removed = staged.aggregate.document.take().is_some();
        staged.is_changed |= is_removed;
        self.end();
        Ok(is_removed)
    }

    async fn add_snapshots(&mut self, object: &str, snapshots: Vec<StreamSnapshot>) -> Result<u64> {
        self.begin(object)?;
        self.flush().await?;
        let count = self.put_snapshots(object, snapshots).await?;
        self.end();
        Ok(count)
    }

    async fn remove_snapshots(&mut self, object: &str, keys: &[SnapshotKey]) -> Result<u64> {
        self.begin(object)?;
        self.flush().await?;
        let mut removed = 0;
        for key in keys {
            let staged = self.aggregate(object, &key.object_id).await?;
            let before = staged.aggregate.snapshot_count();
            staged
                .aggregate
                .snapshots
                .retain(|other| other.stream_id != key.stream_id || other.version != key.version);
            let count = before - staged.aggregate.snapshot_count();
            staged.is_changed |= count > 0;
            removed += count;
        }
        self.end();
        Ok(removed)
    }
}
