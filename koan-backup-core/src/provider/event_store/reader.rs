//! Reading an event store.

use std::collections::VecDeque;
use std::fmt;

use async_trait::async_trait;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::{Batches, OpenedStreams};
use crate::entity::stream::{StreamDocument, StreamEvent, StreamPart, StreamSnapshot};
use crate::foundation::error::{Error, ErrorKind, Result};

/// How many object ids are listed at a time.
const PAGE_LENGTH: usize = 1_000;

/// Reads an event store.
///
/// # What implementers must guarantee
/// - A batch contains a bounded number of bytes: about a mebibyte, or one value if it is larger.
/// - Object ids and object names are ordered by their bytes. Events of an aggregate are ordered by stream, as in
///   [`OpenedStreams::streams`], and then by version.
/// - A read that ends early, or that finds a gap or a duplicate version, returns an error and never fewer values.
/// - The events of all chunks of a stream are read.
/// - One reader always uses the same state of an aggregate: what it opens, and the events, documents and snapshots that
///   it reads, belong together. If that state no longer exists, the read fails.
#[async_trait]
pub trait EventReader: fmt::Debug + Send + Sync {
    /// Returns the object names of which the store contains something, in the order of their bytes.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn object_names(&self) -> Result<Vec<String>>;

    /// Returns the ids of the next aggregates with this object name, in the order of their bytes: at most `limit`, and only
    /// ids after `after`. An aggregate that has only a document or a snapshot is included. The list is empty at the end.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn object_ids(&self, object: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>>;

    /// Opens the streams of an aggregate at their current versions. Returns `None` if the store contains nothing of the
    /// aggregate: no events, no document and no snapshots.
    ///
    /// # Errors
    /// The store cannot be read, or the document contradicts the events.
    async fn open(&self, object: &str, object_id: &str) -> Result<Option<OpenedStreams>>;

    /// Reads the events of one of the opened streams, in the order of their versions, up to the version at which it was
    /// opened.
    ///
    /// # Errors
    /// The store cannot be read, or the versions have a gap.
    async fn events(&self, opened: &OpenedStreams, stream_id: &str) -> Result<Batches<'_, StreamEvent>>;

    /// Reads the snapshots of all streams of an opened aggregate, by stream and version: as many as
    /// [`OpenedStreams::snapshot_count`] says. Snapshots that were added after the aggregate was opened are omitted.
    ///
    /// # Errors
    /// The store cannot be read. Or the opened state contains a snapshot without its event: after the last event of its
    /// stream, or of a stream without events. Such a snapshot is damage, and it is not omitted, because a backup of
    /// this aggregate would lose it. [`OpenedStreams::require_event_of_snapshot`] returns the error. Only
    /// [`all_snapshots`](Self::all_snapshots) reads it.
    async fn snapshots(&self, opened: &OpenedStreams) -> Result<Batches<'_, StreamSnapshot>>;

    /// Reads the events of all aggregates with this object name, in the order of their ids. The default implementation
    /// opens one aggregate after another.
    ///
    /// # Errors
    /// As for [`events`](Self::events).
    async fn all_events(&self, object: &str) -> Result<Batches<'_, StreamEvent>> {
        let batches = opened(self, object).and_then(move |opened| async move {
            let ids: Vec<_> = opened.streams.iter().map(|stream| stream.stream_id.clone()).collect();
            let streams = stream::iter(ids.into_iter().map(Ok)).and_then(move |stream_id| {
                let opened = opened.clone();
                async move { self.events(&opened, &stream_id).await }
            });
            Ok(streams.try_flatten())
        });
        Ok(batches.try_flatten().boxed())
    }

    /// Reads the documents of all aggregates with this object name, in the order of their ids. The default implementation
    /// opens one aggregate after another.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn all_documents(&self, object: &str) -> Result<Batches<'_, StreamDocument>> {
        let documents = opened(self, object).try_filter_map(|opened| async move { Ok(opened.document) });
        Ok(documents.map_ok(|document| vec![document]).boxed())
    }

    /// Reads the snapshots of all aggregates with this object name, in the order of their ids. Snapshots without their
    /// event are included. The default implementation opens one aggregate after another, and fails for such a snapshot,
    /// as [`snapshots`](Self::snapshots) does.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn all_snapshots(&self, object: &str) -> Result<Batches<'_, StreamSnapshot>> {
        let snapshots =
            opened(self, object).and_then(move |opened| async move { self.snapshots(&opened).await });
        Ok(snapshots.try_flatten().boxed())
    }

    /// Returns the number of records of a part, for all aggregates with this object name.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn count(&self, object: &str, part: StreamPart) -> Result<u64> {
        let count = |opened: &OpenedStreams| match part {
            StreamPart::Events => {
                opened.streams.iter().map(super::OpenedStream::event_count).fold(0, u64::saturating_add)
            }
            StreamPart::Documents => u64::from(opened.document.is_some()),
            StreamPart::Snapshots => opened.snapshot_count,
        };
        opened(self, object)
            .try_fold(0u64, |sum, opened| {
                let sum = sum.saturating_add(count(&opened));
                async move { Ok(sum) }
            })
            .await
    }
}

impl OpenedStreams {
    /// Checks that the opened streams contain the event to which a snapshot belongs.
    ///
    /// # Errors
    /// The stream has no events, or the version is after its last event.
    pub fn require_event_of_snapshot(&self, stream_id: &str, version: u64) -> Result<()> {
        let stream = self.streams.iter().find(|stream| stream.stream_id == stream_id);
        let last = stream.and_then(|stream| stream.version);
        if last.is_some_and(|last| version <= last) {
            return Ok(());
        }
        let (object, id) = (&self.object, &self.object_id);
        let end = last.map_or_else(
            || "the stream has no events".to_owned(),
            |last| format!("the stream ends at version {last}"),
        );
        let text = format!(
            "the snapshot of `{object}` `{id}` at version {version} of stream `{stream_id}` has no event: {end}"
        );
        Err(Error::new(ErrorKind::Record, text)
            .with_help("remove the snapshot, from which no application can continue, or omit the snapshots"))
    }
}

/// Opens one aggregate after another. An aggregate that was removed after it was listed is omitted.
fn opened<'r, R: EventReader + ?Sized>(
    reader: &'r R,
    object: &str,
) -> impl stream::Stream<Item = Result<OpenedStreams>> + Send + use<'r, R> {
    struct Listing {
        object: String,
        ids: VecDeque<String>,
        last: Option<String>,
    }
    let listing = Listing { object: object.to_owned(), ids: VecDeque::new(), last: None };
    stream::try_unfold(listing, move |mut listing| async move {
        loop {
            if listing.ids.is_empty() {
                let page = reader.object_ids(&listing.object, listing.last.as_deref(), PAGE_LENGTH).await?;
                listing.ids = page.into();
            }
            let Some(id) = listing.ids.pop_front() else { return Ok(None) };
            let opened = reader.open(&listing.object, &id).await?;
            listing.last = Some(id);
            if let Some(opened) = opened {
                return Ok(Some((opened, listing)));
            }
        }
    })
}
