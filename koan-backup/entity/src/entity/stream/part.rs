//! The parts of the streams of one object name.

/// A part of the streams of one object name. Each part is one entry of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StreamPart {
    /// The events: `streams/{object}.jsonl`.
    Events,
    /// The documents: `streams/{object}.documents.jsonl`.
    Documents,
    /// The snapshots: `streams/{object}.snapshots.jsonl`.
    Snapshots,
}

impl StreamPart {
    /// All parts, in the order of an archive.
    pub const ALL: [Self; 3] = [Self::Events, Self::Documents, Self::Snapshots];
}
