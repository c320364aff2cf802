//! The description of a single backup.

use std::collections::BTreeMap;

use jiff::Timestamp;
use object_store::path::Path;
use serde::Serialize;

use crate::archive::stream_file::{StreamMeta, StreamSubject};
use crate::archive::{Producer, StreamCompression, StreamIncludes};
use crate::foundation::id::BackupId;

/// A single backup: the streams of one aggregate, as they were at one version.
///
/// A restore, a verification or a deletion can be given the handle, or only its id.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StreamBackupHandle {
    /// The id of the backup.
    pub id: BackupId,
    /// The object name.
    pub object: String,
    /// The object id. `None` if the backup is encrypted and no key decrypts its description; then the description, the
    /// metadata and the tags are missing as well.
    pub object_id: Option<String>,
    /// The number of events of the active stream.
    pub event_count: u64,
    /// The version of the last event of the active stream. `None` if it has no events.
    pub stream_version: Option<u64>,
    /// The number of snapshots.
    pub snapshot_count: u64,
    /// The number of terminated streams.
    pub terminated_stream_count: u64,
    /// When the stream was opened.
    pub created_at: Timestamp,
    /// The storage profile.
    pub profile: String,
    /// The path of the content in the storage profile.
    pub location: String,
    /// The size of the stored file in bytes.
    pub size_bytes: u64,
    /// The hash of the stored file: `sha256:` and 64 hexadecimal digits.
    pub checksum: String,
    /// What is included beside the events of the active stream.
    pub includes: StreamIncludes,
    /// How the content is compressed.
    pub compression: StreamCompression,
    /// The ids of the keys that decrypt the backup. The list is empty if the backup is not encrypted.
    pub key_ids: Vec<String>,
    /// The description for people.
    pub description: Option<String>,
    /// Metadata of the application.
    pub metadata: BTreeMap<String, String>,
    /// The tags.
    pub tags: Vec<String>,
    /// From when on the backup may be removed.
    pub expires_at: Option<Timestamp>,
    /// The application that made the backup.
    pub producer: Producer,
    /// The path of the `.meta`.
    #[serde(skip)]
    pub(crate) meta_path: Path,
}

impl StreamBackupHandle {
    /// Creates the handle of a stored backup. `subject` is `None` if it cannot be decrypted.
    pub(crate) fn new(
        profile: &str,
        meta_path: Path,
        meta: StreamMeta,
        subject: Option<StreamSubject>,
    ) -> Self {
        let (object_id, subject) = match subject {
            Some(subject) => (Some(subject.object_id.clone()), subject),
            None => (None, StreamSubject::default()),
        };
        Self {
            id: meta.backup_id,
            object: meta.object_name,
            object_id,
            event_count: meta.event_count,
            stream_version: meta.stream_version,
            snapshot_count: meta.snapshot_count,
            terminated_stream_count: meta.terminated_stream_count,
            created_at: meta.created_at,
            profile: profile.to_owned(),
            location: meta.path,
            size_bytes: meta.size_bytes,
            checksum: meta.sha256,
            includes: meta.includes,
            compression: meta.compression,
            key_ids: meta.encryption.map(|encryption| encryption.key_ids).unwrap_or_default(),
            description: subject.description,
            metadata: subject.metadata,
            tags: subject.tags,
            expires_at: meta.expires_at,
            producer: meta.producer,
            meta_path,
        }
    }

    /// Returns whether the backup is encrypted.
    pub fn is_encrypted(&self) -> bool {
        !self.key_ids.is_empty()
    }

    /// Returns whether the backup has expired at this time. It has expired at the instant of its expiry.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expiry| expiry <= now)
    }
}
