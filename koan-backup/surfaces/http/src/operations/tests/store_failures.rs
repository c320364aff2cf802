//! A store that fails while operations run.

use std::sync::Arc;

use futures::FutureExt as _;
use koan_backup_core::{Event, SetName};
use serde_json::json;
use tokio::sync::mpsc;

use super::faulty_store::{Call, FaultyStore};
use super::fixture::{Fixture, Gate, backup, limits, open, start, succeed};
use crate::operations::store::OperationStore;
use crate::operations::{OperationQuery, OperationStatus, Operations, WorkContext, WorkResult};
use crate::problem::ProblemKind;

#[tokio::test(start_paused = true)]
async fn an_operation_that_cannot_be_recorded_is_refused_and_not_started() {
    let fixture = Fixture::new();
    let store = fixture.store().await;
    let shared = Arc::clone(&store) as Arc<dyn OperationStore>;
    let operations =
        Operations::open(shared, limits().running(1).queued(0), Arc::new(koan_backup_core::SystemClock));
    let first = operations.submit(backup(), succeed).await.expect("accepted").operation.id;
    operations.wait(first).await.expect("it ends");

    // SQLite reports a full disk when the file has the maximum number of pages.
    let gate = Gate::new();
    let full = "PRAGMA max_page_count = 1;
                CREATE TEMP TRIGGER full BEFORE INSERT ON main.operations WHEN 0 BEGIN SELECT 1; END";
    store.execute(full).await.expect("the limit is set");
    let large = backup().reason("x".repeat(100_000));
    let problem = operations.submit(large, gate.work()).await.expect_err("the disk is full");
    assert_eq!(problem.kind(), ProblemKind::Storage);
    let text = format!("{problem:?}");
    assert!(text.contains("not started") && text.contains("the disk is full"), "{text}");
    assert!(text.contains("operations.sqlite") && text.contains("free disk space"), "{text}");
    assert!(!text.contains("xxx"), "an error contains no content: {text}");
    store.execute("PRAGMA max_page_count = 1000000").await.expect("the limit is set");

    for (break_it, repair, reason) in [
        ("PRAGMA query_only = 1", "PRAGMA query_only = 0", "cannot be written"),
        ("PRAGMA busy_timeout = 0", "PRAGMA busy_timeout = 5000", "locked"),
    ] {
        store.execute(break_it).await.expect("the setting");
        let other =
            rusqlite::Connection::open(fixture.path().join("operations.sqlite")).expect("a connection");
        other.execute_batch("BEGIN IMMEDIATE").expect("the lock");
        let problem = operations.submit(backup(), gate.work()).await.expect_err("refused");
        assert!(format!("{problem:?}").contains(reason), "{reason}: {problem:?}");
        other.execute_batch("ROLLBACK").expect("the lock ends");
        store.execute(repair).await.expect("the setting");
    }
    assert_eq!(gate.runs(), 0, "nothing was started");
    let listed = operations.list(&OperationQuery::default()).await.expect("a list");
    assert_eq!(listed.operations.len(), 1, "nothing was recorded");

    // The refused operations do not occupy the only place.
    let next = operations.submit(backup(), succeed).await.expect("accepted").operation.id;
    assert_eq!(operations.wait(next).await.expect("it ends").status, OperationStatus::Completed);
}

#[tokio::test(start_paused = true)]
async fn progress_that_cannot_be_written_does_not_fail_the_work() {
    let fixture = Fixture::new();
    let store = FaultyStore::over(fixture.store().await);
    let operations = open(Arc::clone(&store) as Arc<dyn OperationStore>);
    let (batches, mut receiver) = mpsc::channel(1);
    let work = move |context: WorkContext| {
        async move {
            let listen = context.listener();
            while let Some(records) = receiver.recv().await {
                listen(&Event::BatchRead { entity: "User".to_owned(), set: SetName::root(), records });
            }
            Ok(WorkResult::completed(json!({})))
        }
        .boxed()
    };
    let id = operations.submit(backup(), work).await.expect("accepted").operation.id;
    store.fail(Call::Renew, 5);
    for records in 1..=3 {
        batches.send(records).await.expect("the work runs");
    }
    while store.failed(Call::Renew) < 5 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    // The progress that was not written is written later.
    let stored = loop {
        let stored = store.get(id).await.expect("a read").expect("it exists");
        if stored.progress.records_processed == 3 {
            break stored;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    };
    assert_eq!(stored.status, OperationStatus::Running);
    store.fail(Call::Renew, usize::MAX);
    batches.send(4).await.expect("the work runs");
    drop(batches);
    let ended = operations.wait(id).await.expect("the operation ends");
    assert_eq!((ended.status, ended.progress.records_processed), (OperationStatus::Completed, 4));
}

#[tokio::test(start_paused = true)]
async fn a_start_that_cannot_be_recorded_is_tried_again_before_the_work_runs() {
    let fixture = Fixture::new();
    let store = FaultyStore::over(fixture.store().await);
    let operations = open(Arc::clone(&store) as Arc<dyn OperationStore>);
    store.fail(Call::Start, 3);
    let gate = Gate::new();
    let id = operations.submit(backup(), gate.work()).await.expect("accepted").operation.id;
    while store.failed(Call::Start) < 3 {
        assert_eq!(gate.runs(), 0, "work does not run before its start is recorded");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    gate.release();
    assert_eq!(operations.wait(id).await.expect("it ends").status, OperationStatus::Completed);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_cannot_be_recorded_is_tried_again_and_does_not_change() {
    let fixture = Fixture::new();
    let store = FaultyStore::over(fixture.store().await);
    let operations = open(Arc::clone(&store) as Arc<dyn OperationStore>);
    let other = fixture.operations().await;
    for (cancel, expected) in [(false, OperationStatus::Completed), (true, OperationStatus::Cancelled)] {
        let gate = Gate::new();
        let id = start(&operations, &gate).await;
        store.fail(Call::Finish, 30);
        if cancel {
            operations.cancel(id, "ada").await.expect("the cancellation is accepted");
        } else {
            gate.release();
        }
        while store.failed(Call::Finish) < 20 {
            let status = operations.get(id).await.expect("it exists").status;
            assert!(!status.is_final(), "an end that is not recorded is not reported: {status:?}");
            assert!(!other.get(id).await.expect("it exists").status.is_final());
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
        store.repair();
        // This took longer than a lease; the lease was renewed meanwhile.
        assert_eq!(other.wait(id).await.expect("it ends").status, expected);
        assert_eq!(operations.get(id).await.expect("it exists").status, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn work_can_be_cancelled_while_the_disk_is_full() {
    let fixture = Fixture::new();
    let store = FaultyStore::over(fixture.store().await);
    let operations = open(Arc::clone(&store) as Arc<dyn OperationStore>);
    let gate = Gate::new();
    let id = start(&operations, &gate).await;
    store.fail(Call::RequestCancellation, usize::MAX);
    let cancelling = operations.cancel(id, "ada").await.expect("the work stops");
    assert_eq!(cancelling.status, OperationStatus::Cancelling);
    let ended = operations.wait(id).await.expect("the operation ends");
    assert_eq!(ended.status, OperationStatus::Cancelled);
    assert_eq!(ended.cancellation.map(|cancellation| cancellation.requested_by).as_deref(), Some("ada"));

    let gate = Gate::new();
    let other = fixture.operations().await;
    let id = start(&other, &gate).await;
    let problem = operations.cancel(id, "ada").await.expect_err("another process runs the work");
    assert_eq!(problem.kind(), ProblemKind::Storage);
    gate.release();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_do_not_occupy_the_blocking_threads_while_the_file_is_locked() {
    let fixture = Fixture::new();
    let store = fixture.store().await;
    let connection =
        rusqlite::Connection::open(fixture.path().join("operations.sqlite")).expect("a connection");
    connection.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    let calls: Vec<_> = (0..1000)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.execute("BEGIN IMMEDIATE; COMMIT").await })
        })
        .collect();
    // More calls wait than there are blocking threads; other blocking work runs all the same.
    for _ in 0..10 {
        tokio::task::yield_now().await;
        tokio::task::spawn_blocking(|| ()).await.expect("a blocking thread");
        store.list(&OperationQuery::default()).await.expect("a read does not wait for a write");
    }
    connection.execute_batch("COMMIT").expect("the lock ends");
    for call in calls {
        call.await.expect("no panic").expect("the call succeeds");
    }
}
