//! The end of an operation: which state follows from how the work ended.

use koan_backup_core::{Error, ErrorKind, Result};
use tokio::task::JoinError;

use super::active::ActiveOperation;
use super::operation::OperationStatus;
use super::work::{Completion, WorkResult};
use crate::problem::{Problem, ProblemKind};

/// The state, the result and the error of an operation that has ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outcome {
    pub(super) status: OperationStatus,
    pub(super) result: Option<serde_json::Value>,
    pub(super) error: Option<serde_json::Value>,
}

impl Outcome {
    /// Returns the outcome of work that has ended.
    pub(super) fn of_work(ended: Result<Result<WorkResult>, JoinError>, active: &ActiveOperation) -> Self {
        // A process that lost its lease must not report an end that it can no longer know to be the only one.
        if active.is_lease_lost() {
            return Self::lease_lost();
        }
        match ended {
            Ok(Ok(WorkResult { value, completion })) => {
                let (status, error) = match completion {
                    Completion::Complete => (OperationStatus::Completed, None),
                    Completion::WithWarnings => (OperationStatus::CompletedWithWarnings, None),
                    Completion::Failed(error) => {
                        let failed = Self::of_failure(error, active);
                        (failed.status, failed.error)
                    }
                };
                Self { status, result: Some(value), error }
            }
            Ok(Err(error)) => Self::of_failure(error, active),
            // The payload of a panic may contain the content of a record, and the panic hook has reported it.
            Err(error) if error.is_panic() => Self::failed(
                Problem::new(
                    ProblemKind::Internal,
                    "the work ended with a panic, and it is not known what it did",
                )
                .with_help("see the error output of the server for the message of the panic"),
            ),
            Err(_) => Self::failed(
                Problem::new(
                    ProblemKind::Unavailable,
                    "the server was stopped and the work did not stop in time, so it was aborted",
                )
                .with_help("check what the work has changed before you start it again"),
            ),
        }
    }

    /// Returns the outcome of work that returned an error.
    fn of_failure(error: Error, active: &ActiveOperation) -> Self {
        let is_cancelled = error.kind() == ErrorKind::Cancelled
            && !error.has_remaining_changes()
            && active.is_cancellation_requested()
            && !active.has_published()
            && !active.kind().works_in_steps();
        let status = if is_cancelled { OperationStatus::Cancelled } else { OperationStatus::Failed };
        Self::of_error(status, error)
    }

    /// Returns the outcome of an operation that was cancelled before its work started.
    pub(super) fn cancelled_in_queue() -> Self {
        let error = Error::new(ErrorKind::Cancelled, "the operation was cancelled before its work started");
        Self::of_error(OperationStatus::Cancelled, error)
    }

    /// Returns the outcome of an operation whose lease was lost by this process.
    pub(super) fn lease_lost() -> Self {
        let text = "the process that ran the operation could not renew its lease in time and stopped the work, so it \
                    is not known what the work did";
        let error = Error::new(ErrorKind::Busy, text)
            .with_help("check what the work has changed before you start it again");
        Self::of_error(OperationStatus::Interrupted, error)
    }

    /// Returns the outcome of an operation of another process whose lease has expired.
    pub(super) fn lease_expired() -> Self {
        let text = "the process that ran the operation ended or was cut off from the store of operations before it \
                    recorded an end, so it is not known what the work did";
        let error = Error::new(ErrorKind::Busy, text)
            .with_help("check what the work has changed before you start it again");
        Self::of_error(OperationStatus::Interrupted, error)
    }

    fn failed(problem: Problem) -> Self {
        Self { status: OperationStatus::Failed, result: None, error: document(&problem) }
    }

    fn of_error(status: OperationStatus, error: Error) -> Self {
        Self { status, result: None, error: document(&Problem::from(error)) }
    }
}

fn document(problem: &Problem) -> Option<serde_json::Value> {
    serde_json::to_value(problem.document()).ok()
}
