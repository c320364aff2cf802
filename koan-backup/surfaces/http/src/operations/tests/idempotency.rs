//! Repeated requests.

use futures::future::join_all;

use super::fixture::{Fixture, Gate, backup, succeed};
use crate::operations::{
    Initiator, NewOperation, OperationKind, OperationQuery, OperationStatus, SubmissionOrigin, Submitted,
};
use crate::problem::ProblemKind;

#[tokio::test(start_paused = true)]
async fn a_repeated_request_returns_the_same_operation_also_after_a_restart() {
    let fixture = Fixture::new();
    let operations = fixture.operations().await;
    let request = || backup().idempotency_key("key-1", b"POST /api/backup/all {}");
    let first = operations.submit(request(), succeed).await.expect("accepted");
    let ended = operations.wait(first.operation.id).await.expect("the operation ends");
    drop(operations);
    let operations = fixture.operations().await;
    let gate = Gate::new();
    let second = operations.submit(request(), gate.work()).await.expect("accepted");
    assert_eq!(second.origin, SubmissionOrigin::Repeated);
    assert_eq!(second.operation, ended);
    assert_eq!(gate.runs(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_another_request_used_is_refused() {
    let fixture = Fixture::new();
    let operations = fixture.operations().await;
    let first = backup().idempotency_key("key-1", b"POST /api/backup/all {}");
    let first = operations.submit(first, succeed).await.expect("accepted").operation;
    let other = backup().idempotency_key("key-1", b"POST /api/backup/selective {}");
    let problem = operations.submit(other, succeed).await.expect_err("another request");
    assert_eq!(problem.kind(), ProblemKind::Invalid);
    assert!(format!("{problem:?}").contains(&first.id.to_string()), "{problem:?}");
    assert!(!format!("{problem:?}").contains("key-1"), "the key may be a secret: {problem:?}");
}

#[tokio::test(start_paused = true)]
async fn the_keys_of_two_principals_are_separate() {
    let fixture = Fixture::new();
    let operations = fixture.operations().await;
    let request = |name: &str, key: &str| {
        let initiator = Initiator { name: name.to_owned(), role: "operator".to_owned() };
        NewOperation::new(OperationKind::Backup, initiator).idempotency_key(key, b"request")
    };
    for (name, key) in [("ada", "key"), ("bob", "key"), ("ad", "akey")] {
        let submitted = operations.submit(request(name, key), succeed).await.expect("accepted");
        assert_eq!(submitted.origin, SubmissionOrigin::Started, "{name} {key}");
    }
}

#[tokio::test]
async fn concurrent_requests_with_one_key_start_one_operation_also_in_two_processes() {
    let fixture = Fixture::new();
    let (one, two) = (fixture.operations().await, fixture.operations().await);
    let gate = Gate::new();
    let submissions = (0..16).map(|number| {
        let operations = if number % 2 == 0 { &one } else { &two };
        operations.submit(backup().idempotency_key("key", b"request"), gate.work())
    });
    let submitted: Vec<Submitted> =
        join_all(submissions).await.into_iter().map(|submitted| submitted.expect("accepted")).collect();
    let id = submitted[0].operation.id;
    assert!(submitted.iter().all(|submitted| submitted.operation.id == id), "{submitted:?}");
    let started = submitted.iter().filter(|submitted| submitted.origin == SubmissionOrigin::Started);
    assert_eq!(started.count(), 1);
    gate.release();
    let ended = one.wait(id).await.expect("the operation ends");
    assert_eq!(ended.status, OperationStatus::Completed);
    assert_eq!(gate.runs(), 1);
    assert_eq!(two.list(&OperationQuery::default()).await.expect("a list").operations.len(), 1);
}
