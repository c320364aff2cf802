//! Runs an operation with its time limit, in its tracing span, and logs its end.

use std::time::Duration;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span};

use crate::environment::Environment;
use crate::environment::event::Listener;
use crate::foundation::cancellation::TimeLimit;
use crate::foundation::error::{Error, Result};

/// The result of an operation, for the log.
pub(crate) enum OperationResult<'a, T> {
    Completed(&'a T),
    Failed(&'a Error),
}

/// The time limit, the tracing span and the environment of a running operation.
#[derive(Debug)]
pub(crate) struct Operation<'e> {
    environment: &'e Environment,
    limit: TimeLimit,
    span: Span,
}

impl<'e> Operation<'e> {
    /// Creates an operation that stops when `cancel` is cancelled, or when it takes longer than `timeout`.
    pub(crate) fn new(
        environment: &'e Environment,
        span: Span,
        cancel: &CancellationToken,
        timeout: Option<Duration>,
    ) -> Self {
        Self { environment, limit: TimeLimit::new(cancel, timeout), span }
    }

    /// Returns the token that the work must observe. It is cancelled when the operation is cancelled or its
    /// time is over.
    pub(crate) fn cancel(&self) -> CancellationToken {
        self.limit.token()
    }

    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// Returns the listener of this operation, combined with the log. It is `listener` if one was set,
    /// otherwise the listener of the application.
    pub(crate) fn listener(&self, listener: &Listener) -> Listener {
        self.environment.operation_listener(listener, &self.span)
    }

    /// Returns the error to report. If the work was cancelled because its time was over, the error contains
    /// the limit.
    pub(crate) fn explain(&self, error: Error) -> Error {
        self.limit.explain(error)
    }

    /// Returns whether operations are logged.
    pub(crate) fn is_logged(&self) -> bool {
        self.environment.logs_operations()
    }

    /// Runs the work in the span of the operation, and logs its end if operations are logged. The work logs
    /// its own start. The future is boxed, because a future that is passed by value needs stack in each
    /// function that it passes through.
    pub(crate) async fn run<T>(
        &self,
        work: BoxFuture<'_, Result<T>>,
        log: impl Fn(OperationResult<'_, T>),
    ) -> Result<T> {
        let logged = async {
            let result = self.limit.run(work).await;
            if self.is_logged() {
                log(match &result {
                    Ok(report) => OperationResult::Completed(report),
                    Err(error) => OperationResult::Failed(error),
                });
            }
            result
        };
        logged.instrument(self.span.clone()).await
    }
}
