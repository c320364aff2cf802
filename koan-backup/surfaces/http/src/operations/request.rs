//! The request to start an operation.

use koan_backup_core::BackupId;
use sha2::{Digest as _, Sha256};

use super::operation::{Initiator, Operation, OperationKind};
use crate::hex::hex;

/// The request to start an operation.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub(crate) struct NewOperation {
    pub(super) kind: OperationKind,
    pub(super) started_by: Initiator,
    pub(super) backup_name: Option<String>,
    pub(super) backup_id: Option<BackupId>,
    pub(super) storage_profile: Option<String>,
    pub(super) providers: Vec<String>,
    pub(super) reason: Option<String>,
    pub(super) repetition: Option<RepetitionKey>,
}

impl NewOperation {
    /// Creates the request for an operation that `started_by` starts.
    pub(crate) fn new(kind: OperationKind, started_by: Initiator) -> Self {
        Self {
            kind,
            started_by,
            backup_name: None,
            backup_id: None,
            storage_profile: None,
            providers: Vec::new(),
            reason: None,
            repetition: None,
        }
    }

    /// Sets the name of the backup.
    pub(crate) fn backup_name(mut self, name: impl Into<String>) -> Self {
        self.backup_name = Some(name.into());
        self
    }

    /// Sets the backup that the operation reads.
    pub(crate) fn backup_id(mut self, id: BackupId) -> Self {
        self.backup_id = Some(id);
        self
    }

    /// Sets the storage profile of the backup that the operation makes or reads.
    pub(crate) fn storage_profile(mut self, name: impl Into<String>) -> Self {
        self.storage_profile = Some(name.into());
        self
    }

    /// Sets the names of the providers that the operation uses.
    pub(crate) fn providers(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.providers = names.into_iter().collect();
        self
    }

    /// Sets why the operation is started.
    pub(crate) fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Sets the key of the header `Idempotency-Key`. A request with the same key and the same initiator returns the
    /// same operation if `request`, which identifies method, path and body, is the same as well; otherwise it is
    /// refused. Only hashes of both are stored.
    pub(crate) fn idempotency_key(mut self, key: &str, request: &[u8]) -> Self {
        let name = self.started_by.name.as_bytes();
        let mut hash = Sha256::new();
        // The length separates the name from the key, so that no two pairs have the same hash.
        hash.update(u64::try_from(name.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(name);
        hash.update(key);
        self.repetition =
            Some(RepetitionKey { key: hex(hash.finalize()), request: hex(Sha256::digest(request)) });
        self
    }
}

/// The hashes by which a repeated request is recognized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RepetitionKey {
    /// The hash of the initiator and its key.
    pub(super) key: String,
    /// The hash of the request.
    pub(super) request: String,
}

/// The answer to a request to start an operation.
#[derive(Clone, Debug)]
pub(crate) struct Submitted {
    /// The operation.
    pub(crate) operation: Operation,
    /// Whether the request started the operation.
    pub(crate) origin: SubmissionOrigin,
}

/// Whether a request started an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SubmissionOrigin {
    /// The request started the operation.
    Started,
    /// An earlier request with the same idempotency key started it.
    Repeated,
}
