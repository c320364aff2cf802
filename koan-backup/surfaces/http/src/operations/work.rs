//! The work of an operation: what it receives and what it returns.

use std::sync::Arc;

use futures::future::BoxFuture;
use koan_backup_core::{Error, Event, Result};
use tokio_util::sync::CancellationToken;

use super::active::ActiveOperation;
#[cfg(test)]
use super::identifier::OperationId;

/// The work of an operation. It runs on a task that does not depend on the request.
pub(super) type Work = Box<dyn FnOnce(WorkContext) -> BoxFuture<'static, Result<WorkResult>> + Send>;

/// What the work of an operation receives.
#[derive(Clone, Debug)]
pub(crate) struct WorkContext {
    operation: Arc<ActiveOperation>,
}

impl WorkContext {
    pub(super) fn new(operation: Arc<ActiveOperation>) -> Self {
        Self { operation }
    }

    /// Returns the id of the operation.
    #[cfg(test)]
    pub(crate) fn id(&self) -> OperationId {
        self.operation.id()
    }

    /// Returns the token that is cancelled when the work must stop: on a cancellation, on shutdown, and when the lease
    /// is lost. The work passes it to `cancel_on`.
    pub(crate) fn cancel_token(&self) -> CancellationToken {
        self.operation.stop_token().clone()
    }

    /// Returns the listener that turns events into progress. The work passes it to `on_event`.
    pub(crate) fn listener(&self) -> impl Fn(&Event) + Send + Sync + 'static {
        let operation = Arc::clone(&self.operation);
        move |event| operation.process(event)
    }

    /// Returns the receiver of the progress of work that has no events: how much of the whole is processed.
    pub(crate) fn counter(&self) -> impl Fn(u64, u64) + Send + Sync + 'static {
        let operation = Arc::clone(&self.operation);
        move |processed, total| operation.count(processed, total)
    }
}

/// What work returns that has a result.
#[derive(Debug)]
pub(crate) struct WorkResult {
    pub(super) value: serde_json::Value,
    pub(super) completion: Completion,
}

/// How work ended that has a result.
#[derive(Debug)]
pub(super) enum Completion {
    /// The work had no warnings.
    Complete,
    /// The result contains warnings.
    WithWarnings,
    /// The work failed, and the result says what it did before.
    Failed(Error),
}

impl WorkResult {
    /// Creates the result of work without warnings.
    pub(crate) fn completed(value: serde_json::Value) -> Self {
        Self { value, completion: Completion::Complete }
    }

    /// Creates the result of work that succeeded with warnings, which `value` contains.
    pub(crate) fn completed_with_warnings(value: serde_json::Value) -> Self {
        Self { value, completion: Completion::WithWarnings }
    }

    /// Returns the result of work that failed; the value says what it did before.
    pub(crate) fn into_failed(self, error: Error) -> Self {
        Self { completion: Completion::Failed(error), ..self }
    }

    /// Changes the value.
    pub(crate) fn with_value(mut self, change: impl FnOnce(&mut serde_json::Value)) -> Self {
        change(&mut self.value);
        self
    }
}
