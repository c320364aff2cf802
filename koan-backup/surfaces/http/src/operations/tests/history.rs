//! Lists, and the removal of old operations.

use std::time::Duration;

use futures::FutureExt as _;
use jiff::Timestamp;
use koan_backup_core::{Error, ErrorKind};

use super::fixture::{Fixture, Gate, backup, start, succeed};
use crate::operations::limits::HistoryLimits;
use crate::operations::{
    OperationId, OperationPage, OperationQuery, OperationStatus, OperationStore, SqliteOperationStore,
};

/// Copies the only operation, so that there are 10 000.
const COPY: &str = "
    WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 9999)
    INSERT INTO operations (id, kind, status, request, owner, process, lease_milliseconds, sequence, created_at,
                            started_at, completed_at, progress, result)
    SELECT format('01900000-0000-7000-8000-%012d', number), kind, status, request, owner, process,
           lease_milliseconds, sequence, created_at, started_at,
           format('2020-01-01T%02d:%02d:%02d.000000Z', number / 3600, number / 60 % 60, number % 60), progress, result
    FROM operations, numbers";

async fn with_10_000_operations(fixture: &Fixture) -> std::sync::Arc<SqliteOperationStore> {
    let operations = fixture.operations().await;
    let id = operations.submit(backup(), succeed).await.expect("accepted").operation.id;
    operations.wait(id).await.expect("the operation ends");
    let store = fixture.store().await;
    store.execute(COPY).await.expect("the copies");
    store
}

async fn count(store: &SqliteOperationStore) -> usize {
    let (mut count, mut query) = (0, OperationQuery::default());
    loop {
        let page: OperationPage = store.list(&query).await.expect("a page");
        count += page.operations.len();
        let Some(next) = page.next else { return count };
        query = OperationQuery::default().before(next);
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_is_bounded_and_its_pages_contain_each_operation_once() {
    let fixture = Fixture::new();
    let store = with_10_000_operations(&fixture).await;
    let kept = HistoryLimits::default().max_count(20_000).max_age(Duration::from_secs(u64::MAX));
    let operations = fixture.operations_with(super::fixture::limits().history(kept)).await;
    let unbounded = OperationQuery::default().limit(u32::MAX);
    let page = operations.list(&unbounded).await.expect("a page");
    assert_eq!(page.operations.len(), 100);
    assert!(page.operations.iter().all(|operation| operation.result.is_none()), "a list has no results");

    let mut seen: Vec<OperationId> = Vec::new();
    let mut query = OperationQuery::default().limit(99);
    loop {
        let page = store.list(&query).await.expect("a page");
        seen.extend(page.operations.iter().map(|operation| operation.id));
        // Operations that begin meanwhile do not move the pages.
        if seen.len() == 99 {
            operations.submit(backup(), succeed).await.expect("accepted");
        }
        let Some(next) = page.next else { break };
        query = OperationQuery::default().limit(99).before(next);
    }
    assert_eq!(seen.len(), 10_000);
    assert!(seen.is_sorted_by(|one, two| one > two), "the newest is the first, and none is repeated");
}

#[tokio::test(start_paused = true)]
async fn a_list_can_be_restricted_to_states() {
    let fixture = Fixture::new();
    let operations = fixture.operations().await;
    let gate = Gate::new();
    let running = start(&operations, &gate).await;
    let completed = operations.submit(backup(), succeed).await.expect("accepted").operation.id;
    operations.wait(completed).await.expect("it ends");
    let work = |_| async { Err(Error::new(ErrorKind::Storage, "full")) }.boxed();
    let failed = operations.submit(backup(), work).await.expect("accepted").operation.id;
    operations.wait(failed).await.expect("it ends");
    for (statuses, expected) in [
        (vec![], vec![failed, completed, running]),
        (vec![OperationStatus::Failed], vec![failed]),
        (vec![OperationStatus::Failed, OperationStatus::Completed], vec![failed, completed]),
        (OperationStatus::UNFINISHED.to_vec(), vec![running]),
        (vec![OperationStatus::Interrupted], vec![]),
    ] {
        let query = OperationQuery::default().statuses(statuses.clone());
        let page = operations.list(&query).await.expect("a page");
        let found: Vec<_> = page.operations.iter().map(|operation| operation.id).collect();
        assert_eq!(found, expected, "{statuses:?}");
    }
    gate.release();
}

#[tokio::test(start_paused = true)]
async fn old_operations_are_removed_by_count() {
    let fixture = Fixture::new();
    let operations = fixture.operations().await;
    let gate = Gate::new();
    let running = start(&operations, &gate).await;
    let other = Fixture::new();
    let store = with_10_000_operations(&other).await;
    let kept = HistoryLimits::default().max_count(50).min_count(10).max_age(Duration::from_secs(u64::MAX));
    assert_eq!(store.purge(&kept, Timestamp::now()).await.expect("the removal"), 9950);
    assert_eq!(count(&store).await, 50);
    let newest = store.list(&OperationQuery::default().limit(1)).await.expect("a page").operations[0].id;
    assert!(store.get(newest).await.expect("a read").is_some(), "the newest are kept");

    let none = HistoryLimits::default().max_count(0).min_count(0);
    let store = fixture.store().await;
    assert_eq!(store.purge(&none, Timestamp::now()).await.expect("the removal"), 0);
    assert_eq!(operations.get(running).await.expect("it exists").status, OperationStatus::Running);
    gate.release();
}

#[tokio::test(start_paused = true)]
async fn old_operations_are_removed_by_age() {
    let fixture = Fixture::new();
    let store = with_10_000_operations(&fixture).await;
    let week = Duration::from_secs(7 * 24 * 60 * 60);
    let kept = HistoryLimits::default().max_age(week).min_count(10);
    assert_eq!(store.purge(&kept, Timestamp::now()).await.expect("the removal"), 9990);
    assert_eq!(count(&store).await, 10, "the newest operations are kept at any age");
    let kept = kept.min_count(0);
    assert_eq!(store.purge(&kept, Timestamp::now()).await.expect("the removal"), 9);
    assert_eq!(count(&store).await, 1, "an operation of today is kept");
}

#[tokio::test(start_paused = true)]
async fn the_history_is_limited_when_operations_are_opened() {
    let fixture = Fixture::new();
    let store = with_10_000_operations(&fixture).await;
    let limits = super::fixture::limits().history(HistoryLimits::default().max_count(7).min_count(7));
    let _operations = fixture.operations_with(limits).await;
    while count(&store).await != 7 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
