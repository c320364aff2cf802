//! The events of operations.

use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use koan_backup_core::{BackupId, Event, SetName};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::faulty_store::{Call, FaultyStore};
use super::fixture::{Fixture, Gate, backup, limits, open, start, succeed};
use crate::operations::events::EventLog;
use crate::operations::store::OperationStore;
use crate::operations::{
    EventKind, Operation, OperationEvent, OperationId, OperationStatus, Operations, Progress, WorkContext,
    WorkResult,
};

/// Starts work that emits an event of progress for each percentage that it receives, and ends with the channel.
async fn controlled(operations: &Operations) -> (OperationId, mpsc::Sender<u8>) {
    let (percentages, mut receiver) = mpsc::channel(1);
    let work = move |context: WorkContext| {
        async move {
            let listen = context.listener();
            let id = BackupId::from_uuid(uuid::Uuid::now_v7());
            while let Some(percent) = receiver.recv().await {
                listen(&Event::Progress { id, percent });
            }
            Ok(WorkResult::completed(json!({})))
        }
        .boxed()
    };
    let submitted = operations.submit(backup(), work).await.expect("accepted");
    (submitted.operation.id, percentages)
}

fn percent(event: &OperationEvent) -> u8 {
    event.operation.progress.percent_complete
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_receives_the_state_the_progress_and_the_end_with_rising_numbers() {
    let fixture = Fixture::new();
    let operations = fixture.operations().await;
    let (id, work) = controlled(&operations).await;
    let mut events = operations.events(id, None).await.expect("the events");
    let first = events.next().await.expect("the current state");
    assert_eq!(first.kind, EventKind::Status);
    let mut received = vec![first];
    for expected in [10, 50, 90] {
        work.send(expected).await.expect("the work runs");
        loop {
            received.push(events.next().await.expect("an event"));
            if received.last().map(percent) == Some(expected) {
                break;
            }
        }
        assert_eq!(received.last().map(|event| event.kind), Some(EventKind::Progress));
    }
    drop(work);
    received.push(events.next().await.expect("the end"));
    let end = received.last().expect("the end");
    assert_eq!((end.kind, end.operation.status), (EventKind::End, OperationStatus::Completed));
    assert_eq!(end.operation, operations.get(id).await.expect("it exists"), "the end has the whole record");
    assert!(events.next().await.is_none(), "no event follows the end");
    let names: Vec<_> = received.iter().map(|event| event.kind.name()).collect();
    assert_eq!((names[0], names[names.len() - 2], names[names.len() - 1]), ("status", "progress", "end"));
    assert!(received.windows(2).all(|pair| pair[0].sequence < pair[1].sequence), "{received:?}");
    assert!(received.iter().any(|event| event.operation.status == OperationStatus::Running), "{received:?}");
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_reconnects_receives_the_events_after_its_last_one() {
    let fixture = Fixture::new();
    let operations = fixture.operations().await;
    let (id, work) = controlled(&operations).await;
    let mut events = operations.events(id, None).await.expect("the events");
    work.send(10).await.expect("the work runs");
    let last = loop {
        let event = events.next().await.expect("an event");
        if percent(&event) == 10 {
            break event;
        }
    };
    drop(events);
    for percentage in [20, 30] {
        work.send(percentage).await.expect("the work runs");
        sleep(Duration::from_secs(1)).await;
    }
    let events = operations.events(id, Some(last.sequence)).await.expect("the events");
    drop(work);
    let received: Vec<_> = events.collect().await;
    let percentages: Vec<_> = received.iter().map(percent).collect();
    assert_eq!(percentages, [20, 30, 30], "the missed progress and the end: {received:?}");
    assert_eq!(received.last().map(|event| event.kind), Some(EventKind::End));

    let sequence = received.last().expect("the end").sequence;
    let after_end = operations.events(id, Some(sequence)).await.expect("the events");
    assert_eq!(after_end.count().await, 0, "the end was received before");
    for last_event_id in [None, Some(0), Some(sequence - 1), Some(u64::MAX)] {
        let events: Vec<_> = operations.events(id, last_event_id).await.expect("the events").collect().await;
        assert_eq!(events.len(), 1, "only the end is recorded: {last_event_id:?}");
        assert_eq!(events[0].kind, EventKind::End);
    }
}

#[tokio::test(start_paused = true)]
async fn another_process_receives_the_state_the_progress_and_the_end() {
    let fixture = Fixture::new();
    let (owner, other) = (fixture.operations().await, fixture.operations().await);
    let (id, work) = controlled(&owner).await;
    let mut events = other.events(id, None).await.expect("the events");
    assert_eq!(events.next().await.expect("the current state").kind, EventKind::Status);
    work.send(40).await.expect("the work runs");
    let progress = loop {
        let event = events.next().await.expect("an event");
        if percent(&event) == 40 {
            break event;
        }
    };
    drop(work);
    let rest: Vec<_> = events.collect().await;
    assert_eq!(rest.last().map(|event| event.kind), Some(EventKind::End));
    assert!(rest.iter().all(|event| event.sequence > progress.sequence), "{rest:?}");
    // The client reconnects to a process that has another view.
    let again: Vec<_> = owner.events(id, Some(progress.sequence)).await.expect("events").collect().await;
    assert_eq!(again.last().map(|event| event.kind), Some(EventKind::End));
}

#[tokio::test(start_paused = true)]
async fn a_slow_subscriber_receives_the_newest_events_and_the_end() {
    let fixture = Fixture::new();
    let operations = fixture.operations().await;
    let (id, work) = controlled(&operations).await;
    let mut events = operations.events(id, None).await.expect("the events");
    events.next().await.expect("the current state");
    for percentage in 1..=100 {
        work.send(percentage).await.expect("the work runs");
        sleep(Duration::from_millis(50)).await;
    }
    drop(work);
    operations.wait(id).await.expect("the operation ends");
    let received: Vec<_> = events.collect().await;
    assert!(received.len() <= 32, "{} events were kept", received.len());
    assert_eq!(received.last().map(|event| event.kind), Some(EventKind::End));
    assert!(received.iter().any(|event| event.kind == EventKind::Progress && percent(event) == 100));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_operations_with_subscribers_that_read_nothing_keep_few_events() {
    let fixture = Fixture::new();
    let operations = fixture.operations_with(limits().running(1).queued(1000)).await;
    let gate = Gate::new();
    let running = start(&operations, &gate).await;
    let mut subscribers = vec![operations.events(running, None).await.expect("the events")];
    for _ in 0..999 {
        let id = operations.submit(backup(), succeed).await.expect("accepted").operation.id;
        subscribers.push(operations.events(id, None).await.expect("the events"));
    }
    let active = operations.process.queue.active();
    assert_eq!(active.len(), 1000);
    let event = Event::BatchRead { entity: "User".to_owned(), set: SetName::root(), records: 0 };
    for operation in &active {
        for _ in 0..100 {
            operation.process(&event);
            operation.publish_progress();
        }
    }
    drop(active);
    gate.release();
    for events in subscribers {
        let received: Vec<_> = events.collect().await;
        assert!(received.len() <= 33, "{} events were kept", received.len());
        assert_eq!(received.last().map(|event| event.kind), Some(EventKind::End));
    }
}

#[tokio::test]
async fn the_number_of_kept_events_is_limited() {
    let fixture = Fixture::new();
    let operations = fixture.operations().await;
    let operation: Operation = operations.submit(backup(), succeed).await.expect("accepted").operation;
    let mut log = EventLog::default();
    for sequence in 1..=10_000 {
        log.push(sequence, EventKind::Progress, OperationStatus::Running, Progress::default());
    }
    let oldest = log.after(0, &operation).expect("an event");
    assert_eq!(oldest.sequence, 10_000 - 31, "the newest 32 events are kept");
    assert_eq!(log.after(9_999, &operation).expect("an event").sequence, 10_000);
    assert!(log.after(10_000, &operation).is_none());
}

#[tokio::test(start_paused = true)]
async fn the_events_end_when_the_server_stops() {
    let fixture = Fixture::new();
    let (operations, other) = (fixture.operations().await, fixture.operations().await);
    let gate = Gate::new();
    let id = start(&operations, &gate).await;
    let events = operations.events(id, None).await.expect("the events");
    let events_of_other = other.events(id, None).await.expect("the events");
    let stopped_first = tokio::spawn(events_of_other.collect::<Vec<_>>());
    other.shutdown().await.expect("nothing runs");
    let received = stopped_first.await.expect("no panic");
    assert!(received.iter().all(|event| event.kind != EventKind::End), "the operation has not ended");
    operations.shutdown().await.expect("the end is recorded");
    let received: Vec<_> = events.collect().await;
    assert!(received.iter().all(|event| event.sequence > 0), "{received:?}");
}

#[tokio::test(start_paused = true)]
async fn no_event_has_the_number_of_the_end() {
    let fixture = Fixture::new();
    let store = FaultyStore::over(fixture.store().await);
    let operations = open(Arc::clone(&store) as Arc<dyn OperationStore>);
    let (id, work) = controlled(&operations).await;
    let events = operations.events(id, None).await.expect("the events");
    store.fail(Call::Finish, 5);
    // The store does not learn the numbers of later events before the end.
    store.fail(Call::Renew, usize::MAX);
    for percentage in [10, 20] {
        work.send(percentage).await.expect("the work runs");
    }
    // The last progress has no event yet, and the end is recorded only after several attempts.
    drop(work);
    let received: Vec<_> = events.collect().await;
    assert_eq!(store.failed(Call::Finish), 5);
    let stored = fixture.store().await.get(id).await.expect("a read").expect("it exists");
    assert_eq!(stored.progress.percent_complete, 20, "the end contains the last progress");
    let (end, earlier) = received.split_last().expect("the end");
    assert_eq!((end.kind, end.sequence), (EventKind::End, stored.sequence));
    for event in earlier {
        assert!(event.sequence < stored.sequence, "a client that has {event:?} would miss the end");
    }
}
