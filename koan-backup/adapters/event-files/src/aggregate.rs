//! The document of an aggregate, as it is stored.

use koan_backup_core::event_store::{OpenedStreams, StreamDocument, StreamHead, record_version};
use koan_backup_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

/// The current version of the format.
const FORMAT: u32 = 1;

/// The document of an aggregate: what its other files are.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Aggregate {
    format: u32,
    pub(crate) object: String,
    pub(crate) object_id: String,
    /// The id of the change that wrote this document.
    pub(crate) restore: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) document: Option<StreamDocument>,
    /// The streams in the order in which they were created.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) streams: Vec<StoredStream>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) snapshots: Vec<SnapshotFile>,
}

/// A stream that has events.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StoredStream {
    pub(crate) stream_id: String,
    /// The files in the order of their versions, which have no gaps.
    pub(crate) files: Vec<EventFile>,
}

/// A file of events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct EventFile {
    pub(crate) file: String,
    pub(crate) first_version: u64,
    /// The version of the last event that belongs to the stream. The file may contain later events, which do not.
    pub(crate) last_version: u64,
    /// The number of events in the file.
    pub(crate) event_count: u64,
    pub(crate) size_bytes: u64,
    pub(crate) sha256: String,
}

/// A file with one snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SnapshotFile {
    pub(crate) stream_id: String,
    pub(crate) version: u64,
    pub(crate) file: String,
    pub(crate) sha256: String,
}

impl StoredStream {
    pub(crate) fn version(&self) -> Option<u64> {
        self.files.last().map(|file| file.last_version)
    }
}

impl Aggregate {
    /// Returns an aggregate of which nothing is stored.
    pub(crate) fn new(object: &str, object_id: &str) -> Self {
        Self {
            format: FORMAT,
            object: object.to_owned(),
            object_id: object_id.to_owned(),
            restore: String::new(),
            document: None,
            streams: Vec::new(),
            snapshots: Vec::new(),
        }
    }

    /// Returns the object name and the object id.
    pub(crate) fn subject(&self) -> (&str, &str) {
        (&self.object, &self.object_id)
    }

    /// Reads the text of a document.
    pub(crate) fn parse(text: &[u8]) -> Result<Self> {
        let invalid = |source| Error::with_source(ErrorKind::Corrupt, "the document is damaged", source);
        let aggregate: Self = serde_json::from_slice(text).map_err(invalid)?;
        if aggregate.format != FORMAT {
            let text =
                format!("the document has format {}, and this version reads {FORMAT}", aggregate.format);
            return Err(Error::new(ErrorKind::Incompatible, text).with_help("use a newer version"));
        }
        Ok(aggregate)
    }

    /// Returns the text of the document.
    pub(crate) fn text(&self) -> Result<Vec<u8>> {
        let failed = |source| {
            let text = format!("the document of `{}` `{}` was not written", self.object, self.object_id);
            Error::with_source(ErrorKind::Internal, text, source)
        };
        serde_json::to_vec(self).map_err(failed)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.streams.is_empty() && self.document.is_none() && self.snapshots.is_empty()
    }

    pub(crate) fn stream(&self, stream_id: &str) -> Option<&StoredStream> {
        self.streams.iter().find(|stream| stream.stream_id == stream_id)
    }

    pub(crate) fn version(&self, stream_id: &str) -> Option<u64> {
        self.stream(stream_id).and_then(StoredStream::version)
    }

    /// Returns the version of the next event of a stream.
    ///
    /// # Errors
    /// The last version in the document is the highest possible one, so the document is damaged.
    pub(crate) fn next_version(&self, stream_id: &str) -> Result<u64> {
        let Some(version) = self.version(stream_id) else { return Ok(0) };
        version.checked_add(1).ok_or_else(|| {
            let (object, id) = self.subject();
            let text = format!(
                "the document of `{object}` `{id}` is damaged: stream `{stream_id}` ends at {version}"
            );
            Error::new(ErrorKind::Corrupt, text).with_help("restore the aggregate from a backup")
        })
    }

    /// Returns the streams that have events.
    pub(crate) fn heads(&self) -> Vec<StreamHead> {
        let head = |stream: &StoredStream| {
            stream.version().map(|version| StreamHead { stream_id: stream.stream_id.clone(), version })
        };
        self.streams.iter().filter_map(head).collect()
    }

    /// Adds a file to the end of a stream.
    pub(crate) fn add_file(&mut self, stream_id: &str, file: EventFile) {
        match self.streams.iter_mut().find(|stream| stream.stream_id == stream_id) {
            Some(stream) => stream.files.push(file),
            None => self.streams.push(StoredStream { stream_id: stream_id.to_owned(), files: vec![file] }),
        }
        self.update_document(stream_id);
    }

    /// Removes the events of a stream from a version on. Returns their number.
    pub(crate) fn truncate(&mut self, stream_id: &str, from: u64) -> u64 {
        let Some(stream) = self.streams.iter_mut().find(|stream| stream.stream_id == stream_id) else {
            return 0;
        };
        let end = stream.version().map_or(0, |version| version.saturating_add(1));
        stream.files.retain(|file| file.first_version < from);
        if let (Some(file), Some(last)) = (stream.files.last_mut(), from.checked_sub(1)) {
            file.last_version = file.last_version.min(last);
        }
        self.streams.retain(|stream| !stream.files.is_empty());
        self.update_document(stream_id);
        end.saturating_sub(from)
    }

    fn update_document(&mut self, stream_id: &str) {
        let version = self.version(stream_id);
        if let Some(document) = &mut self.document {
            record_version(document, stream_id, version);
        }
    }

    /// Returns the number of events of all streams.
    pub(crate) fn event_count(&self) -> u64 {
        let versions = self.streams.iter().filter_map(StoredStream::version);
        versions.map(|version| version.saturating_add(1)).fold(0, u64::saturating_add)
    }

    /// Returns the size of the files of events.
    pub(crate) fn size_bytes(&self) -> u64 {
        let files = self.streams.iter().flat_map(|stream| &stream.files);
        files.map(|file| file.size_bytes).fold(0, u64::saturating_add)
    }

    pub(crate) fn snapshot_count(&self) -> u64 {
        u64::try_from(self.snapshots.len()).unwrap_or(u64::MAX)
    }

    pub(crate) fn open(&self) -> Result<OpenedStreams> {
        let (document, snapshots) = (self.document.clone(), self.snapshot_count());
        OpenedStreams::of_aggregate(&self.object, &self.object_id, &self.heads(), document, snapshots)
    }

    /// Returns the names of the files that the document names.
    pub(crate) fn files(&self) -> impl Iterator<Item = &String> {
        let events = self.streams.iter().flat_map(|stream| &stream.files).map(|file| &file.file);
        events.chain(self.snapshots.iter().map(|snapshot| &snapshot.file))
    }
}
