//! The documents of an operation in a storage profile.

use std::time::Duration;

use jiff::Timestamp;
use koan_backup_core::{Error, ErrorKind, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::operations::identifier::OperationId;
use crate::operations::operation::{Cancellation, Operation, OperationStatus};
use crate::operations::progress::Progress;
use crate::operations::request::RepetitionKey;
use crate::operations::store::LeaseSighting;

/// The version of the documents.
const FORMAT_VERSION: u32 = 1;

/// The folder of operations that have not ended.
pub(super) const ACTIVE: &str = "active";

/// A document of an operation that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ActiveDocument {
    Request,
    Progress,
    Cancellation,
}

impl ActiveDocument {
    const ALL: [Self; 3] = [Self::Request, Self::Progress, Self::Cancellation];

    /// Returns the path of the document of an operation.
    pub(super) fn path(self, id: OperationId) -> String {
        format!("{ACTIVE}/{id}/{}", self.file_name())
    }

    /// Returns the operation and the document of a path.
    pub(super) fn of_path(path: &str) -> Option<(OperationId, Self)> {
        let (id, file_name) = path.strip_prefix(ACTIVE)?.strip_prefix('/')?.split_once('/')?;
        let document = Self::ALL.into_iter().find(|document| document.file_name() == file_name)?;
        Some((id.parse().ok()?, document))
    }

    fn file_name(self) -> &'static str {
        match self {
            Self::Request => "request.json",
            Self::Progress => "progress.json",
            Self::Cancellation => "cancel.json",
        }
    }
}

/// The record of an operation when it was created.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RequestDocument {
    format_version: u32,
    operation: Operation,
    lease_milliseconds: u64,
    pub(super) repetition_key: Option<String>,
}

impl RequestDocument {
    pub(super) fn new(
        operation: &Operation,
        lease_time: Duration,
        repetition: Option<&RepetitionKey>,
    ) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            operation: operation.clone(),
            lease_milliseconds: u64::try_from(lease_time.as_millis()).unwrap_or(u64::MAX),
            repetition_key: repetition.map(|repetition| repetition.key.clone()),
        }
    }

    /// Returns the record of the operation, which has not ended.
    pub(super) fn operation(
        self,
        progress: Option<ProgressDocument>,
        cancellation: Option<Cancellation>,
    ) -> Operation {
        let mut operation = self.operation;
        if let Some(document) = progress {
            operation.started_at = document.started_at;
            operation.progress = document.progress;
            operation.sequence = document.sequence;
        }
        operation.status = match (&cancellation, operation.started_at) {
            (Some(_), _) => OperationStatus::Cancelling,
            (None, Some(_)) => OperationStatus::Running,
            (None, None) => OperationStatus::Queued,
        };
        // The request to cancel is an event of its own, as in the process that owns the operation.
        operation.sequence += u64::from(cancellation.is_some() && operation.cancellation.is_none());
        operation.cancellation = cancellation;
        operation
    }

    pub(super) fn lease(&self, progress: Option<&ProgressDocument>) -> LeaseSighting {
        LeaseSighting {
            id: self.operation.id,
            owner: self.operation.owner.id,
            renewals: progress.map_or(0, |progress| progress.renewals),
            lease_time: Duration::from_millis(self.lease_milliseconds),
        }
    }
}

/// What the owner of an operation replaces while it works.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProgressDocument {
    /// How often the lease was renewed.
    pub(super) renewals: u64,
    pub(super) sequence: u64,
    pub(super) started_at: Option<Timestamp>,
    pub(super) progress: Progress,
}

impl ProgressDocument {
    pub(super) fn new(operation: &Operation) -> Self {
        Self {
            renewals: 0,
            sequence: operation.sequence,
            started_at: operation.started_at,
            progress: operation.progress.clone(),
        }
    }
}

/// The record of an operation that has ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EndedDocument {
    pub(super) format_version: u32,
    pub(super) operation: Operation,
    /// The number of documents that contain the result, if it is not part of the record.
    pub(super) result_parts: u32,
    pub(super) repetition_key: Option<String>,
    /// A value that no other process writes, so that two ends are never equal.
    pub(super) nonce: String,
}

impl EndedDocument {
    pub(super) fn new(operation: Operation, result_parts: u32, repetition_key: Option<String>) -> Self {
        let nonce = uuid::Uuid::now_v7().simple().to_string();
        Self { format_version: FORMAT_VERSION, operation, result_parts, repetition_key, nonce }
    }
}

pub(super) fn to_json(document: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(document)
        .map_err(|source| Error::with_source(ErrorKind::Internal, "an operation is not valid JSON", source))
}

/// Parses a document. A document of a newer version is refused by its version.
pub(super) fn parse<T: DeserializeOwned>(path: &str, location: &str, content: &[u8]) -> Result<T> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Version {
        format_version: u32,
    }
    if let Ok(Version { format_version }) = serde_json::from_slice(content)
        && format_version > FORMAT_VERSION
    {
        let text = format!(
            "the document `{path}` in storage `{location}` has the format version {format_version}, and this version \
             of koan-backup reads {FORMAT_VERSION}"
        );
        return Err(Error::new(ErrorKind::Incompatible, text).with_help("update koan-backup"));
    }
    // The error of serde may contain a value.
    serde_json::from_slice(content).map_err(|_| {
        let text = format!("the document `{path}` of an operation in storage `{location}` is damaged");
        Error::new(ErrorKind::Corrupt, text).with_help("remove the document; it contains no backup")
    })
}
