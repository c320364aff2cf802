//! Cancellations.

use futures::FutureExt as _;
use koan_backup_core::Error;
use serde_json::json;

use super::fixture::{Fixture, Gate, backup, limits, reached, start, succeed};
use crate::operations::{Cancellation, OperationId, OperationStatus, WorkContext, WorkResult};
use crate::problem::ProblemKind;

#[tokio::test(start_paused = true)]
async fn a_running_operation_is_cancelled_only_once_its_work_has_stopped() {
    let fixture = Fixture::new();
    let operations = fixture.operations().await;
    let gate = Gate::slow_to_stop();
    let id = start(&operations, &gate).await;
    let cancelling = operations.cancel(id, "ada").await.expect("the cancellation is accepted");
    assert_eq!(cancelling.status, OperationStatus::Cancelling);
    gate.noticed_cancellation().await;
    let again = operations.cancel(id, "bob").await.expect("a second request changes nothing");
    assert_eq!(again.status, OperationStatus::Cancelling, "the work has not stopped");
    gate.allow_stop();
    let ended = operations.wait(id).await.expect("the operation ends");
    assert_eq!(ended.status, OperationStatus::Cancelled);
    let Some(Cancellation { requested_by, .. }) = ended.cancellation else {
        panic!("no request is recorded")
    };
    assert_eq!(requested_by, "ada", "the first request is recorded");
}

#[tokio::test(start_paused = true)]
async fn work_that_succeeds_after_a_cancellation_is_completed() {
    let fixture = Fixture::new();
    let operations = fixture.operations().await;
    let gate = Gate::slow_to_stop();
    let id = start(&operations, &gate).await;
    operations.cancel(id, "ada").await.expect("the cancellation is accepted");
    gate.noticed_cancellation().await;
    gate.release();
    let ended = operations.wait(id).await.expect("the operation ends");
    assert_eq!(ended.status, OperationStatus::Completed, "its backup is published");
    assert!(ended.cancellation.is_some(), "the request stays recorded");
}

#[tokio::test(start_paused = true)]
async fn a_queued_operation_is_cancelled_without_its_work() {
    let fixture = Fixture::new();
    let operations = fixture.operations_with(limits().running(1)).await;
    let (first, second) = (Gate::new(), Gate::new());
    let running = start(&operations, &first).await;
    let queued = operations.submit(backup(), second.work()).await.expect("accepted").operation.id;
    operations.cancel(queued, "ada").await.expect("the cancellation is accepted");
    let ended = operations.wait(queued).await.expect("the operation ends");
    assert_eq!(ended.status, OperationStatus::Cancelled);
    assert_eq!((second.runs(), ended.started_at), (0, None));
    first.release();
    assert_eq!(operations.wait(running).await.expect("it ends").status, OperationStatus::Completed);
    let next = operations.submit(backup(), succeed).await.expect("accepted").operation.id;
    assert_eq!(operations.wait(next).await.expect("it ends").status, OperationStatus::Completed);
}

#[tokio::test(start_paused = true)]
async fn cancelling_a_finished_operation_is_a_conflict_with_its_status() {
    let fixture = Fixture::new();
    let operations = fixture.operations().await;
    let id = operations.submit(backup(), succeed).await.expect("accepted").operation.id;
    let ended = operations.wait(id).await.expect("the operation ends");
    let problem = operations.cancel(id, "ada").await.expect_err("a finished operation");
    assert_eq!(problem.kind(), ProblemKind::Conflict);
    assert!(format!("{problem:?}").contains("completed"), "{problem:?}");
    assert_eq!(operations.get(id).await.expect("it exists"), ended, "nothing has changed");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_operation_is_not_found() {
    let fixture = Fixture::new();
    let operations = fixture.operations().await;
    let id = OperationId::new();
    assert_eq!(operations.cancel(id, "ada").await.expect_err("unknown").kind(), ProblemKind::NotFound);
    assert_eq!(operations.get(id).await.expect_err("unknown").kind(), ProblemKind::NotFound);
    assert_eq!(operations.events(id, None).await.err().expect("unknown").kind(), ProblemKind::NotFound);
    assert_eq!(operations.wait(id).await.expect_err("unknown").kind(), ProblemKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn another_process_can_cancel_an_operation() {
    let fixture = Fixture::new();
    let (owner, other) = (fixture.operations().await, fixture.operations().await);
    let gate = Gate::slow_to_stop();
    let id = start(&owner, &gate).await;
    let cancelling = other.cancel(id, "bob").await.expect("the cancellation is recorded");
    assert_eq!(cancelling.status, OperationStatus::Cancelling);
    gate.noticed_cancellation().await;
    assert_eq!(owner.get(id).await.expect("it exists").status, OperationStatus::Cancelling);
    gate.allow_stop();
    let ended = other.wait(id).await.expect("the operation ends");
    assert_eq!(ended.status, OperationStatus::Cancelled);
    assert_eq!(ended.cancellation.map(|cancellation| cancellation.requested_by).as_deref(), Some("bob"));
}

#[tokio::test(start_paused = true)]
async fn another_process_can_cancel_a_queued_operation() {
    let fixture = Fixture::new();
    let owner = fixture.operations_with(limits().running(1)).await;
    let other = fixture.operations().await;
    let (first, second) = (Gate::new(), Gate::new());
    start(&owner, &first).await;
    let queued = owner.submit(backup(), second.work()).await.expect("accepted").operation.id;
    other.cancel(queued, "bob").await.expect("the cancellation is recorded");
    let ended = reached(&other, queued, OperationStatus::Cancelled).await;
    assert_eq!((second.runs(), ended.started_at), (0, None));
    first.release();
}

#[tokio::test(start_paused = true)]
async fn work_that_reports_a_cancellation_nobody_requested_is_failed() {
    let fixture = Fixture::new();
    let operations = fixture.operations().await;
    let work = |_| async { Err::<WorkResult, _>(Error::cancelled()) }.boxed();
    let id = operations.submit(backup(), work).await.expect("accepted").operation.id;
    let ended = operations.wait(id).await.expect("the operation ends");
    assert_eq!(ended.status, OperationStatus::Failed);
}

#[tokio::test(start_paused = true)]
async fn cancelled_work_whose_changes_remain_is_failed() {
    let fixture = Fixture::new();
    let operations = fixture.operations().await;
    let work = |context: WorkContext| {
        async move {
            context.cancel_token().cancelled().await;
            Err(Error::cancelled().with_remaining_changes().context("the rollback is not confirmed"))
        }
        .boxed()
    };
    let id = operations.submit(backup(), work).await.expect("accepted").operation.id;
    reached(&operations, id, OperationStatus::Running).await;
    operations.cancel(id, "ada").await.expect("the cancellation is accepted");
    let ended = operations.wait(id).await.expect("the operation ends");
    assert_eq!(ended.status, OperationStatus::Failed);
}

#[tokio::test(start_paused = true)]
async fn work_that_fails_after_a_cancellation_is_failed() {
    let fixture = Fixture::new();
    let operations = fixture.operations().await;
    let work = |context: WorkContext| {
        async move {
            context.cancel_token().cancelled().await;
            Err(Error::new(koan_backup_core::ErrorKind::Storage, "the upload cannot be removed"))
        }
        .boxed()
    };
    let id = operations.submit(backup(), work).await.expect("accepted").operation.id;
    reached(&operations, id, OperationStatus::Running).await;
    operations.cancel(id, "ada").await.expect("the cancellation is accepted");
    let ended = operations.wait(id).await.expect("the operation ends");
    assert_eq!(ended.status, OperationStatus::Failed);
    assert_eq!(ended.error.expect("a problem")["type"], json!("urn:koan-backup:problem:storage-failed"));
}
