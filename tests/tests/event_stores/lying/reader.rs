//! The reader of a store that violates a requirement.

use std::future::ready;

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use koan_backup::Result;
use koan_backup::event_store::{
    Batches, EventReader, EventStore as _, OpenedStreams, StreamDocument, StreamEvent, StreamPart,
    StreamSnapshot, StreamState,
};

use super::{LyingStore, Violation};

#[derive(Debug)]
pub(super) struct LyingReader {
    store: LyingStore,
    memory: Box<dyn EventReader>,
}

impl LyingReader {
    pub(super) fn new(store: LyingStore, memory: Box<dyn EventReader>) -> Self {
        Self { store, memory }
    }

    /// Returns a reader of the current data.
    async fn current(&self) -> Result<Box<dyn EventReader>> {
        self.store.memory.reader().await
    }
}

/// Returns all values of a read as one batch.
async fn joined<T>(batches: Batches<'_, T>) -> Result<Vec<T>> {
    Ok(batches.try_collect::<Vec<_>>().await?.into_iter().flatten().collect())
}

fn one_batch<T: Send + 'static>(values: Vec<T>) -> Batches<'static, T> {
    if values.is_empty() { stream::empty().boxed() } else { stream::once(ready(Ok(values))).boxed() }
}

#[async_trait]
impl EventReader for LyingReader {
    async fn object_names(&self) -> Result<Vec<String>> {
        self.memory.object_names().await
    }

    async fn object_ids(&self, object: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        match self.store.violation {
            Violation::OrdersWithoutCase if after.is_none() => {
                let mut ids = self.memory.object_ids(object, after, limit).await?;
                ids.sort_by_key(|id| id.to_lowercase());
                Ok(ids)
            }
            Violation::SkipsIds if after.is_some() => {
                Ok(self.memory.object_ids(object, after, limit).await?.into_iter().skip(1).collect())
            }
            Violation::ListsOnlyEvents => {
                let (ids, mut found) = (self.memory.object_ids(object, after, limit).await?, Vec::new());
                for id in ids {
                    let opened = self.memory.open(object, &id).await?.expect("it was listed");
                    if opened.streams.iter().any(|stream| stream.version.is_some()) {
                        found.push(id);
                    }
                }
                Ok(found)
            }
            Violation::ReadsCurrentData => self.current().await?.object_ids(object, after, limit).await,
            _ => self.memory.object_ids(object, after, limit).await,
        }
    }

    async fn open(&self, object: &str, object_id: &str) -> Result<Option<OpenedStreams>> {
        let memory = &self.memory;
        let opened = match self.store.violation {
            Violation::ReadsCurrentData => self.current().await?.open(object, object_id).await?,
            _ => memory.open(object, object_id).await?,
        };
        Ok(opened.map(|mut opened| {
            match self.store.violation {
                Violation::OmitsTerminatedStreams => {
                    opened.streams.retain(|stream| stream.state == StreamState::Active);
                }
                Violation::ReadsNoChunks if opened.document.iter().any(|found| !found.chunks.is_empty()) => {
                    opened.streams.iter_mut().for_each(|stream| stream.version = None);
                }
                _ => {}
            }
            opened
        }))
    }

    async fn events(&self, opened: &OpenedStreams, stream_id: &str) -> Result<Batches<'_, StreamEvent>> {
        Ok(match self.store.violation {
            Violation::DropsLastEvent => {
                let mut events = joined(self.memory.events(opened, stream_id).await?).await?;
                events.pop();
                one_batch(events)
            }
            Violation::DoublesEvents => {
                let events = joined(self.memory.events(opened, stream_id).await?).await?;
                one_batch([events.clone(), events].concat())
            }
            Violation::JoinsBatches => one_batch(joined(self.memory.events(opened, stream_id).await?).await?),
            Violation::ReadsTornTail => {
                let reader = self.current().await?;
                let opened = reader.open(&opened.object, &opened.object_id).await?.expect("it was opened");
                one_batch(joined(reader.events(&opened, stream_id).await?).await?)
            }
            Violation::ReadsCurrentData => {
                one_batch(joined(self.current().await?.events(opened, stream_id).await?).await?)
            }
            _ => self.memory.events(opened, stream_id).await?,
        })
    }

    async fn snapshots(&self, opened: &OpenedStreams) -> Result<Batches<'_, StreamSnapshot>> {
        Ok(match self.store.violation {
            Violation::LosesSnapshots => one_batch(Vec::new()),
            Violation::OmitsDamagedSnapshots => {
                let mut snapshots = joined(self.memory.all_snapshots(&opened.object).await?).await?;
                snapshots.retain(|snapshot| {
                    opened.require_event_of_snapshot(&snapshot.stream_id, snapshot.version).is_ok()
                });
                one_batch(snapshots)
            }
            Violation::ReadsLaterSnapshots => {
                let reader = self.current().await?;
                let opened = reader.open(&opened.object, &opened.object_id).await?.expect("it was opened");
                one_batch(joined(reader.snapshots(&opened).await?).await?)
            }
            _ => self.memory.snapshots(opened).await?,
        })
    }

    async fn all_snapshots(&self, object: &str) -> Result<Batches<'_, StreamSnapshot>> {
        self.memory.all_snapshots(object).await
    }

    async fn all_documents(&self, object: &str) -> Result<Batches<'_, StreamDocument>> {
        Ok(match self.store.violation {
            Violation::ReadsCurrentDocuments => {
                one_batch(joined(self.current().await?.all_documents(object).await?).await?)
            }
            _ => self.memory.all_documents(object).await?,
        })
    }

    async fn count(&self, object: &str, part: StreamPart) -> Result<u64> {
        self.memory.count(object, part).await
    }
}
