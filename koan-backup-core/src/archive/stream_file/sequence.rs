//! Checks the order of the parts of the content. The writer and the reader use the same checks, so that nothing is
//! written that cannot be read.

use std::collections::BTreeMap;

use super::fault::StreamFault;
use super::header::{StreamFileHeader, TerminatedHeader};
use crate::entity::stream::StreamDocument;

/// The maximum number of terminated streams of one aggregate, because their ids are in memory while they are read.
const MAX_TERMINATED_STREAMS: usize = 100_000;

/// What the content of a single backup contains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StreamCounts {
    /// The events of all streams.
    pub(crate) events: u64,
    pub(crate) snapshots: u64,
    pub(crate) terminated_streams: u64,
    /// Whether there is a document.
    pub(crate) has_document: bool,
}

/// The state of the check.
#[derive(Debug)]
pub(super) struct StreamSequence {
    header: StreamFileHeader,
    /// The number of events that the current stream must have.
    expected_events: u64,
    next_version: u64,
    counts: StreamCounts,
    /// The version of each stream.
    streams: BTreeMap<String, Option<u64>>,
    /// The highest version of the snapshots of each stream.
    snapshots: BTreeMap<String, u64>,
    /// The stream of the previous snapshot.
    snapshot_stream: Option<String>,
}

impl StreamSequence {
    /// Begins with the header.
    pub(super) fn begin(header: StreamFileHeader) -> Result<Self, StreamFault> {
        check_version(header.stream_version, header.event_count)?;
        if header.stream_id.is_none() && header.event_count > 0 {
            return Err(StreamFault::Form("events have no stream"));
        }
        let active = header.stream_id.clone().map(|id| (id, header.stream_version));
        Ok(Self {
            expected_events: header.event_count,
            next_version: 0,
            counts: StreamCounts::default(),
            streams: active.into_iter().collect(),
            snapshots: BTreeMap::new(),
            snapshot_stream: None,
            header,
        })
    }

    pub(super) fn header(&self) -> &StreamFileHeader {
        &self.header
    }

    /// Checks the version of the next event of the current stream.
    pub(super) fn event(&mut self, version: u64) -> Result<(), StreamFault> {
        if version != self.next_version {
            return Err(StreamFault::Version { expected: self.next_version, found: version });
        }
        if version >= self.expected_events {
            let found = version.saturating_add(1);
            return Err(StreamFault::EventCount { stated: self.expected_events, found });
        }
        self.next_version += 1;
        self.counts.events += 1;
        Ok(())
    }

    /// Checks that the current stream is complete.
    pub(super) fn end_events(&self) -> Result<(), StreamFault> {
        match self.next_version == self.expected_events {
            true => Ok(()),
            false => Err(StreamFault::EventCount { stated: self.expected_events, found: self.next_version }),
        }
    }

    pub(super) fn document(&mut self, document: Option<&StreamDocument>) -> Result<(), StreamFault> {
        let Some(document) = document else { return Ok(()) };
        if !self.header.includes.document {
            return Err(StreamFault::NotIncluded("a document"));
        }
        if document.object_id != self.header.object_id {
            return Err(StreamFault::Document);
        }
        self.counts.has_document = true;
        Ok(())
    }

    pub(super) fn snapshot(&mut self, stream: &str, version: u64) -> Result<(), StreamFault> {
        if !self.header.includes.snapshots {
            return Err(StreamFault::NotIncluded("snapshots"));
        }
        let is_same = self.snapshot_stream.as_deref() == Some(stream);
        let is_full = self.snapshots.len() > MAX_TERMINATED_STREAMS;
        match self.snapshots.get_mut(stream) {
            Some(last) if is_same && *last < version => *last = version,
            Some(_) => return Err(StreamFault::SnapshotOrder),
            None if is_full => {
                return Err(StreamFault::TooManyStreams(MAX_TERMINATED_STREAMS));
            }
            None => {
                self.snapshots.insert(stream.to_owned(), version);
                self.snapshot_stream = Some(stream.to_owned());
            }
        }
        self.counts.snapshots += 1;
        Ok(())
    }

    /// Begins the events of a terminated stream.
    pub(super) fn terminated(&mut self, stream: &TerminatedHeader) -> Result<(), StreamFault> {
        if !self.header.includes.terminated {
            return Err(StreamFault::NotIncluded("terminated streams"));
        }
        check_version(stream.version, stream.event_count)?;
        if self.streams.len() > MAX_TERMINATED_STREAMS {
            return Err(StreamFault::TooManyStreams(MAX_TERMINATED_STREAMS));
        }
        if self.streams.insert(stream.stream_id.clone(), stream.version).is_some() {
            return Err(StreamFault::DuplicateStream);
        }
        (self.expected_events, self.next_version) = (stream.event_count, 0);
        self.counts.terminated_streams += 1;
        Ok(())
    }

    /// Checks what only the end shows, and returns the counts.
    pub(super) fn end(self) -> Result<(StreamFileHeader, StreamCounts), StreamFault> {
        for (stream, version) in &self.snapshots {
            let last = self.streams.get(stream).copied().flatten();
            if last.is_none_or(|last| *version > last) {
                return Err(StreamFault::SnapshotStream);
            }
        }
        Ok((self.header, self.counts))
    }
}

/// Checks that the version of a stream and the number of its events agree.
fn check_version(version: Option<u64>, events: u64) -> Result<(), StreamFault> {
    match version.map_or(Some(0), |version| version.checked_add(1)) == Some(events) {
        true => Ok(()),
        false => Err(StreamFault::StatedVersion { version, events }),
    }
}
