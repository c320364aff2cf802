//! Leases: an operation is interrupted only when its process no longer renews its lease. The time is paused, so that it
//! advances only while all tasks wait.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use tokio::time::{Instant, sleep};

use super::faulty_store::{Call, FaultyStore};
use super::fixture::{Fixture, Gate, backup, limits, open, reached, start};
use crate::operations::identifier::OwnerId;
use crate::operations::operation::Owner;
use crate::operations::outcome::Outcome;
use crate::operations::store::{Claim, Finished, OperationEnd, OperationStore, Renewal};
use crate::operations::{EventKind, Operation, OperationStatus, Operations, SqliteOperationStore};

const LEASE_TIME: Duration = Duration::from_secs(30);

/// Records an operation as a process that has ended since.
pub(super) async fn abandoned(store: &SqliteOperationStore, template: &Operation) -> Operation {
    let operation = Operation {
        id: crate::operations::OperationId::new(),
        owner: Owner { id: OwnerId::new(), process: 1 },
        status: OperationStatus::Queued,
        ..template.clone()
    };
    store.create(&operation, LEASE_TIME, None).await.expect("the operation is recorded");
    operation
}

/// Returns the record of an operation that has just been queued.
pub(super) async fn template(operations: &Operations) -> Operation {
    let submitted = operations.submit(backup(), super::fixture::succeed).await.expect("accepted");
    operations.wait(submitted.operation.id).await.expect("the operation ends");
    submitted.operation
}

pub(super) fn interrupted() -> OperationEnd {
    let outcome = Outcome::lease_expired();
    OperationEnd {
        status: outcome.status,
        completed_at: jiff::Timestamp::now(),
        error: outcome.error,
        result: None,
        progress: None,
        cancellation: None,
        sequence: None,
    }
}

#[tokio::test(start_paused = true)]
async fn another_process_never_interrupts_an_operation_whose_process_lives() {
    let fixture = Fixture::new();
    let (owner, other) = (fixture.operations().await, fixture.operations().await);
    let gate = Gate::new();
    let running = start(&owner, &gate).await;
    for _ in 0..10 {
        // A process that has just started must not interrupt it either.
        let started = fixture.operations().await;
        sleep(LEASE_TIME).await;
        for operations in [&owner, &other, &started] {
            let operation = operations.get(running).await.expect("it exists");
            assert_eq!(operation.status, OperationStatus::Running);
        }
    }
    gate.release();
    assert_eq!(other.wait(running).await.expect("it ends").status, OperationStatus::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_queued_operation_keeps_its_lease_while_it_waits() {
    let fixture = Fixture::new();
    let owner = fixture.operations_with(limits().running(1)).await;
    let other = fixture.operations().await;
    let (first, second) = (Gate::new(), Gate::new());
    start(&owner, &first).await;
    let queued = owner.submit(backup(), second.work()).await.expect("accepted").operation.id;
    sleep(LEASE_TIME * 10).await;
    assert_eq!(other.get(queued).await.expect("it exists").status, OperationStatus::Queued);
    first.release();
    second.release();
    assert_eq!(other.wait(queued).await.expect("it ends").status, OperationStatus::Completed);
}

#[tokio::test(start_paused = true)]
async fn an_operation_of_an_ended_process_is_interrupted_after_its_lease_and_not_before() {
    let fixture = Fixture::new();
    let store = fixture.store().await;
    let template = template(&open(Arc::clone(&store) as Arc<dyn OperationStore>)).await;
    let queued = abandoned(&store, &template).await;
    let running = abandoned(&store, &template).await;
    let at = jiff::Timestamp::now();
    store.start(running.id, running.owner.id, at, 2).await.expect("the start is recorded");
    let cancelling = abandoned(&store, &template).await;
    let cancellation = crate::operations::Cancellation { requested_at: at, requested_by: "ada".to_owned() };
    store.request_cancellation(cancelling.id, &cancellation).await.expect("the request is recorded");

    // The lease began long ago by the clock, but nobody has seen how long it was not renewed.
    sleep(LEASE_TIME * 10).await;
    let opened = Instant::now();
    let operations = fixture.operations().await;
    for (operation, status) in [
        (&queued, OperationStatus::Queued),
        (&running, OperationStatus::Running),
        (&cancelling, OperationStatus::Cancelling),
    ] {
        let found = operations.get(operation.id).await.expect("it exists").status;
        assert_eq!(found, status, "another process that starts changes nothing");
    }
    for operation in [&queued, &running, &cancelling] {
        let ended = reached(&operations, operation.id, OperationStatus::Interrupted).await;
        assert!(opened.elapsed() >= LEASE_TIME, "the lease has expired");
        let message = ended.error_message().expect("the operation has a message");
        assert!(message.contains("not known"), "{message}");
        assert!(ended.result.is_none() && ended.completed_at.is_some(), "{ended:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_renewed_meanwhile_cannot_be_expired() {
    let fixture = Fixture::new();
    let store = fixture.store().await;
    let template = template(&open(Arc::clone(&store) as Arc<dyn OperationStore>)).await;
    let operation = abandoned(&store, &template).await;
    let lease = store.leases().await.expect("the leases")[0];
    let renewal = Renewal { id: operation.id, sequence: 2, progress: None };
    store.renew(operation.owner.id, vec![renewal]).await.expect("the renewal");
    let refused = store.finish(operation.id, Claim::Expired(lease), &interrupted()).await.expect("an answer");
    assert!(matches!(refused, Finished::Refused(_)), "{refused:?}");
    let lease = store.leases().await.expect("the leases")[0];
    let recorded =
        store.finish(operation.id, Claim::Expired(lease), &interrupted()).await.expect("an answer");
    assert!(matches!(recorded, Finished::Recorded(_)), "{recorded:?}");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_cannot_renew_its_lease_stops_its_work_and_reports_no_success() {
    let fixture = Fixture::new();
    let store = FaultyStore::over(fixture.store().await);
    let operations = open(Arc::clone(&store) as Arc<dyn OperationStore>);
    let gate = Gate::slow_to_stop();
    let id = start(&operations, &gate).await;
    store.fail(Call::Renew, usize::MAX);
    gate.noticed_cancellation().await;
    assert!(store.failed(Call::Renew) > 1, "the renewal was tried again");
    // The work succeeds all the same.
    gate.release();
    let ended = operations.wait(id).await.expect("the operation ends");
    assert_eq!(ended.status, OperationStatus::Interrupted);
    assert_eq!(ended.result, None);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_for_a_shorter_time_than_the_lease_changes_nothing() {
    let fixture = Fixture::new();
    let store = FaultyStore::over(fixture.store().await);
    let operations = open(Arc::clone(&store) as Arc<dyn OperationStore>);
    let gate = Gate::new();
    let id = start(&operations, &gate).await;
    for _ in 0..5 {
        store.fail(Call::Renew, usize::MAX);
        sleep(LEASE_TIME / 2).await;
        store.repair();
        sleep(LEASE_TIME / 2).await;
    }
    gate.release();
    assert_eq!(operations.wait(id).await.expect("it ends").status, OperationStatus::Completed);
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_another_process_interrupted_stops_and_stays_interrupted() {
    let fixture = Fixture::new();
    let (operations, store) = (fixture.operations().await, fixture.store().await);
    let gate = Gate::slow_to_stop();
    let id = start(&operations, &gate).await;
    let mut events = operations.events(id, None).await.expect("the events");
    let finished = loop {
        // The owner may renew the lease between the two calls.
        let lease = store.leases().await.expect("the leases")[0];
        let finished = store.finish(id, Claim::Expired(lease), &interrupted()).await.expect("an answer");
        if let Finished::Recorded(operation) = finished {
            break operation;
        }
    };
    gate.noticed_cancellation().await;
    gate.release();
    let end = loop {
        let event = events.next().await.expect("the events end with the end");
        if event.kind == EventKind::End {
            break event;
        }
    };
    assert_eq!(end.operation.status, OperationStatus::Interrupted, "the subscriber gets the recorded end");
    let ended = operations.wait(id).await.expect("the operation ends");
    assert_eq!((ended.status, ended.result), (OperationStatus::Interrupted, None));
    assert_eq!(ended.completed_at, finished.completed_at);
}

#[tokio::test(start_paused = true)]
async fn an_operation_whose_record_got_lost_to_its_process_is_interrupted_at_last() {
    let fixture = Fixture::new();
    let store = FaultyStore::over(fixture.store().await);
    let operations = open(Arc::clone(&store) as Arc<dyn OperationStore>);
    let gate = Gate::new();
    store.fail(Call::CreateAnswer, 1);
    operations.submit(backup(), gate.work()).await.expect_err("the answer of the store is lost");
    let listed = operations.list(&super::super::OperationQuery::default()).await.expect("a list");
    let id = listed.operations[0].id;
    reached(&operations, id, OperationStatus::Interrupted).await;
    assert_eq!(gate.runs(), 0, "an operation that may not be recorded is not started");
}

#[tokio::test(start_paused = true)]
async fn an_expired_lease_stays_lost_when_the_store_works_again() {
    let fixture = Fixture::new();
    let store = FaultyStore::over(fixture.store().await);
    let operations = open(Arc::clone(&store) as Arc<dyn OperationStore>);
    let gate = Gate::slow_to_stop();
    let id = start(&operations, &gate).await;
    store.fail(Call::Renew, usize::MAX);
    gate.noticed_cancellation().await;
    store.repair();
    sleep(LEASE_TIME).await;
    // The work stops without a request to cancel it.
    gate.allow_stop();
    assert_eq!(operations.wait(id).await.expect("it ends").status, OperationStatus::Interrupted);
}

#[tokio::test(start_paused = true)]
async fn an_operation_whose_record_was_removed_stops() {
    let fixture = Fixture::new();
    let (operations, store) = (fixture.operations().await, fixture.store().await);
    let gate = Gate::new();
    let id = start(&operations, &gate).await;
    let events = operations.events(id, None).await.expect("the events");
    store.execute("DELETE FROM operations").await.expect("the removal");
    gate.noticed_cancellation().await;
    let received: Vec<_> = events.collect().await;
    assert!(received.iter().all(|event| event.kind != EventKind::End), "there is no end: {received:?}");
    let problem = operations.get(id).await.expect_err("it does not exist");
    assert_eq!(problem.kind(), crate::problem::ProblemKind::NotFound);
    operations.shutdown().await.expect("nothing runs");
}
