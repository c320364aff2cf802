//! The shutdown.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::join_all;
use koan_backup_core::SystemClock;

use super::faulty_store::{Call, FaultyStore};
use super::fixture::{Fixture, Gate, backup, limits, reached, start, succeed};
use crate::operations::store::OperationStore;
use crate::operations::{Cancellation, OperationQuery, OperationStatus, Operations, WorkContext, WorkResult};
use crate::problem::ProblemKind;

#[tokio::test(start_paused = true)]
async fn a_shutdown_cancels_what_runs_and_waits_until_it_has_stopped_and_is_recorded() {
    let fixture = Fixture::new();
    let operations = Arc::new(fixture.operations_with(limits().running(1)).await);
    let (gate, waiting) = (Gate::slow_to_stop(), Gate::new());
    let running = start(&operations, &gate).await;
    let queued = operations.submit(backup(), waiting.work()).await.expect("accepted").operation.id;
    let stopping = tokio::spawn({
        let operations = Arc::clone(&operations);
        async move { operations.shutdown().await }
    });
    gate.noticed_cancellation().await;
    let problem = operations.submit(backup(), succeed).await.expect_err("the server stops");
    assert_eq!(problem.kind(), ProblemKind::Unavailable);
    assert!(!stopping.is_finished(), "the work has not stopped");
    assert_eq!(operations.get(running).await.expect("it exists").status, OperationStatus::Cancelling);
    gate.allow_stop();
    stopping.await.expect("no panic").expect("all ends are recorded");
    let store = fixture.store().await;
    for id in [running, queued] {
        let ended = store.get(id).await.expect("a read").expect("it exists");
        assert_eq!(ended.status, OperationStatus::Cancelled);
        let requested_by = ended.cancellation.map(|cancellation| cancellation.requested_by);
        assert_eq!(requested_by.as_deref(), Some(Cancellation::SHUTDOWN));
    }
    assert_eq!(waiting.runs(), 0);
    operations.shutdown().await.expect("a second shutdown has nothing to do");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_is_submitted_during_a_shutdown_is_refused_or_ends() {
    for _ in 0..5 {
        let fixture = Fixture::new();
        let operations = Arc::new(fixture.operations_with(limits().running(2)).await);
        let submissions = join_all((0..30).map(|_| {
            let operations = Arc::clone(&operations);
            tokio::spawn(async move { operations.submit(backup(), Gate::new().work()).await })
        }));
        let stopping = tokio::spawn({
            let operations = Arc::clone(&operations);
            async move { operations.shutdown().await }
        });
        stopping.await.expect("no panic").expect("all ends are recorded");
        let unfinished = OperationQuery::default().statuses(OperationStatus::UNFINISHED);
        let store = fixture.store().await;
        let page = store.list(&unfinished).await.expect("a list");
        assert!(page.operations.is_empty(), "{:?}", page.operations);
        for submitted in submissions.await {
            match submitted.expect("no panic") {
                Ok(submitted) => {
                    let id = submitted.operation.id;
                    let ended = store.get(id).await.expect("a read").expect("it exists");
                    assert_eq!(ended.status, OperationStatus::Cancelled);
                }
                Err(problem) => assert_eq!(problem.kind(), ProblemKind::Unavailable),
            }
        }
        let page = store.list(&unfinished).await.expect("a list");
        assert!(page.operations.is_empty(), "nothing is recorded after the shutdown: {:?}", page.operations);
    }
}

#[tokio::test(start_paused = true)]
async fn work_that_does_not_stop_is_aborted_and_not_reported_as_cancelled() {
    let fixture = Fixture::new();
    let operations = fixture.operations_with(limits().shutdown_time(Duration::from_secs(2))).await;
    let work = |_: WorkContext| {
        async {
            std::future::pending::<()>().await;
            Ok(WorkResult::completed(serde_json::Value::Null))
        }
        .boxed()
    };
    let id = operations.submit(backup(), work).await.expect("accepted").operation.id;
    reached(&operations, id, OperationStatus::Running).await;
    operations.shutdown().await.expect("the end is recorded");
    let ended = operations.get(id).await.expect("it exists");
    assert_eq!(ended.status, OperationStatus::Failed);
    assert!(ended.error_message().is_some_and(|message| message.contains("aborted")), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_names_the_operations_whose_end_it_cannot_record() {
    let fixture = Fixture::new();
    let store = FaultyStore::over(fixture.store().await);
    let shared = Arc::clone(&store) as Arc<dyn OperationStore>;
    let limits = limits().shutdown_time(Duration::from_secs(2));
    let operations = Operations::open(shared, limits, Arc::new(SystemClock));
    let gate = Gate::new();
    let id = start(&operations, &gate).await;
    store.fail(Call::Finish, usize::MAX);
    let error = operations.shutdown().await.expect_err("the end cannot be recorded");
    assert!(error.to_string().contains(&id.to_string()), "{error}");
    drop(operations);
    let other = fixture.operations().await;
    let found = other.get(id).await.expect("it exists").status;
    assert!(!found.is_final(), "nothing claims that the operation has ended");
    reached(&other, id, OperationStatus::Interrupted).await;
}
