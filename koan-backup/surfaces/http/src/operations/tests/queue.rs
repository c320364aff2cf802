//! The limit of running operations and the queue.

use std::sync::{Arc, Mutex};

use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use futures::FutureExt as _;
use serde_json::json;

use super::fixture::{Fixture, Gate, backup, limits, start, succeed};
use crate::operations::{OperationStatus, SubmissionOrigin, WorkResult};
use crate::problem::ProblemKind;

#[tokio::test(start_paused = true)]
async fn only_so_many_operations_run_and_the_others_start_in_their_order() {
    let fixture = Fixture::new();
    let operations = fixture.operations_with(limits().running(2)).await;
    let gates = [Gate::new(), Gate::new()];
    for gate in &gates {
        start(&operations, gate).await;
    }
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut ids = Vec::new();
    for number in 0..10 {
        let order = Arc::clone(&order);
        let work = move |_| {
            async move {
                order.lock().expect("no panic").push(number);
                Ok(WorkResult::completed(json!(number)))
            }
            .boxed()
        };
        ids.push(operations.submit(backup(), work).await.expect("accepted").operation.id);
    }
    for id in &ids {
        let operation = operations.get(*id).await.expect("it exists");
        assert_eq!(operation.status, OperationStatus::Queued, "two operations run");
    }
    // One place becomes free, so that the others run one after the other.
    gates[0].release();
    for id in ids {
        operations.wait(id).await.expect("the operation ends");
    }
    assert_eq!(*order.lock().expect("no panic"), (0..10).collect::<Vec<_>>());
    gates[1].release();
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_is_refused_with_a_time() {
    let fixture = Fixture::new();
    let operations = fixture.operations_with(limits().running(1).queued(1)).await;
    let gate = Gate::new();
    let running = start(&operations, &gate).await;
    let key = || backup().idempotency_key("key", b"request");
    let queued = operations.submit(key(), succeed).await.expect("the queue has a place").operation.id;
    let problem = operations.submit(backup(), succeed).await.expect_err("the queue is full");
    assert_eq!(problem.kind(), ProblemKind::TooManyRequests);
    let response = problem.into_response();
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(response.headers()[header::RETRY_AFTER], "5");

    let repeated = operations.submit(key(), succeed).await.expect("a repeated request needs no place");
    assert_eq!((repeated.origin, repeated.operation.id), (SubmissionOrigin::Repeated, queued));
    let listed = operations.list(&super::super::OperationQuery::default()).await.expect("a list");
    assert_eq!(listed.operations.len(), 2, "a refused operation is not recorded");

    gate.release();
    operations.wait(running).await.expect("the operation ends");
    operations.wait(queued).await.expect("the operation ends");
    operations.submit(backup(), succeed).await.expect("the queue has a place again");
}
