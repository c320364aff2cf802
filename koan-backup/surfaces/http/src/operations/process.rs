//! What the tasks of a process that owns operations share.

use std::sync::Arc;

use jiff::Timestamp;
use koan_backup_core::Clock;
use tokio_util::sync::CancellationToken;

use super::identifier::OwnerId;
use super::limits::OperationLimits;
use super::operation::{Cancellation, Owner};
use super::queue::Queue;
use super::store::OperationStore;

/// What the tasks of a process that owns operations share.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) store: Arc<dyn OperationStore>,
    pub(super) limits: OperationLimits,
    pub(super) owner: Owner,
    pub(super) queue: Arc<Queue>,
    /// Cancelled when the server has stopped.
    pub(super) closed: CancellationToken,
    /// Cancelled when a shutdown no longer waits for the record of an end.
    pub(super) abandon: CancellationToken,
    clock: Arc<dyn Clock>,
}

impl Process {
    pub(super) fn new(
        store: Arc<dyn OperationStore>,
        limits: OperationLimits,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            store,
            queue: Arc::new(Queue::new(limits.running, limits.queued)),
            limits,
            owner: Owner { id: OwnerId::new(), process: std::process::id() },
            closed: CancellationToken::new(),
            abandon: CancellationToken::new(),
            clock,
        }
    }

    /// Returns the clock.
    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Returns the current time with the precision of the stores.
    pub(super) fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    /// Returns a request to cancel an operation.
    pub(super) fn cancellation(&self, requested_by: &str) -> Cancellation {
        Cancellation { requested_at: self.now(), requested_by: requested_by.to_owned() }
    }
}
