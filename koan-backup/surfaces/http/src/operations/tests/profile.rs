//! The store in the default storage profile. Two contexts with the same storage are two replicas.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::join_all;
use jiff::Timestamp;
use koan_backup::prelude::*;
use koan_backup_core::ErrorKind;
use serde_json::json;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::faulty_store::{Call, FaultyStore};
use super::fixture::{Gate, backup, open, reached, start, succeed};
use super::leases::interrupted;
use crate::operations::limits::HistoryLimits;
use crate::operations::operation::Owner;
use crate::operations::store::{Claim, Finished, OperationStore};
use crate::operations::{
    Cancellation, Operation, OperationId, OperationQuery, OperationStatus, Operations, ProfileOperationStore,
    SubmissionOrigin, WorkResult,
};
use crate::problem::ProblemKind;

/// A storage that several replicas use.
struct Replicas {
    state: TempDir,
    storage: Storage,
}

impl Replicas {
    fn new() -> Self {
        Self { state: tempfile::tempdir().expect("a directory"), storage: Storage::memory() }
    }

    async fn koan(&self, application: &str) -> Koan {
        let builder = Koan::builder().provider(koan_backup::Memory::new()).storage(self.storage.clone());
        let builder = builder.state_directory(self.state.path()).application(application);
        builder.build().await.expect("a context")
    }

    async fn store(&self) -> Arc<ProfileOperationStore> {
        let koan = self.koan("orrery").await;
        Arc::new(ProfileOperationStore::open(&koan).expect("the folder opens"))
    }

    async fn operations(&self) -> Operations {
        open(self.store().await)
    }
}

/// Records an operation as a process that has ended since.
async fn abandoned(store: &ProfileOperationStore, template: &Operation) -> Operation {
    let operation = Operation {
        id: OperationId::new(),
        owner: Owner { id: crate::operations::identifier::OwnerId::new(), process: 1 },
        ..template.clone()
    };
    store.create(&operation, Duration::from_secs(30), None).await.expect("the operation is recorded");
    operation
}

async fn template(operations: &Operations) -> Operation {
    let submitted = operations.submit(backup(), succeed).await.expect("accepted");
    operations.wait(submitted.operation.id).await.expect("the operation ends");
    submitted.operation
}

#[tokio::test(start_paused = true)]
async fn two_replicas_share_an_operation_from_its_start_to_its_end() {
    let replicas = Replicas::new();
    let (owner, other) = (replicas.operations().await, replicas.operations().await);
    let gate = Gate::new();
    let id = start(&owner, &gate).await;
    let running = other.get(id).await.expect("it is recorded");
    assert_eq!((running.status, running.reason.as_deref()), (OperationStatus::Running, Some("a test")));
    // The lease is renewed.
    sleep(Duration::from_secs(300)).await;
    assert_eq!(other.get(id).await.expect("it is recorded").status, OperationStatus::Running);
    gate.release();
    let ended = other.wait(id).await.expect("it ends");
    assert_eq!(
        (ended.status, ended.result.clone()),
        (OperationStatus::Completed, Some(json!({"records": 3})))
    );
    assert_eq!(owner.get(id).await.expect("it exists"), ended);
    let listed = other.list(&OperationQuery::default()).await.expect("a list");
    assert_eq!(listed.operations, [Operation { result: None, ..ended }]);
    let problem = other.cancel(id, "bob").await.expect_err("it has ended");
    assert_eq!(problem.kind(), ProblemKind::Conflict);
    let problem = other.cancel(OperationId::new(), "bob").await.expect_err("it does not exist");
    assert_eq!(problem.kind(), ProblemKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn another_replica_can_cancel_an_operation() {
    let replicas = Replicas::new();
    let (owner, other) = (replicas.operations().await, replicas.operations().await);
    let gate = Gate::slow_to_stop();
    let id = start(&owner, &gate).await;
    assert_eq!(other.cancel(id, "bob").await.expect("recorded").status, OperationStatus::Cancelling);
    gate.noticed_cancellation().await;
    assert_eq!(other.get(id).await.expect("it exists").status, OperationStatus::Cancelling);
    gate.allow_stop();
    let ended = other.wait(id).await.expect("it ends");
    assert_eq!(ended.status, OperationStatus::Cancelled);
    assert_eq!(ended.cancellation.map(|cancellation| cancellation.requested_by).as_deref(), Some("bob"));
}

#[tokio::test(start_paused = true)]
async fn an_operation_of_an_ended_replica_is_interrupted_after_its_lease_and_not_before() {
    let replicas = Replicas::new();
    let store = replicas.store().await;
    let template = template(&open(Arc::clone(&store) as Arc<dyn OperationStore>)).await;
    let operation = abandoned(&store, &template).await;
    store.start(operation.id, operation.owner.id, Timestamp::now(), 2).await.expect("the start is recorded");
    sleep(Duration::from_secs(300)).await;
    // Nobody has seen how long the lease was not renewed.
    let opened = Instant::now();
    let other = replicas.operations().await;
    reached(&other, operation.id, OperationStatus::Interrupted).await;
    assert!(opened.elapsed() >= Duration::from_secs(30), "the lease has expired");
    let ended = other.get(operation.id).await.expect("it exists");
    assert!(ended.result.is_none() && ended.error.is_some(), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn an_operation_has_one_end() {
    let replicas = Replicas::new();
    let (owner, other) = (replicas.operations().await, replicas.store().await);
    let gate = Gate::slow_to_stop();
    let id = start(&owner, &gate).await;
    let lease = other.leases().await.expect("the leases")[0];
    let recorded = other.finish(id, Claim::Expired(lease), &interrupted()).await.expect("an answer");
    assert!(matches!(recorded, Finished::Recorded(_)), "{recorded:?}");
    let again = other.finish(id, Claim::Expired(lease), &interrupted()).await.expect("an answer");
    assert!(matches!(again, Finished::Refused(_)), "{again:?}");
    gate.noticed_cancellation().await;
    gate.release();
    let ended = owner.wait(id).await.expect("it ends");
    assert_eq!((ended.status, ended.result), (OperationStatus::Interrupted, None));
}

#[tokio::test(start_paused = true)]
async fn concurrent_requests_with_one_key_start_one_operation_in_all_replicas() {
    let replicas = Replicas::new();
    let (one, two) = (replicas.operations().await, replicas.operations().await);
    let gate = Gate::new();
    let request = || backup().idempotency_key("key", b"request");
    let submissions = (0..8).map(|number| {
        let operations = if number % 2 == 0 { &one } else { &two };
        operations.submit(request(), gate.work())
    });
    let submitted: Vec<_> =
        join_all(submissions).await.into_iter().map(|submitted| submitted.expect("accepted")).collect();
    let id = submitted[0].operation.id;
    assert!(submitted.iter().all(|submitted| submitted.operation.id == id), "{submitted:?}");
    let started = submitted.iter().filter(|submitted| submitted.origin == SubmissionOrigin::Started);
    assert_eq!(started.count(), 1);
    gate.release();
    one.wait(id).await.expect("it ends");
    assert_eq!(gate.runs(), 1);
    assert_eq!(two.list(&OperationQuery::default()).await.expect("a list").operations.len(), 1);
    let repeated = two.submit(request(), succeed).await.expect("accepted");
    assert_eq!((repeated.origin, repeated.operation.id), (SubmissionOrigin::Repeated, id));
    let other = backup().idempotency_key("key", b"another request");
    assert_eq!(two.submit(other, succeed).await.expect_err("refused").kind(), ProblemKind::Invalid);
}

#[tokio::test(start_paused = true)]
async fn a_large_result_is_stored_in_parts() {
    let replicas = Replicas::new();
    let operations = replicas.operations().await;
    let result = json!({"text": "ä".repeat(1_500_000)});
    let expected = result.clone();
    let work = move |_| async move { Ok(WorkResult::completed(result)) }.boxed();
    let id = operations.submit(backup(), work).await.expect("accepted").operation.id;
    let ended = operations.wait(id).await.expect("it ends");
    assert_eq!(ended.result, Some(expected.clone()));
    let store = replicas.store().await;
    assert_eq!(store.get(id).await.expect("a read").and_then(|operation| operation.result), Some(expected));
    let none = HistoryLimits::default().max_count(0).min_count(0);
    assert_eq!(store.purge(&none, Timestamp::now()).await.expect("the removal"), 1);
    let left: Vec<_> = store.folder().list("").await.expect("a list").into_iter().map(|d| d.path).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn a_list_has_pages_and_old_operations_are_removed_with_their_keys() {
    let replicas = Replicas::new();
    let operations = replicas.operations().await;
    let mut ids = Vec::new();
    for number in 0..25 {
        let request = backup().idempotency_key(&format!("key {number}"), b"request");
        let id = operations.submit(request, succeed).await.expect("accepted").operation.id;
        operations.wait(id).await.expect("it ends");
        ids.insert(0, id);
    }
    let gate = Gate::new();
    let running = start(&operations, &gate).await;
    ids.insert(0, running);
    let (mut seen, mut query) = (Vec::new(), OperationQuery::default().limit(10));
    loop {
        let page = operations.list(&query).await.expect("a page");
        seen.extend(page.operations.iter().map(|operation| operation.id));
        let Some(next) = page.next else { break };
        query = OperationQuery::default().limit(10).before(next);
    }
    assert_eq!(seen, ids);
    let unfinished = OperationQuery::default().statuses(OperationStatus::UNFINISHED);
    let page = operations.list(&unfinished).await.expect("a page");
    assert_eq!(page.operations.iter().map(|operation| operation.id).collect::<Vec<_>>(), [running]);
    let store = replicas.store().await;
    let five = HistoryLimits::default().max_count(5).min_count(0);
    assert_eq!(store.purge(&five, Timestamp::now()).await.expect("the removal"), 20);
    let page = operations.list(&OperationQuery::default()).await.expect("a page");
    assert_eq!(page.operations.iter().map(|operation| operation.id).collect::<Vec<_>>(), ids[..6]);
    let keys = store.folder().list("keys").await.expect("a list");
    assert_eq!(keys.len(), 5, "the keys of removed operations are removed");
    let old = five.max_count(100).max_age(Duration::from_secs(1));
    let tomorrow = Timestamp::now() + jiff::SignedDuration::from_hours(24);
    assert_eq!(store.purge(&old, tomorrow).await.expect("the removal"), 5);
    gate.release();
    assert_eq!(operations.wait(running).await.expect("it ends").status, OperationStatus::Completed);
}

#[tokio::test(start_paused = true)]
async fn documents_that_remain_after_an_end_do_not_bring_the_operation_back() {
    let replicas = Replicas::new();
    let operations = replicas.operations().await;
    let id = operations.submit(backup(), succeed).await.expect("accepted").operation.id;
    let ended = operations.wait(id).await.expect("it ends");
    let store = replicas.store().await;
    // The owner was killed between the end and the removal of these documents, or wrote one late.
    let cancellation = Cancellation { requested_at: Timestamp::now(), requested_by: "bob".to_owned() };
    let document = serde_json::to_vec(&cancellation).expect("JSON");
    store.folder().put(&format!("active/{id}/cancel.json"), document).await.expect("a document");
    assert_eq!(store.get(id).await.expect("a read"), Some(ended));
    assert!(store.leases().await.expect("the leases").is_empty());
    let unfinished = OperationQuery::default().statuses(OperationStatus::UNFINISHED);
    assert!(store.list(&unfinished).await.expect("a list").operations.is_empty());
    store.purge(&HistoryLimits::default(), Timestamp::now()).await.expect("the removal");
    assert!(store.folder().list("active").await.expect("a list").is_empty());
}

#[tokio::test(start_paused = true)]
async fn another_application_has_other_operations() {
    let replicas = Replicas::new();
    let operations = replicas.operations().await;
    let id = operations.submit(backup(), succeed).await.expect("accepted").operation.id;
    operations.wait(id).await.expect("it ends");
    let other = replicas.koan("planetarium").await;
    let other = ProfileOperationStore::open(&other).expect("the folder opens");
    assert!(other.list(&OperationQuery::default()).await.expect("a list").operations.is_empty());
    assert_eq!(other.get(id).await.expect("a read"), None);
}

#[tokio::test(start_paused = true)]
async fn a_document_that_is_damaged_or_newer_is_named_without_its_content() {
    let replicas = Replicas::new();
    let store = replicas.store().await;
    let id = OperationId::new();
    let path = format!("ended/{id}.json");
    for (content, kind) in [
        (r#"{"formatVersion": 1, "operation": "secret"}"#, ErrorKind::Corrupt),
        (r#"{"formatVersion": 2}"#, ErrorKind::Incompatible),
    ] {
        store.folder().put(&path, content).await.expect("a document");
        let error = store.get(id).await.expect_err("the document is refused");
        assert_eq!(error.kind(), kind);
        assert!(error.to_string().contains(&path) && !error.chain().contains("secret"), "{error:?}");
        store.list(&OperationQuery::default()).await.expect_err("an error is no empty list");
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_that_cannot_be_recorded_is_tried_again() {
    let replicas = Replicas::new();
    let store = FaultyStore::over(replicas.store().await);
    let operations = open(Arc::clone(&store) as Arc<dyn OperationStore>);
    let gate = Gate::new();
    let id = start(&operations, &gate).await;
    store.fail(Call::Finish, 20);
    gate.release();
    assert_eq!(operations.wait(id).await.expect("it ends").status, OperationStatus::Completed);
    assert_eq!(store.failed(Call::Finish), 20);
}
