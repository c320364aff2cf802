//! The operations of a server, as its routes use them.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt as _};
use koan_backup_core::{Clock, Result};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::events::{EventKind, OperationEvent};
use super::identifier::OperationId;
use super::limits::OperationLimits;
use super::operation::{Operation, OperationStatus};
use super::process::Process;
use super::request::{NewOperation, Submitted};
use super::store::{OperationPage, OperationQuery, OperationStore};
use super::work::{WorkContext, WorkResult};
use super::{keeper, shutdown, submission, subscription, sweeper};
use crate::problem::{Problem, ProblemKind};

/// The operations of a server.
///
/// If this value is dropped without [`shutdown`](Self::shutdown), operations that have not ended continue, and their
/// ends are recorded as long as the runtime exists.
#[derive(Debug)]
pub(crate) struct Operations {
    pub(super) process: Arc<Process>,
    /// Stops the background tasks.
    _stop: DropGuard,
}

impl Operations {
    /// Opens the operations in a store, and starts the background tasks. It must be called within a Tokio runtime.
    pub(crate) fn open(
        store: Arc<dyn OperationStore>,
        limits: OperationLimits,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let process = Arc::new(Process::new(store, limits, clock));
        let stop = CancellationToken::new();
        tokio::spawn(keeper::keep(Arc::clone(&process), stop.clone()));
        tokio::spawn(sweeper::sweep(Arc::clone(&process), stop.clone()));
        Self { process, _stop: stop.drop_guard() }
    }

    /// Records an operation and adds it to the queue. `work` runs on a task that does not depend on the caller.
    ///
    /// # Cancel safety
    /// If the future is dropped, the operation may still be recorded; it then runs.
    ///
    /// # Errors
    /// The queue is full (`too-many-requests`), the server is stopping (`unavailable`), the idempotency key was used
    /// for another request (`invalid-request`), or the operation cannot be recorded; its work does not run then.
    pub(crate) async fn submit(
        &self,
        request: NewOperation,
        work: impl FnOnce(WorkContext) -> BoxFuture<'static, Result<WorkResult>> + Send + 'static,
    ) -> Result<Submitted, Problem> {
        submission::submit(Arc::clone(&self.process), request, Box::new(work)).await
    }

    /// Returns the operation of an earlier request with the same idempotency key and content.
    ///
    /// # Errors
    /// The key was used for another request (`invalid-request`), or the store cannot be read.
    pub(crate) async fn repeated(&self, request: &NewOperation) -> Result<Option<Operation>, Problem> {
        submission::find_repeated(&self.process, request).await
    }

    /// Returns an operation.
    ///
    /// # Errors
    /// It does not exist (`not-found`), or the store cannot be read.
    pub(crate) async fn get(&self, id: OperationId) -> Result<Operation, Problem> {
        let local = self.process.queue.find(id);
        match self.process.store.get(id).await {
            Ok(Some(operation)) => Ok(self.with_current_state(operation)),
            Ok(None) => Err(unknown(id)),
            Err(error) => local.map(|local| local.snapshot()).ok_or_else(|| error.into()),
        }
    }

    /// Returns a page of operations, the newest first, without their results.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) async fn list(&self, query: &OperationQuery) -> Result<OperationPage, Problem> {
        let mut page = self.process.store.list(query).await?;
        page.operations =
            page.operations.into_iter().map(|operation| self.with_current_state(operation)).collect();
        Ok(page)
    }

    /// Returns the operations that have not ended, the newest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) async fn unfinished(&self) -> Result<Vec<Operation>, Problem> {
        let mut query = OperationQuery::default().statuses(OperationStatus::UNFINISHED);
        let mut unfinished = Vec::new();
        loop {
            let page = self.list(&query).await?;
            unfinished.extend(page.operations);
            match page.next {
                Some(next) => query = query.before(next),
                None => return Ok(unfinished),
            }
        }
    }

    /// Returns whether operations can be started: the server is not stopping, and the store can be read.
    pub(crate) async fn is_ready(&self) -> bool {
        !self.process.queue.is_stopping()
            && self.process.store.list(&OperationQuery::default().limit(1)).await.is_ok()
    }

    /// Requests that an operation stops. It is cancelled once its work has stopped.
    ///
    /// # Errors
    /// The operation does not exist (`not-found`), has ended (`conflict`, with its state), or belongs to another
    /// process and the request cannot be recorded.
    pub(crate) async fn cancel(&self, id: OperationId, requested_by: &str) -> Result<Operation, Problem> {
        let cancellation = self.process.cancellation(requested_by);
        let local = self.process.queue.find(id);
        match (self.process.store.request_cancellation(id, &cancellation).await, local) {
            (Ok(None), _) => Err(unknown(id)),
            (Ok(Some(operation)), _) if operation.status.is_final() => {
                let status = operation.status.name();
                let text =
                    format!("operation {id} has ended and cannot be cancelled: its status is {status}");
                Err(Problem::new(ProblemKind::Conflict, text))
            }
            (Ok(Some(operation)), Some(local)) => {
                local.request_cancellation(operation.cancellation.unwrap_or(cancellation));
                Ok(local.snapshot())
            }
            (Ok(Some(operation)), None) => Ok(operation),
            // The work of this process can be stopped although the request is not recorded.
            (Err(error), Some(local)) => {
                let text = "a cancellation was not recorded";
                tracing::warn!(target: "koan::backup::http", operation = %id, %error, text);
                local.request_cancellation(cancellation);
                Ok(local.snapshot())
            }
            (Err(error), None) => Err(error.into()),
        }
    }

    /// Returns the events of an operation after the event with the number `last_event_id`, or from its current state
    /// on. The stream ends after the event of the end, and when the server has stopped. It is empty if the last event
    /// is that of the end.
    ///
    /// # Errors
    /// The operation does not exist (`not-found`), or the store cannot be read.
    pub(crate) async fn events(
        &self,
        id: OperationId,
        last_event_id: Option<u64>,
    ) -> Result<BoxStream<'static, OperationEvent>, Problem> {
        if self.process.queue.find(id).is_none() && self.process.store.get(id).await?.is_none() {
            return Err(unknown(id));
        }
        Ok(subscription::subscribe(Arc::clone(&self.process), id, last_event_id))
    }

    /// Waits until an operation has ended or the server stops, and returns it.
    ///
    /// # Errors
    /// The operation does not exist (`not-found`), or the store cannot be read.
    pub(crate) async fn wait(&self, id: OperationId) -> Result<Operation, Problem> {
        let mut events = self.events(id, None).await?;
        while let Some(event) = events.next().await {
            if event.kind == EventKind::End {
                return Ok(event.operation);
            }
        }
        self.get(id).await
    }

    /// Stops: refuses new operations, cancels those that have not ended, waits until their work has stopped and their
    /// ends are recorded, and then ends all streams of events.
    ///
    /// # Errors
    /// The end of an operation could not be recorded within the time limit.
    pub(crate) async fn shutdown(&self) -> Result<()> {
        shutdown::shut_down(&self.process).await
    }

    /// Returns the record with the state that only this process knows.
    fn with_current_state(&self, operation: Operation) -> Operation {
        match self.process.queue.find(operation.id) {
            Some(active) if !operation.status.is_final() => active.snapshot(),
            _ => operation,
        }
    }
}

fn unknown(id: OperationId) -> Problem {
    Problem::new(ProblemKind::NotFound, format!("there is no operation {id}"))
        .with_help("use an id from the list of operations; old operations are removed")
}
