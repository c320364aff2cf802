//! The port to the records of operations.

mod profile;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use koan_backup_core::Result;

use super::identifier::{OperationId, OwnerId};
use super::limits::HistoryLimits;
use super::operation::{Cancellation, Operation, OperationKind, OperationStatus};
use super::progress::Progress;
use super::request::RepetitionKey;

pub(crate) use profile::ProfileOperationStore;
#[cfg(feature = "sqlite")]
pub(crate) use sqlite::SqliteOperationStore;

/// A store of operations that several processes share.
///
/// Implementers must guarantee:
/// - Each method that changes something either takes effect completely and durably, or returns an error and has no
///   effect, except that the effect of a method may be unknown after an error of the network.
/// - An operation that has ended is never changed again; of several calls of [`finish`](Self::finish), one succeeds.
/// - Errors contain neither the reason, the result nor the error of an operation.
#[async_trait]
pub(crate) trait OperationStore: fmt::Debug + Send + Sync + 'static {
    /// Records a new operation, unless an operation has the same repetition key.
    async fn create(
        &self,
        operation: &Operation,
        lease_time: Duration,
        repetition: Option<&RepetitionKey>,
    ) -> Result<Created>;

    /// Returns the operation with a repetition key.
    async fn find_repeated(&self, repetition: &RepetitionKey) -> Result<Option<Created>>;

    /// Records that the work of a queued operation starts, and returns the state of the operation afterwards. Nothing
    /// is changed if a cancellation was requested or the operation has ended.
    async fn start(
        &self,
        id: OperationId,
        owner: OwnerId,
        at: Timestamp,
        sequence: u64,
    ) -> Result<OperationStatus>;

    /// Renews the leases of an owner and replaces the progress where one is given. Operations that have ended or belong
    /// to another owner are skipped.
    async fn renew(&self, owner: OwnerId, renewals: Vec<Renewal>) -> Result<()>;

    /// Returns the operations of an owner that have not ended, with the requests to cancel them.
    async fn held(&self, owner: OwnerId) -> Result<Vec<Held>>;

    /// Records the request to cancel an operation that has not ended and has no such request. Returns the operation
    /// afterwards, or `None` if it does not exist.
    async fn request_cancellation(
        &self,
        id: OperationId,
        cancellation: &Cancellation,
    ) -> Result<Option<Operation>>;

    /// Records the end of an operation, if it has not ended and the claim is valid.
    async fn finish(&self, id: OperationId, claim: Claim, end: &OperationEnd) -> Result<Finished>;

    /// Returns an operation, or `None` if it does not exist.
    async fn get(&self, id: OperationId) -> Result<Option<Operation>>;

    /// Returns a page of operations, the newest first, without their results.
    async fn list(&self, query: &OperationQuery) -> Result<OperationPage>;

    /// Returns the leases of all operations that have not ended.
    async fn leases(&self) -> Result<Vec<LeaseSighting>>;

    /// Removes finished operations, and returns their number.
    async fn purge(&self, history: &HistoryLimits, now: Timestamp) -> Result<u64>;
}

/// The result of recording a new operation.
#[derive(Clone, Debug)]
pub(crate) enum Created {
    /// The operation was recorded.
    New,
    /// An earlier request with the same content has this operation.
    Repeated(Box<Operation>),
    /// An earlier request with the same key and another content has this operation.
    OtherRequest(OperationId),
}

/// The renewal of the lease of an operation.
#[derive(Clone, Debug)]
pub(crate) struct Renewal {
    pub(crate) id: OperationId,
    /// The number of the last event.
    pub(crate) sequence: u64,
    /// The progress, if it has changed.
    pub(crate) progress: Option<Progress>,
}

/// An operation that has not ended, as its owner finds it in the store.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) id: OperationId,
    pub(crate) cancellation: Option<Cancellation>,
}

/// The lease of an operation that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeaseSighting {
    pub(crate) id: OperationId,
    pub(crate) owner: OwnerId,
    /// How often the lease was renewed.
    pub(crate) renewals: u64,
    /// The lease time of the owner.
    pub(crate) lease_time: Duration,
}

/// The right to record the end of an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Claim {
    /// The process owns the operation.
    Owner(OwnerId),
    /// The lease of the owner has expired. The claim is valid only if the lease was not renewed since.
    Expired(LeaseSighting),
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OperationEnd {
    /// A final state.
    pub(crate) status: OperationStatus,
    pub(crate) completed_at: Timestamp,
    pub(crate) error: Option<serde_json::Value>,
    pub(crate) result: Option<serde_json::Value>,
    /// The last progress; `None` keeps the recorded progress.
    pub(crate) progress: Option<Progress>,
    /// The request to cancel the operation, if it is not recorded yet.
    pub(crate) cancellation: Option<Cancellation>,
    /// The number of the last event, if it is known; otherwise the recorded number is increased by one.
    pub(crate) sequence: Option<u64>,
}

/// The result of recording the end of an operation.
#[derive(Clone, Debug)]
pub(crate) enum Finished {
    /// The end was recorded. The operation has the recorded values.
    Recorded(Box<Operation>),
    /// Nothing was changed, because the operation has ended or the claim is not valid.
    Refused(Box<Operation>),
    /// The operation does not exist.
    Missing,
}

/// Selects operations.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub(crate) struct OperationQuery {
    pub(super) statuses: Vec<OperationStatus>,
    pub(super) kind: Option<OperationKind>,
    pub(super) before: Option<OperationId>,
    pub(super) limit: Option<u32>,
}

impl OperationQuery {
    /// The largest number of operations on a page.
    pub(crate) const MAX_LIMIT: u32 = 100;

    /// Selects operations with one of these states. Without a state, all operations are selected.
    pub(crate) fn statuses(mut self, statuses: impl IntoIterator<Item = OperationStatus>) -> Self {
        self.statuses = statuses.into_iter().collect();
        self
    }

    /// Selects operations of this kind.
    pub(crate) fn kind(mut self, kind: OperationKind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Selects operations that were created before this one: the next page begins after the last one of this page.
    pub(crate) fn before(mut self, id: OperationId) -> Self {
        self.before = Some(id);
        self
    }

    /// Sets the number of operations on the page, from 1 to [`MAX_LIMIT`](Self::MAX_LIMIT).
    pub(crate) fn limit(mut self, operations: u32) -> Self {
        self.limit = Some(operations);
        self
    }

    /// Returns the number of operations on the page.
    pub(super) fn page_size(&self) -> u32 {
        self.limit.unwrap_or(Self::MAX_LIMIT).clamp(1, Self::MAX_LIMIT)
    }
}

/// A page of operations.
#[derive(Clone, Debug)]
pub(crate) struct OperationPage {
    /// The operations, the newest first, without their results.
    pub(crate) operations: Vec<Operation>,
    /// The operation after which the next page begins, if there is one.
    pub(crate) next: Option<OperationId>,
}
