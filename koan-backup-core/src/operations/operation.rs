//! The run of an operation: within its limit of time, in its span, and with its end in the log.

use std::time::Duration;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span};

use crate::environment::Environment;
use crate::environment::event::Listener;
use crate::foundation::cancellation::TimeLimit;
use crate::foundation::error::{Error, Result};

/// The end of an operation, as it is logged.
pub(crate) enum Ended<'a, T> {
    Completed(&'a T),
    Failed(&'a Error),
}

/// An operation that is run: what surrounds its work.
#[derive(Debug)]
pub(crate) struct Operation<'e> {
    environment: &'e Environment,
    limit: TimeLimit,
    span: Span,
}

impl<'e> Operation<'e> {
    /// An operation that stops when `cancel` is cancelled, or when it takes longer than `timeout`.
    pub(crate) fn new(
        environment: &'e Environment,
        span: Span,
        cancel: &CancellationToken,
        timeout: Option<Duration>,
    ) -> Self {
        Self { environment, limit: TimeLimit::new(cancel, timeout), span }
    }

    /// Is cancelled when the operation is, and when its time is over: the work observes it.
    pub(crate) fn cancel(&self) -> CancellationToken {
        self.limit.token()
    }

    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// Whoever listens to this operation: the listener that was set, or that of the application, and the log.
    pub(crate) fn listener(&self, listener: &Listener) -> Listener {
        self.environment.operation_listener(listener, &self.span)
    }

    /// The error of work that was cancelled because its time is over names the limit.
    pub(crate) fn explain(&self, error: Error) -> Error {
        self.limit.explain(error)
    }

    /// Whether the application wants operations to be logged.
    pub(crate) fn is_logged(&self) -> bool {
        self.environment.logs_operations()
    }

    /// Does the work in the span of the operation, and logs its end unless the application has turned that off. The work logs its own
    /// beginning, as soon as it knows what it works on. It is boxed, because a future that is passed on by value takes the stack of
    /// each function that it passes through.
    pub(crate) async fn run<T>(
        &self,
        work: BoxFuture<'_, Result<T>>,
        log: impl Fn(Ended<'_, T>),
    ) -> Result<T> {
        let logged = async {
            let ended = self.limit.run(work).await;
            if self.is_logged() {
                log(match &ended {
                    Ok(report) => Ended::Completed(report),
                    Err(error) => Ended::Failed(error),
                });
            }
            ended
        };
        logged.instrument(self.span.clone()).await
    }
}
