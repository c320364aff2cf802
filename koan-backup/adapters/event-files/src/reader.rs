//! Reading the store.

use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::stream::{self, Stream};
use futures::{StreamExt as _, TryStreamExt as _};
use koan_backup_core::event_store::{
    Batches, EventReader, OpenedStream, OpenedStreams, StreamDocument, StreamEvent, StreamPart,
    StreamSnapshot, batches,
};
use koan_backup_core::{Error, ErrorKind, Result};

use crate::aggregate::Aggregate;
use crate::document_name::DocumentName;
use crate::event_file;
use crate::listing::{self, Listing};
use crate::objects::{CONCURRENT_REQUESTS, Objects};
use crate::path;
use crate::pinned::PinnedDocuments;

/// The events of several aggregates are read at the same time if they have fewer bytes.
const PREFETCHED_BYTES: u64 = 256 << 10;

/// The events of an aggregate.
enum LoadedEvents {
    /// They are few, and were read.
    Complete(Vec<Vec<StreamEvent>>),
    /// They are read in pieces.
    Streamed(Arc<Aggregate>, Box<OpenedStreams>),
}

/// A reader, which uses the same document of each aggregate for everything that it reads. Each stream alone is read at
/// one version, and the events, the document and the snapshots of an aggregate belong together.
#[derive(Debug)]
pub(crate) struct FileReader {
    objects: Objects,
    pinned: tokio::sync::Mutex<PinnedDocuments>,
    /// The aggregate that was opened last.
    last: Mutex<Option<Arc<Aggregate>>>,
}

impl FileReader {
    pub(crate) fn new(objects: Objects) -> Self {
        Self { objects, pinned: tokio::sync::Mutex::default(), last: Mutex::new(None) }
    }

    /// Returns the aggregates of an object name as they were listed first.
    async fn listing(&self, object: &str) -> Result<Arc<Listing>> {
        let mut pinned = self.pinned.lock().await;
        if let Some(listing) = pinned.listing(object) {
            return Ok(listing);
        }
        let listing = listing::list(&self.objects, object).await?;
        Ok(pinned.pin_listing(object, listing))
    }

    /// Reads the document of an aggregate that this reader uses: the one that it has found first.
    async fn load(&self, object: &str, object_id: &str) -> Result<Option<Arc<Aggregate>>> {
        let known = self.pinned.lock().await.document(object, object_id);
        let pinned = match known {
            Some(pinned) => pinned,
            None => {
                let found = listing::current(&self.objects, object, object_id).await?;
                let (document, aggregate) = found.unzip();
                let pinned = self.pinned.lock().await.pin(object, object_id, document.clone());
                if pinned == document {
                    return Ok(aggregate.map(Arc::new));
                }
                pinned
            }
        };
        match pinned {
            Some(document) => self.load_pinned(object, object_id, &document).await.map(Some),
            None => Ok(None),
        }
    }

    /// Reads a document that this reader uses.
    async fn load_pinned(
        &self,
        object: &str,
        object_id: &str,
        document: &DocumentName,
    ) -> Result<Arc<Aggregate>> {
        let read = listing::read(&self.objects, object, object_id, document).await?;
        read.map(Arc::new).ok_or_else(|| removed(object, object_id))
    }

    fn remember(&self, aggregate: &Arc<Aggregate>) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(aggregate));
    }

    /// Returns an aggregate that was opened.
    async fn opened(&self, opened: &OpenedStreams) -> Result<Arc<Aggregate>> {
        let (object, id) = (&opened.object, &opened.object_id);
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let last = last.filter(|last| last.object == *object && last.object_id == *id);
        let aggregate = match last {
            Some(last) => Some(last),
            None => self.load(object, id).await?,
        };
        let aggregate = aggregate.ok_or_else(|| removed(object, id))?;
        for stream in &opened.streams {
            if aggregate.version(&stream.stream_id) < stream.version {
                return Err(removed(object, id));
            }
        }
        Ok(aggregate)
    }

    /// Returns the object name, the ids and the listed documents of all aggregates in the order of their ids.
    async fn ids(
        &self,
        object: &str,
    ) -> Result<impl Stream<Item = (String, String, DocumentName)> + Send + use<>> {
        let (listing, object) = (self.listing(object).await?, object.to_owned());
        let entry = |(id, document): (&String, &DocumentName)| (object.clone(), id.clone(), document.clone());
        Ok(stream::iter(listing.iter().map(entry).collect::<Vec<_>>()))
    }

    /// Reads the documents of all aggregates in the order of their ids, several at a time.
    async fn aggregates(
        &self,
        object: &str,
    ) -> Result<impl Stream<Item = Result<Arc<Aggregate>>> + Send + use<'_>> {
        let ids = self.ids(object).await?;
        let loads =
            ids.map(
                move |(object, id, document)| async move { self.load_pinned(&object, &id, &document).await },
            );
        Ok(loads.buffered(CONCURRENT_REQUESTS))
    }

    /// Reads the events of an aggregate, if they are few.
    async fn load_events(&self, aggregate: Arc<Aggregate>) -> Result<LoadedEvents> {
        let opened = aggregate.open()?;
        if aggregate.size_bytes() > PREFETCHED_BYTES {
            return Ok(LoadedEvents::Streamed(aggregate, Box::new(opened)));
        }
        let batches = self.opened_events(&aggregate, &opened);
        batches.try_collect().await.map(LoadedEvents::Complete)
    }

    /// Reads the events of all streams of an aggregate.
    fn opened_events(&self, aggregate: &Aggregate, opened: &OpenedStreams) -> Batches<'_, StreamEvent> {
        let stream = |opened: &OpenedStream| {
            self.stream_events(aggregate, &opened.stream_id, opened.event_count()).boxed()
        };
        stream::iter(opened.streams.iter().map(stream).collect::<Vec<_>>()).flatten().boxed()
    }

    /// Reads the snapshots of an aggregate by stream and version.
    fn snapshots_of(
        &self,
        aggregate: Arc<Aggregate>,
        opened: &OpenedStreams,
    ) -> impl Stream<Item = Result<StreamSnapshot>> + Send + use<'_> {
        let position = |id: &str| opened.streams.iter().position(|stream| stream.stream_id == id);
        let mut files = aggregate.snapshots.clone();
        files.sort_by_key(|file| (position(&file.stream_id), file.version));
        stream::iter(files).then(move |file| {
            let aggregate = Arc::clone(&aggregate);
            async move { event_file::read_snapshot(&self.objects, aggregate.subject(), &file).await }
        })
    }

    /// Reads the events of a stream up to a number of them.
    fn stream_events(
        &self,
        aggregate: &Aggregate,
        stream_id: &str,
        count: u64,
    ) -> impl Stream<Item = Result<Vec<StreamEvent>>> + Send + use<'_> {
        let files = aggregate.stream(stream_id).map(|stream| stream.files.clone()).unwrap_or_default();
        let files: Vec<_> = files
            .into_iter()
            .filter(|file| file.first_version < count)
            .map(|mut file| {
                file.last_version = file.last_version.min(count - 1);
                event_file::read(&self.objects, aggregate.subject(), stream_id, &file)
            })
            .collect();
        stream::iter(files).flatten()
    }
}

fn removed(object: &str, object_id: &str) -> Error {
    let text = format!("the state of `{object}` `{object_id}` that this read began with was removed");
    Error::new(ErrorKind::Provider, text)
        .with_help("repeat the operation; the age for `remove_unused` must exceed the duration of a backup")
}

#[async_trait]
impl EventReader for FileReader {
    async fn object_names(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for folder in self.objects.folders(&path::streams()?).await? {
            let name = match path::id_of(&folder) {
                Some(name) => Some(name),
                None => listing::hashed_object(&self.objects, &folder).await?,
            };
            let Some(name) = name else { continue };
            if !self.listing(&name).await?.is_empty() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    async fn object_ids(&self, object: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        let listing = self.listing(object).await?;
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(listing.range::<str, _>((start, Bound::Unbounded)).take(limit).map(|(id, _)| id.clone()).collect())
    }

    async fn open(&self, object: &str, object_id: &str) -> Result<Option<OpenedStreams>> {
        let Some(aggregate) = self.load(object, object_id).await? else { return Ok(None) };
        self.remember(&aggregate);
        aggregate.open().map(Some)
    }

    async fn events(&self, opened: &OpenedStreams, stream_id: &str) -> Result<Batches<'_, StreamEvent>> {
        let stream = opened.streams.iter().find(|stream| stream.stream_id == stream_id);
        let count = stream.map(|stream| stream.event_count()).ok_or_else(|| {
            let text =
                format!("stream `{stream_id}` of `{}` `{}` was not opened", opened.object, opened.object_id);
            Error::new(ErrorKind::NotFound, text)
        })?;
        let aggregate = self.opened(opened).await?;
        Ok(self.stream_events(&aggregate, stream_id, count).boxed())
    }

    async fn snapshots(&self, opened: &OpenedStreams) -> Result<Batches<'_, StreamSnapshot>> {
        let aggregate = self.opened(opened).await?;
        for file in &aggregate.snapshots {
            opened.require_event_of_snapshot(&file.stream_id, file.version)?;
        }
        Ok(batches(self.snapshots_of(aggregate, opened)))
    }

    async fn all_events(&self, object: &str) -> Result<Batches<'_, StreamEvent>> {
        let loads = self.ids(object).await?.map(move |(object, id, document)| async move {
            self.load_events(self.load_pinned(&object, &id, &document).await?).await
        });
        let events = loads.buffered(CONCURRENT_REQUESTS).map_ok(|loaded| match loaded {
            LoadedEvents::Complete(batches) => stream::iter(batches.into_iter().map(Ok)).boxed(),
            LoadedEvents::Streamed(aggregate, opened) => self.opened_events(&aggregate, &opened),
        });
        Ok(events.try_flatten().boxed())
    }

    async fn all_documents(&self, object: &str) -> Result<Batches<'_, StreamDocument>> {
        let aggregates = self.aggregates(object).await?;
        let documents = aggregates.try_filter_map(|aggregate| async move {
            Ok(aggregate.open()?.document.map(|document| vec![document]))
        });
        Ok(documents.boxed())
    }

    async fn all_snapshots(&self, object: &str) -> Result<Batches<'_, StreamSnapshot>> {
        let aggregates = self.aggregates(object).await?;
        let snapshots = aggregates.and_then(move |aggregate| async move {
            let opened = aggregate.open()?;
            Ok(self.snapshots_of(aggregate, &opened))
        });
        Ok(batches(snapshots.try_flatten()))
    }

    async fn count(&self, object: &str, part: StreamPart) -> Result<u64> {
        let counts = self.aggregates(object).await?.map_ok(move |aggregate| match part {
            StreamPart::Events => aggregate.event_count(),
            StreamPart::Documents => u64::from(aggregate.document.is_some()),
            StreamPart::Snapshots => aggregate.snapshot_count(),
        });
        counts.try_fold(0u64, |sum, count| async move { Ok(sum.saturating_add(count)) }).await
    }
}
