//! Reading the content at one point in time.

use std::future::ready;
use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt as _;
use futures::stream;
use koan_backup_core::event_store::{
    Batches, EventReader, OpenedStreams, StreamEvent, StreamSnapshot, batches,
};
use koan_backup_core::{Error, ErrorKind, Result};

use super::content::Content;

/// A reader of the content at one point in time.
#[derive(Debug)]
pub(super) struct MemoryReader {
    content: Arc<Content>,
}

impl MemoryReader {
    pub(super) fn new(content: Arc<Content>) -> Self {
        Self { content }
    }

    /// Returns the snapshots of an aggregate by stream, in the order of these streams, and then by version.
    fn ordered_snapshots(&self, opened: &OpenedStreams) -> Vec<StreamSnapshot> {
        let aggregate = self.content.aggregate(&opened.object, &opened.object_id);
        let mut snapshots = aggregate.map(|stored| stored.snapshots.clone()).unwrap_or_default();
        let position = |id: &str| opened.streams.iter().position(|stream| stream.stream_id == id);
        snapshots.sort_by_key(|snapshot| (position(&snapshot.stream_id), snapshot.version));
        snapshots
    }
}

#[async_trait]
impl EventReader for MemoryReader {
    async fn object_names(&self) -> Result<Vec<String>> {
        Ok(self.content.object_names().cloned().collect())
    }

    async fn object_ids(&self, object: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        Ok(self.content.object_ids(object, after, limit))
    }

    async fn open(&self, object: &str, object_id: &str) -> Result<Option<OpenedStreams>> {
        let aggregate = self.content.aggregate(object, object_id);
        aggregate.map(|aggregate| aggregate.open(object, object_id)).transpose()
    }

    async fn events(&self, opened: &OpenedStreams, stream_id: &str) -> Result<Batches<'_, StreamEvent>> {
        let stream = opened.streams.iter().find(|stream| stream.stream_id == stream_id);
        let Some(end) = stream.map(|stream| stream.event_count()) else {
            let (object, id) = (&opened.object, &opened.object_id);
            let text = format!("stream `{stream_id}` of `{object}` `{id}` was not opened");
            return Err(Error::new(ErrorKind::NotFound, text));
        };
        let aggregate = self.content.aggregate(&opened.object, &opened.object_id).map(Arc::clone);
        let stream_id = stream_id.to_owned();
        let events = (0..end).map(move |version| {
            let event = aggregate.as_ref().and_then(|stored| stored.event(&stream_id, version));
            event.map(|event| StreamEvent::clone(event)).ok_or_else(|| {
                let text = format!("event {version} of stream `{stream_id}` no longer exists");
                Error::new(ErrorKind::Corrupt, text)
            })
        });
        Ok(batches(stream::iter(events)))
    }

    async fn snapshots(&self, opened: &OpenedStreams) -> Result<Batches<'_, StreamSnapshot>> {
        let snapshots = self.ordered_snapshots(opened);
        for snapshot in &snapshots {
            opened.require_event_of_snapshot(&snapshot.stream_id, snapshot.version)?;
        }
        Ok(batches(stream::iter(snapshots.into_iter().map(Ok))))
    }

    async fn all_snapshots(&self, object: &str) -> Result<Batches<'_, StreamSnapshot>> {
        let aggregates = self.content.aggregates(object).map(Arc::clone).unwrap_or_default();
        let object = object.to_owned();
        let ids: Vec<String> = aggregates.keys().cloned().collect();
        let snapshots = stream::iter(ids.into_iter().map(Ok)).and_then(move |id| {
            let opened = aggregates.get(&id).map(|aggregate| aggregate.open(&object, &id)).transpose();
            ready(opened.map(|opened| {
                let snapshots = opened.map(|opened| self.ordered_snapshots(&opened)).unwrap_or_default();
                stream::iter(snapshots.into_iter().map(Ok))
            }))
        });
        Ok(batches(snapshots.try_flatten()))
    }
}
