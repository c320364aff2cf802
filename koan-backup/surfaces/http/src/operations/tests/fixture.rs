//! What the tests of operations share.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use koan_backup_core::{Error, Result, SystemClock};
use serde_json::json;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::operations::{
    Initiator, NewOperation, Operation, OperationId, OperationKind, OperationLimits, OperationStatus,
    OperationStore, Operations, SqliteOperationStore, WorkContext, WorkResult,
};

/// A state directory.
pub(super) struct Fixture {
    folder: TempDir,
}

impl Fixture {
    pub(super) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary directory") }
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Opens the file of operations with separate connections, as another process does.
    pub(super) async fn store(&self) -> Arc<SqliteOperationStore> {
        Arc::new(SqliteOperationStore::open(self.path()).await.expect("the file of operations opens"))
    }

    /// Opens the operations with separate connections, as another process does.
    pub(super) async fn operations(&self) -> Operations {
        self.operations_with(limits()).await
    }

    pub(super) async fn operations_with(&self, limits: OperationLimits) -> Operations {
        Operations::open(self.store().await, limits, Arc::new(SystemClock))
    }
}

/// Opens the operations in a store.
pub(super) fn open(store: Arc<dyn OperationStore>) -> Operations {
    Operations::open(store, limits(), Arc::new(SystemClock))
}

/// Returns limits with short intervals. The time of most tests is paused, so that no lease expires while a task waits
/// for the disk.
pub(super) fn limits() -> OperationLimits {
    OperationLimits::default().interval(Duration::from_millis(20))
}

pub(super) fn ada() -> Initiator {
    Initiator { name: "ada".to_owned(), role: "operator".to_owned() }
}

pub(super) fn backup() -> NewOperation {
    NewOperation::new(OperationKind::Backup, ada()).backup_name("nightly").reason("a test")
}

/// Returns work that succeeds at once.
pub(super) fn succeed(_: WorkContext) -> BoxFuture<'static, Result<WorkResult>> {
    async { Ok(WorkResult::completed(json!({"records": 3}))) }.boxed()
}

/// Work that waits until it may end, and observes whether it ran.
#[derive(Clone, Default)]
pub(super) struct Gate {
    runs: Arc<AtomicUsize>,
    started: CancellationToken,
    release: CancellationToken,
    cancelled: CancellationToken,
    /// Cancelled work waits for this before it stops.
    stop: CancellationToken,
}

impl Gate {
    pub(super) fn new() -> Self {
        let gate = Self::default();
        gate.stop.cancel();
        gate
    }

    /// Returns a gate whose work does not stop on a cancellation before [`allow_stop`](Self::allow_stop).
    pub(super) fn slow_to_stop() -> Self {
        Self::default()
    }

    pub(super) fn allow_stop(&self) {
        self.stop.cancel();
    }

    pub(super) fn release(&self) {
        self.release.cancel();
    }

    pub(super) async fn started(&self) {
        self.started.cancelled().await;
    }

    /// Waits until the work has noticed its cancellation.
    pub(super) async fn noticed_cancellation(&self) {
        self.cancelled.cancelled().await;
    }

    pub(super) fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }

    pub(super) fn work(
        &self,
    ) -> impl FnOnce(WorkContext) -> BoxFuture<'static, Result<WorkResult>> + Send + 'static {
        let gate = self.clone();
        move |context| {
            async move {
                gate.runs.fetch_add(1, Ordering::SeqCst);
                gate.started.cancel();
                let stop = context.cancel_token();
                tokio::select! {
                    biased;
                    () = gate.release.cancelled() => Ok(WorkResult::completed(json!({"records": 3}))),
                    () = stop.cancelled() => {
                        gate.cancelled.cancel();
                        tokio::select! {
                            () = gate.stop.cancelled() => Err(Error::cancelled()),
                            () = gate.release.cancelled() => Ok(WorkResult::completed(json!({"records": 3}))),
                        }
                    }
                }
            }
            .boxed()
        }
    }
}

/// Starts an operation and waits until its work runs.
pub(super) async fn start(operations: &Operations, gate: &Gate) -> OperationId {
    let submitted = operations.submit(backup(), gate.work()).await.expect("the operation is accepted");
    gate.started().await;
    submitted.operation.id
}

/// Waits until an operation has a state, as this process sees it.
pub(super) async fn reached(operations: &Operations, id: OperationId, status: OperationStatus) -> Operation {
    loop {
        let operation = operations.get(id).await.expect("the operation exists");
        if operation.status == status {
            return operation;
        }
        assert!(!operation.status.is_final(), "the operation is {:?} and not {status:?}", operation.status);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
