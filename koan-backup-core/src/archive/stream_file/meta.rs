//! The `.meta` of a single backup, which makes the backup exist.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::StreamCompression;
use super::fault::StreamFault;
use super::header::{STREAM_FORMAT_VERSION, StreamFileHeader, StreamIncludes, require_format};
use super::sequence::StreamCounts;
use crate::archive::manifest::{EncryptionScope, EncryptionSummary, Producer};
use crate::encryption::{Identities, Recipients};
use crate::foundation::blocking::blocking;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;

/// The maximum size of a `.meta`.
pub(crate) const MAX_META_BYTES: u64 = 1 << 20;

/// The content of a `.meta`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StreamMeta {
    pub(crate) format_version: u32,
    pub(crate) backup_id: BackupId,
    pub(crate) object_name: String,
    pub(crate) created_at: Timestamp,
    /// The path of the content in the storage profile.
    pub(crate) path: String,
    pub(crate) size_bytes: u64,
    /// The hash of the stored file, and never of plain text.
    pub(crate) sha256: String,
    /// The number of events of the active stream.
    pub(crate) event_count: u64,
    pub(crate) stream_version: Option<u64>,
    pub(crate) snapshot_count: u64,
    pub(crate) terminated_stream_count: u64,
    pub(crate) includes: StreamIncludes,
    pub(crate) compression: StreamCompression,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) encryption: Option<StreamEncryption>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) producer: Producer,
    /// What identifies and describes the stream. It is absent if the content is encrypted.
    #[serde(flatten)]
    pub(crate) subject: SealedSubject,
}

/// The recipients for whom a single backup is encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StreamEncryption {
    pub(crate) recipients: Vec<String>,
    pub(crate) key_ids: Vec<String>,
}

impl StreamEncryption {
    pub(crate) fn of(recipients: &Recipients) -> Self {
        Self { recipients: recipients.public_keys(), key_ids: recipients.key_ids() }
    }

    pub(crate) fn summary(&self) -> EncryptionSummary {
        let (recipients, key_ids) = (self.recipients.clone(), self.key_ids.clone());
        EncryptionSummary { scope: EncryptionScope::Archive, recipients, key_ids }
    }
}

/// What identifies and describes the stream of a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StreamSubject {
    pub(crate) object_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) metadata: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<String>,
}

/// The subject as a `.meta` contains it: in clear, or encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum SealedSubject {
    Sealed {
        /// The subject with the id of the backup, as JSON, encrypted with age, in base64.
        sealed: String,
    },
    Clear(StreamSubject),
}

/// The subject that is encrypted. The id binds it to its backup.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BoundSubject {
    backup_id: BackupId,
    #[serde(flatten)]
    subject: StreamSubject,
}

impl SealedSubject {
    /// Encrypts the subject, if there are recipients.
    ///
    /// # Errors
    /// The subject cannot be encrypted.
    pub(crate) async fn seal(
        id: BackupId,
        subject: StreamSubject,
        recipients: Option<Recipients>,
    ) -> Result<Self> {
        let Some(recipients) = recipients else { return Ok(Self::Clear(subject)) };
        let json = serde_json::to_vec(&BoundSubject { backup_id: id, subject }).map_err(|source| {
            Error::with_source(ErrorKind::Internal, "the description of a single backup is not JSON", source)
        })?;
        // A passphrase takes about a second.
        let sealed =
            blocking("encrypts the description of a single backup", move || recipients.encrypt(&json));
        Ok(Self::Sealed { sealed: BASE64_STANDARD.encode(sealed.await??) })
    }
}

/// The format version, which is checked before the other fields are read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VersionOnly {
    format_version: u64,
}

impl StreamMeta {
    /// The format version of a new single backup.
    pub(crate) const FORMAT_VERSION: u32 = STREAM_FORMAT_VERSION;

    /// Parses a `.meta`.
    ///
    /// # Errors
    /// The file is not a `.meta`, contradicts itself, or has a newer format version.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        let damaged = |source: serde_json::Error| {
            Error::with_source(ErrorKind::Corrupt, "the file is not the `.meta` of a single backup", source)
        };
        let version: VersionOnly = serde_json::from_slice(bytes).map_err(damaged)?;
        require_format("the `.meta`", version.format_version)?;
        let meta: Self = serde_json::from_slice(bytes).map_err(damaged)?;
        let is_sealed = matches!(meta.subject, SealedSubject::Sealed { .. });
        if is_sealed != meta.encryption.is_some() {
            let text = "the `.meta` states recipients and has a clear description, or the reverse";
            return Err(Error::new(ErrorKind::Corrupt, text));
        }
        if !super::is_stream_content(&meta.path) {
            return Err(Error::new(
                ErrorKind::Corrupt,
                "the `.meta` does not name the content of a single backup",
            ));
        }
        Ok(meta)
    }

    /// Returns the document as it is stored.
    ///
    /// # Errors
    /// The document would be larger than readers accept.
    pub(crate) fn to_document(&self) -> Result<Vec<u8>> {
        let document = crate::foundation::json::document(self);
        if u64::try_from(document.len()).is_ok_and(|length| length <= MAX_META_BYTES) {
            return Ok(document);
        }
        let text =
            "the object id, description, tags and metadata of a single backup are together larger than 1 MiB";
        Err(Error::new(ErrorKind::Configuration, text).with_help("shorten them"))
    }

    /// Returns what identifies and describes the stream, or `None` if it is encrypted and no identity decrypts it.
    ///
    /// # Errors
    /// The sealed description is damaged, or belongs to another backup.
    pub(crate) async fn open_subject(&self, identities: &Arc<Identities>) -> Result<Option<StreamSubject>> {
        let sealed = match &self.subject {
            SealedSubject::Clear(subject) => return Ok(Some(subject.clone())),
            SealedSubject::Sealed { .. } if identities.is_empty() => return Ok(None),
            SealedSubject::Sealed { sealed } => sealed,
        };
        let damaged = || Error::new(ErrorKind::Corrupt, "the sealed description of the `.meta` is damaged");
        let encrypted = BASE64_STANDARD.decode(sealed).map_err(|_| damaged())?;
        let identities = Arc::clone(identities);
        let opened =
            blocking("decrypts the description of a single backup", move || identities.decrypt(&encrypted));
        let Some(json) = opened.await? else { return Ok(None) };
        let bound: BoundSubject = serde_json::from_slice(&json).map_err(|_| damaged())?;
        match bound.backup_id == self.backup_id {
            true => Ok(Some(bound.subject)),
            false => Err(damaged()),
        }
    }

    /// Checks that the content is the one that this `.meta` describes.
    ///
    /// # Errors
    /// The content belongs to another backup, or contains another number of events or snapshots.
    pub(super) fn require_content(&self, header: &StreamFileHeader, counts: StreamCounts) -> Result<()> {
        let is_clear_id = match &self.subject {
            SealedSubject::Clear(subject) => subject.object_id == header.object_id,
            SealedSubject::Sealed { .. } => true,
        };
        let agrees = header.backup_id == self.backup_id
            && header.object_name == self.object_name
            && is_clear_id
            && header.event_count == self.event_count
            && header.stream_version == self.stream_version
            && header.includes == self.includes
            && counts.snapshots == self.snapshot_count
            && counts.terminated_streams == self.terminated_stream_count;
        match agrees {
            true => Ok(()),
            false => Err(StreamFault::Form("it is not the content that its `.meta` describes").error()),
        }
    }
}
