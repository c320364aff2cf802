//! The lines of the content that introduce streams.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::fault::StreamFault;
use crate::entity::stream::TerminatedStream;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;

/// The version of the format of single backups that this library writes.
pub(crate) const STREAM_FORMAT_VERSION: u32 = 1;
/// The maximum length of a line that introduces a stream.
pub(super) const MAX_HEADER_BYTES: usize = 4 << 20;
/// The end of a line that introduces events.
const EVENTS: &[u8] = b",\"events\":[";

/// Which parts of an aggregate a single backup includes, beside the events of its active stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct StreamIncludes {
    /// Whether the document is included. A store that has documents need not have one for each aggregate.
    pub document: bool,
    /// Whether all snapshots of the included streams are included.
    pub snapshots: bool,
    /// Whether all terminated streams are included.
    pub terminated: bool,
}

impl StreamIncludes {
    /// Returns the parts that a backup includes.
    pub(crate) fn new(document: bool, snapshots: bool, terminated: bool) -> Self {
        Self { document, snapshots, terminated }
    }
}

/// The first line of the content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StreamFileHeader {
    pub(crate) format_version: u32,
    pub(crate) backup_id: BackupId,
    pub(crate) created_at: Timestamp,
    pub(crate) object_id: String,
    pub(crate) object_name: String,
    /// The id of the active stream. `None` if all streams are terminated.
    pub(crate) stream_id: Option<String>,
    /// The version of the last event of the active stream.
    pub(crate) stream_version: Option<u64>,
    /// The number of events of the active stream.
    pub(crate) event_count: u64,
    pub(crate) includes: StreamIncludes,
}

/// The line before the events of a terminated stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TerminatedHeader {
    pub(crate) stream_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) terminated_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) continued_by: Option<String>,
    pub(crate) event_count: u64,
}

impl TerminatedHeader {
    /// Returns the record of the terminated stream in a document.
    pub(crate) fn stream(&self) -> TerminatedStream {
        TerminatedStream {
            stream_id: self.stream_id.clone(),
            version: self.version,
            terminated_at: self.terminated_at.clone(),
            reason: self.reason.clone(),
            continued_by: self.continued_by.clone(),
        }
    }
}

/// The format version, which is checked before the other fields are read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VersionOnly {
    format_version: u64,
}

/// Returns the line that introduces events, without a line feed.
pub(super) fn to_line<T: Serialize>(header: &T) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(header)?;
    line.pop();
    line.extend_from_slice(EVENTS);
    Ok(line)
}

/// Reads a line that introduces events.
fn from_line<T: serde::de::DeserializeOwned>(line: &[u8]) -> Result<T> {
    let mut object = object(line)?;
    object.push(b'}');
    serde_json::from_slice(&object).map_err(|_| StreamFault::Unreadable("the header of a stream").error())
}

fn object(line: &[u8]) -> Result<Vec<u8>> {
    if line.len() > MAX_HEADER_BYTES {
        return Err(StreamFault::LineLength(MAX_HEADER_BYTES).error());
    }
    match line.strip_suffix(EVENTS) {
        Some(fields) => Ok(fields.to_vec()),
        None => Err(StreamFault::Form("a line that introduces events was expected").error()),
    }
}

/// Reads the first line.
///
/// # Errors
/// The line has another form, or a newer format version.
pub(super) fn read_header(line: &[u8]) -> Result<StreamFileHeader> {
    let mut version = object(line)?;
    version.push(b'}');
    let version: VersionOnly =
        serde_json::from_slice(&version).map_err(|_| StreamFault::Unreadable("its header").error())?;
    require_format("the content", version.format_version)?;
    from_line(line)
}

/// Reads the line before the events of a terminated stream.
pub(super) fn read_terminated(line: &[u8]) -> Result<TerminatedHeader> {
    from_line(line)
}

/// Refuses a format version that this version does not know.
pub(super) fn require_format(subject: &str, version: u64) -> Result<()> {
    if version == u64::from(STREAM_FORMAT_VERSION) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Incompatible,
        format!(
            "{subject} of the single backup has format version {version}, but this version of koan-backup supports \
             {STREAM_FORMAT_VERSION} only"
        ),
    )
    .with_help("update koan-backup"))
}
