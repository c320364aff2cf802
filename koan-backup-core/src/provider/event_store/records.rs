//! The records of one part of event streams.

use crate::entity::codec::{RecordError, read_object};
use crate::entity::stream::{StreamDocument, StreamEvent, StreamPart, StreamSnapshot};

/// Records of one part of event streams, in the order of the archive.
#[derive(Clone, Debug)]
pub(crate) enum StreamRecords {
    Events(Vec<StreamEvent>),
    Documents(Vec<StreamDocument>),
    Snapshots(Vec<StreamSnapshot>),
}

impl StreamRecords {
    /// Reads the records in lines.
    ///
    /// # Errors
    /// A line is not a record of this part. The error has the number of the line, counted from 0.
    pub(crate) fn read<'l>(
        part: StreamPart,
        lines: impl Iterator<Item = &'l [u8]>,
    ) -> Result<Self, (u64, RecordError)> {
        let lines = (0u64..).zip(lines);
        Ok(match part {
            StreamPart::Events => Self::Events(read_all(lines)?),
            StreamPart::Documents => Self::Documents(read_all(lines)?),
            StreamPart::Snapshots => Self::Snapshots(read_all(lines)?),
        })
    }

    /// Returns the number of records.
    pub(crate) fn count(&self) -> u64 {
        let count = match self {
            Self::Events(events) => events.len(),
            Self::Documents(documents) => documents.len(),
            Self::Snapshots(snapshots) => snapshots.len(),
        };
        u64::try_from(count).unwrap_or(u64::MAX)
    }
}

fn read_all<'l, T: serde::de::DeserializeOwned>(
    lines: impl Iterator<Item = (u64, &'l [u8])>,
) -> Result<Vec<T>, (u64, RecordError)> {
    lines.map(|(number, line)| read_object(line).map_err(|error| (number, error))).collect()
}
