//! Reads entities ahead of the writer, each into its own bounded channel.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc;

use super::options::BackupOptions;
use super::plan::PlannedEntry;
use crate::environment::event::{Event, Listener};
use crate::foundation::buffers::Buffers;
use crate::foundation::error::{Error, Result};
use crate::foundation::lines::Chunk;
use crate::provider::{ReadSummary, SinkOptions, Snapshot, record_channel, snapshot_entry};

/// The number of bytes of lines in a chunk, and therefore in a block of the archive.
const CHUNK_BYTES: usize = 1 << 20;
/// The maximum number of chunks of one entry that wait in its channel.
const MAX_WAITING_CHUNKS: usize = 2;

/// Reads the entries of a plan in order, several of them concurrently.
pub(super) struct Reads<'a> {
    entries: &'a [PlannedEntry],
    snapshots: &'a BTreeMap<String, Box<dyn Snapshot>>,
    options: &'a BackupOptions,
    listener: &'a Listener,
    /// The index of the next entry whose read is started.
    next_index: usize,
    active: FuturesUnordered<BoxFuture<'a, (usize, Result<ReadSummary>)>>,
    active_by_provider: BTreeMap<&'a str, usize>,
    running: BTreeSet<usize>,
    chunks: BTreeMap<usize, mpsc::Receiver<Chunk>>,
    summaries: BTreeMap<usize, Result<ReadSummary>>,
    buffers: Arc<Buffers>,
}

impl<'a> Reads<'a> {
    pub(super) fn new(
        entries: &'a [PlannedEntry],
        snapshots: &'a BTreeMap<String, Box<dyn Snapshot>>,
        options: &'a BackupOptions,
        listener: &'a Listener,
    ) -> Self {
        Self {
            entries,
            snapshots,
            options,
            listener,
            next_index: 0,
            active: FuturesUnordered::new(),
            active_by_provider: BTreeMap::new(),
            running: BTreeSet::new(),
            chunks: BTreeMap::new(),
            summaries: BTreeMap::new(),
            buffers: Arc::default(),
        }
    }

    /// Returns the next chunk of an entry, or `None` after the last one. The caller must request the entries
    /// in order.
    ///
    /// # Cancel safety
    /// No chunk is lost when the future is dropped.
    pub(super) async fn chunk(&mut self, index: usize) -> Option<Chunk> {
        loop {
            self.read_ahead();
            let chunks = self.chunks.get_mut(&index)?;
            tokio::select! {
                biased;
                chunk = chunks.recv() => {
                    if chunk.is_none() {
                        self.chunks.remove(&index);
                    }
                    return chunk;
                }
                Some(ended) = self.active.next() => self.record_end(ended),
            }
        }
    }

    /// Waits for the end of an entry's read and returns its summary. Chunks that were not received are
    /// discarded.
    pub(super) async fn summary(&mut self, index: usize) -> Result<ReadSummary> {
        self.chunks.remove(&index);
        loop {
            if let Some(summary) = self.summaries.remove(&index) {
                return summary;
            }
            match self.active.next().await {
                Some(ended) => self.record_end(ended),
                None => return Err(Error::cancelled()),
            }
        }
    }

    /// Discards the remaining chunks of an entry, and waits until its read has ended.
    pub(super) async fn abandon(&mut self, index: usize) {
        self.chunks.remove(&index);
        while self.running.contains(&index) {
            match self.active.next().await {
                Some(ended) => self.record_end(ended),
                None => return,
            }
        }
        self.summaries.remove(&index);
    }

    fn record_end(&mut self, (index, summary): (usize, Result<ReadSummary>)) {
        if let Some(active) = self.active_by_provider.get_mut(self.entries[index].entity.provider.as_str()) {
            *active -= 1;
        }
        self.running.remove(&index);
        self.summaries.insert(index, summary);
    }

    /// Starts as many reads as the options and the provider allow. They start in the order of the plan, so
    /// the read of the entry that the caller requests has always been started.
    fn read_ahead(&mut self) {
        while let Some(planned) = self.entries.get(self.next_index) {
            let provider = planned.entity.provider.as_str();
            let Some(snapshot) = self.snapshots.get(provider) else { return };
            let active = self.active_by_provider.entry(provider).or_default();
            // Small entries are read quickly and then wait for the writer, so the number of channels is
            // bounded too.
            if self.active.len() >= self.options.max_concurrency
                || self.chunks.len() > self.options.max_concurrency
                || *active >= snapshot.concurrent_reads().max(1)
            {
                return;
            }
            *active += 1;
            let (sink, chunks) = record_channel(planned.entity.codec.clone(), self.sink_options(planned));
            let index = self.next_index;
            self.chunks.insert(index, chunks);
            self.running.insert(index);
            self.active.push(Box::pin(async move {
                let (codec, set) = (&planned.entity.codec, &planned.set);
                (index, snapshot_entry::read(snapshot.as_ref(), codec, set, sink).await)
            }));
            self.next_index += 1;
        }
    }

    fn sink_options(&self, planned: &PlannedEntry) -> SinkOptions {
        let (listener, entity, set) =
            (self.listener.clone(), planned.entity.codec.name(), planned.set.clone());
        SinkOptions {
            batch_size: self.options.batch_size,
            chunk_bytes: CHUNK_BYTES,
            chunks_ahead: MAX_WAITING_CHUNKS,
            buffers: Arc::clone(&self.buffers),
            cancel: self.options.cancel.clone(),
            on_batch: Arc::new(move |records| {
                listener.emit(|| Event::BatchRead { entity: entity.to_owned(), set: set.clone(), records });
            }),
        }
    }
}
