//! Clocks that jump.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use koan_backup_core::{Clock, Event, SetName};
use tokio::time::sleep;

use super::fixture::{Fixture, Gate, backup, limits, start, succeed};
use crate::operations::progress::ProgressTracker;
use crate::operations::store::OperationStore as _;
use crate::operations::{OperationQuery, OperationStatus, Operations};

/// A clock that the test sets.
#[derive(Clone, Debug)]
struct HandClock(Arc<Mutex<Timestamp>>);

impl HandClock {
    fn new() -> Self {
        Self(Arc::new(Mutex::new("2026-11-30T12:00:00Z".parse().expect("a time"))))
    }

    fn jump(&self, by: SignedDuration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now += by;
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[tokio::test(start_paused = true)]
async fn an_operation_is_not_interrupted_when_a_clock_jumps() {
    let fixture = Fixture::new();
    let (clock, other_clock) = (HandClock::new(), HandClock::new());
    let owner = Operations::open(fixture.store().await, limits(), Arc::new(clock.clone()));
    let other = Operations::open(fixture.store().await, limits(), Arc::new(other_clock.clone()));
    let gate = Gate::new();
    let id = start(&owner, &gate).await;
    let year = SignedDuration::from_hours(24 * 365);
    for jump in [year, -year, -year, year] {
        for clock in [&clock, &other_clock] {
            clock.jump(jump);
            sleep(Duration::from_secs(120)).await;
            assert_eq!(other.get(id).await.expect("it exists").status, OperationStatus::Running);
        }
    }
    gate.release();
    assert_eq!(owner.wait(id).await.expect("it ends").status, OperationStatus::Completed);
}

#[tokio::test(start_paused = true)]
async fn an_operation_does_not_end_before_it_started_when_the_clock_is_set_back() {
    let fixture = Fixture::new();
    let clock = HandClock::new();
    let operations = Operations::open(fixture.store().await, limits(), Arc::new(clock.clone()));
    let gate = Gate::new();
    let id = start(&operations, &gate).await;
    clock.jump(SignedDuration::from_hours(-1));
    gate.release();
    let ended = operations.wait(id).await.expect("the operation ends");
    assert_eq!(ended.completed_at, ended.started_at);
}

#[tokio::test(start_paused = true)]
async fn the_newest_operations_survive_a_clock_that_jumps_forward() {
    let fixture = Fixture::new();
    let clock = HandClock::new();
    let operations = Operations::open(fixture.store().await, limits(), Arc::new(clock.clone()));
    let id = operations.submit(backup(), succeed).await.expect("accepted").operation.id;
    operations.wait(id).await.expect("the operation ends");
    clock.jump(SignedDuration::from_hours(24 * 3650));
    let store = fixture.store().await;
    let removed = store.purge(&limits().history, clock.now()).await.expect("the removal");
    assert_eq!(removed, 0);
    assert_eq!(operations.list(&OperationQuery::default()).await.expect("a list").operations.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_expected_end_is_computed_from_the_time_that_has_passed() {
    let clock = HandClock::new();
    let mut tracker = ProgressTracker::new();
    let id = koan_backup_core::BackupId::from_uuid(uuid::Uuid::now_v7());
    let read = Event::BatchRead { entity: "User".to_owned(), set: SetName::root(), records: 1 };
    assert!(tracker.process(&read, clock.now()));
    assert_eq!(tracker.progress().estimated_completion_at, None, "nothing is known yet");
    sleep(Duration::from_secs(25)).await;
    clock.jump(SignedDuration::from_hours(5));
    tracker.process(&Event::Progress { id, percent: 25 }, clock.now());
    let expected = clock.now() + SignedDuration::from_secs(75);
    let estimated = tracker.progress().estimated_completion_at.expect("an estimate");
    assert!(
        (estimated.duration_since(expected)).abs() < SignedDuration::from_secs(1),
        "{estimated} {expected}"
    );
    tracker.process(&Event::Progress { id, percent: 100 }, clock.now());
    assert_eq!(tracker.progress().estimated_completion_at, None, "the work has ended");
}
