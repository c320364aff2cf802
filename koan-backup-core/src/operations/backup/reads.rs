//! Entities that are being read ahead, each into a bounded channel of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc;

use super::options::BackupOptions;
use super::plan::PlannedPart;
use crate::environment::event::{Event, Listener};
use crate::foundation::buffers::Buffers;
use crate::foundation::error::{Error, Result};
use crate::foundation::lines::Chunk;
use crate::provider::{ReadRequest, ReadSummary, SinkOptions, Snapshot, record_channel};

/// Bytes of lines in a chunk, and so in a block of the archive.
const CHUNK_BYTES: usize = 1 << 20;
/// Chunks of one entity that wait at most.
const CHUNKS_AHEAD: usize = 2;

/// Reads the parts of a plan in order, some of them ahead.
pub(super) struct Reads<'a> {
    parts: &'a [PlannedPart],
    snapshots: &'a BTreeMap<String, Box<dyn Snapshot>>,
    options: &'a BackupOptions,
    listener: &'a Listener,
    next: usize,
    active: FuturesUnordered<BoxFuture<'a, (usize, Result<ReadSummary>)>>,
    active_by_provider: BTreeMap<&'a str, usize>,
    running: BTreeSet<usize>,
    chunks: BTreeMap<usize, mpsc::Receiver<Chunk>>,
    summaries: BTreeMap<usize, Result<ReadSummary>>,
    buffers: Arc<Buffers>,
}

impl<'a> Reads<'a> {
    pub(super) fn new(
        parts: &'a [PlannedPart],
        snapshots: &'a BTreeMap<String, Box<dyn Snapshot>>,
        options: &'a BackupOptions,
        listener: &'a Listener,
    ) -> Self {
        Self {
            parts,
            snapshots,
            options,
            listener,
            next: 0,
            active: FuturesUnordered::new(),
            active_by_provider: BTreeMap::new(),
            running: BTreeSet::new(),
            chunks: BTreeMap::new(),
            summaries: BTreeMap::new(),
            buffers: Arc::default(),
        }
    }

    /// The next chunk of a part; `None` when there are no more. Parts are asked for in order. Cancel-safe.
    pub(super) async fn chunk(&mut self, part: usize) -> Option<Chunk> {
        loop {
            self.read_ahead();
            let chunks = self.chunks.get_mut(&part)?;
            tokio::select! {
                biased;
                chunk = chunks.recv() => {
                    if chunk.is_none() {
                        self.chunks.remove(&part);
                    }
                    return chunk;
                }
                Some(ended) = self.active.next() => self.ended(ended),
            }
        }
    }

    /// How the read of a part ended, once its chunks are taken or dropped.
    pub(super) async fn summary(&mut self, part: usize) -> Result<ReadSummary> {
        self.chunks.remove(&part);
        loop {
            if let Some(summary) = self.summaries.remove(&part) {
                return summary;
            }
            match self.active.next().await {
                Some(ended) => self.ended(ended),
                None => return Err(Error::cancelled()),
            }
        }
    }

    /// Takes no more of a part, and waits until its read has ended.
    pub(super) async fn give_up(&mut self, part: usize) {
        self.chunks.remove(&part);
        while self.running.contains(&part) {
            match self.active.next().await {
                Some(ended) => self.ended(ended),
                None => return,
            }
        }
        self.summaries.remove(&part);
    }

    fn ended(&mut self, (part, summary): (usize, Result<ReadSummary>)) {
        if let Some(active) = self.active_by_provider.get_mut(self.parts[part].entity.provider.as_str()) {
            *active -= 1;
        }
        self.running.remove(&part);
        self.summaries.insert(part, summary);
    }

    /// Starts reads, in order, as many as options and provider allow, and one more than those may wait. A part is never started before those ahead of it,
    /// so the one that is asked for is always being read.
    fn read_ahead(&mut self) {
        while let Some(part) = self.parts.get(self.next) {
            let provider = part.entity.provider.as_str();
            let Some(snapshot) = self.snapshots.get(provider) else { return };
            let active = self.active_by_provider.entry(provider).or_default();
            // Small parts are soon read, and then wait: what waits is bounded as well.
            if self.active.len() >= self.options.max_concurrency
                || self.chunks.len() > self.options.max_concurrency
                || *active >= snapshot.concurrent_reads().max(1)
            {
                return;
            }
            *active += 1;
            let (sink, chunks) = record_channel(part.entity.codec.clone(), self.sink_options(part));
            let request = ReadRequest::all(part.entity.codec.clone(), part.set.clone());
            let index = self.next;
            self.chunks.insert(index, chunks);
            self.running.insert(index);
            self.active.push(Box::pin(async move { (index, snapshot.read(request, sink).await) }));
            self.next += 1;
        }
    }

    fn sink_options(&self, part: &PlannedPart) -> SinkOptions {
        let (listener, entity, set) = (self.listener.clone(), part.entity.codec.name(), part.set.clone());
        SinkOptions {
            batch_size: self.options.batch_size,
            chunk_bytes: CHUNK_BYTES,
            chunks_ahead: CHUNKS_AHEAD,
            buffers: Arc::clone(&self.buffers),
            cancel: self.options.cancel.clone(),
            on_batch: Arc::new(move |records| {
                listener.emit(|| Event::BatchRead { entity: entity.to_owned(), set: set.clone(), records });
            }),
        }
    }
}
