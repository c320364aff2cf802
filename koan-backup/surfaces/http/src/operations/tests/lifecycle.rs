//! An operation from its start to its end.

use futures::FutureExt as _;
use koan_backup_core::{Error, ErrorKind};
use serde_json::json;

use super::fixture::{Fixture, Gate, ada, backup, start, succeed};
use crate::operations::{OperationKind, OperationStatus, SubmissionOrigin, WorkContext, WorkResult};

#[tokio::test(start_paused = true)]
async fn an_operation_is_recorded_before_its_work_runs_and_its_end_survives_the_process() {
    let fixture = Fixture::new();
    let operations = fixture.operations().await;
    let gate = Gate::new();
    let submitted = operations.submit(backup(), gate.work()).await.expect("the operation is accepted");
    assert_eq!(submitted.origin, SubmissionOrigin::Started);
    assert_eq!(submitted.operation.status, OperationStatus::Queued);
    let id = submitted.operation.id;
    gate.started().await;

    // Another process sees it.
    let other = fixture.operations().await;
    let running = other.get(id).await.expect("the operation is recorded");
    assert_eq!(running.status, OperationStatus::Running);
    assert!(running.started_at.is_some() && running.completed_at.is_none(), "{running:?}");
    assert_eq!((running.kind, &running.started_by), (OperationKind::Backup, &ada()));
    assert_eq!(running.backup_name.as_deref(), Some("nightly"));
    assert_eq!(running.reason.as_deref(), Some("a test"));

    gate.release();
    let ended = operations.wait(id).await.expect("the operation ends");
    assert_eq!(ended.status, OperationStatus::Completed);
    assert_eq!(ended.result, Some(json!({"records": 3})));
    drop((operations, other));
    let stored = fixture.operations().await.get(id).await.expect("the operation is recorded");
    assert_eq!(stored, ended, "the record is the same after a restart");
}

#[tokio::test(start_paused = true)]
async fn work_with_warnings_is_completed_with_warnings() {
    let operations = Fixture::new();
    let operations = operations.operations().await;
    let work = |context: WorkContext| {
        async move {
            let result = json!({"warnings": ["one"], "operation": context.id()});
            Ok(WorkResult::completed_with_warnings(result))
        }
        .boxed()
    };
    let request = backup().providers(["main".to_owned()]);
    let id = operations.submit(request, work).await.expect("the operation is accepted").operation.id;
    let ended = operations.wait(id).await.expect("the operation ends");
    assert_eq!(ended.status, OperationStatus::CompletedWithWarnings);
    assert_eq!(ended.result, Some(json!({"warnings": ["one"], "operation": id})));
    assert_eq!(ended.providers, ["main"]);
}

#[tokio::test(start_paused = true)]
async fn work_that_fails_after_it_did_something_keeps_its_result() {
    let fixture = Fixture::new();
    let operations = fixture.operations().await;
    let work =
        |_| async { Ok(WorkResult::completed(json!({"made": 2})).into_failed(Error::cancelled())) }.boxed();
    let id = operations.submit(backup(), work).await.expect("the operation is accepted").operation.id;
    let ended = operations.wait(id).await.expect("the operation ends");
    assert_eq!((ended.status, ended.result.clone()), (OperationStatus::Failed, Some(json!({"made": 2}))));
    assert!(ended.error_message().is_some(), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn work_that_fails_is_failed_with_its_problem() {
    let fixture = Fixture::new();
    let operations = fixture.operations().await;
    let work = |_| {
        async { Err(Error::new(ErrorKind::Storage, "profile `far` is full").with_help("free space")) }.boxed()
    };
    let id = operations.submit(backup(), work).await.expect("the operation is accepted").operation.id;
    let ended = operations.wait(id).await.expect("the operation ends");
    assert_eq!(ended.status, OperationStatus::Failed);
    assert_eq!(ended.error_message(), Some("profile `far` is full"));
    let error = ended.error.expect("the operation has a problem");
    assert_eq!(error["type"], "urn:koan-backup:problem:storage-failed");
    assert_eq!(error["help"], "free space");
    assert_eq!(ended.result, None);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_without_the_text_of_the_panic() {
    let fixture = Fixture::new();
    let operations = fixture.operations_with(super::fixture::limits().running(1)).await;
    let early = operations.submit(backup(), |_| panic!("secret of row 7")).await.expect("accepted");
    let late = |_| async { panic!("secret of row 7") }.boxed();
    let late = operations.submit(backup(), late).await.expect("accepted");
    for id in [early.operation.id, late.operation.id] {
        let ended = operations.wait(id).await.expect("the operation ends");
        assert_eq!(ended.status, OperationStatus::Failed);
        let message = ended.error_message().expect("the operation has a message");
        assert!(message.contains("panic"), "{message}");
        assert!(!format!("{ended:?}").contains("row 7"), "a panic may contain a record: {ended:?}");
    }
    let next = operations.submit(backup(), succeed).await.expect("accepted").operation.id;
    let ended = operations.wait(next).await.expect("the operation ends");
    assert_eq!(ended.status, OperationStatus::Completed, "a panic does not occupy a place");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_dropped_changes_nothing() {
    let fixture = Fixture::new();
    let operations = fixture.operations().await;
    let gate = Gate::new();
    {
        let submission = operations.submit(backup(), gate.work());
        // The request is polled once and dropped, as that of a client which disconnects.
        assert!(submission.now_or_never().is_none(), "recording an operation takes time");
    }
    gate.started().await;
    gate.release();
    let operations_page = operations.list(&super::super::OperationQuery::default()).await.expect("a list");
    let id = operations_page.operations[0].id;
    let ended = operations.wait(id).await.expect("the operation ends");
    assert_eq!(ended.status, OperationStatus::Completed);
}

#[tokio::test(start_paused = true)]
async fn an_operation_continues_if_the_operations_are_dropped() {
    let fixture = Fixture::new();
    let operations = fixture.operations().await;
    let gate = Gate::new();
    let id = start(&operations, &gate).await;
    drop(operations);
    gate.release();
    let other = fixture.operations().await;
    let ended = other.wait(id).await.expect("the operation ends");
    assert_eq!(ended.status, OperationStatus::Completed);
}
