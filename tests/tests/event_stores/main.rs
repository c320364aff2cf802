//! Runs the conformance suite for every event store of this repository.

#![expect(clippy::print_stdout, reason = "the suite prints the results of each store")]

mod builder;
mod damaged_numbers;
mod file_decisions;
mod file_faults;
mod file_readers;
mod files;
mod lying;
mod sqlite;
mod sqlite_refusals;

use std::sync::Arc;

use koan_backup::event_store::{EventStoreCapabilities, NewEvent, StreamState, conformance};
use koan_backup::provider::Provider;
use koan_backup::provider::conformance::{CaseOutcome, Conformance};
use koan_backup::{ErrorKind, MemoryEvents, Result};

koan_backup::entity_backup_scope!(mode = None);

/// Runs the suite and requires that every case passes. `empty` creates an empty store for each case.
async fn conforms(empty: impl AsyncFnMut() -> Result<Arc<dyn Provider>>) -> Conformance {
    let conformance = conformance::run(empty).await.expect("a store");
    println!("{conformance}");
    conformance.require_passed().expect("the event store conforms")
}

/// Returns the names of the cases that the capabilities of a store exclude.
fn not_declared(conformance: &Conformance) -> Vec<&str> {
    let cases = conformance.cases.iter().filter(|case| case.outcome == CaseOutcome::NotClaimed);
    cases.map(|case| case.name).collect()
}

const REFUSALS: [&str; 4] = [
    "a document is refused",
    "a second stream of an aggregate is refused",
    "a snapshot is refused",
    "a position is preserved or refused",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_conforms() {
    let conformance = conforms(async || Ok(conformance::provider_of(MemoryEvents::new()))).await;
    assert_eq!(not_declared(&conformance), REFUSALS, "{conformance}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_with_events_only_conforms() {
    let only_events = || MemoryEvents::with_capabilities(EventStoreCapabilities::default());
    let conformance = conforms(async || Ok(conformance::provider_of(only_events()))).await;
    assert!(not_declared(&conformance).iter().all(|name| !REFUSALS.contains(name)), "{conformance}");
}

#[tokio::test]
async fn memory_divides_terminates_and_continues_streams() {
    let store = MemoryEvents::new();
    let event = |name: &str| NewEvent::new(name, &name).expect("text is JSON");
    store.append("order", "1", ["A", "B", "C"].map(event)).expect("events are appended");
    store.divide("order", "1", 2).expect("the stream is divided");
    let reader = koan_backup::event_store::EventStore::reader(&store).await.expect("a reader");
    let document = reader.open("order", "1").await.expect("opened").and_then(|opened| opened.document);
    let chunks: Vec<_> =
        document.expect("a document").chunks.iter().map(|chunk| chunk.last_version).collect();
    assert_eq!(chunks, [Some(1), Some(2)]);
    let error = store.continue_as("order", "1", "1-b").expect_err("the stream is active");
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    store.terminate("order", "1", "migrated").expect("the stream is terminated");
    let error = store.append("order", "1", [event("D")]).expect_err("the stream was terminated");
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    store.continue_as("order", "1", "1-b").expect("the stream is continued");
    assert_eq!(store.append("order", "1", [event("D")]).expect("appended"), Some(0));
    let reader = koan_backup::event_store::EventStore::reader(&store).await.expect("a reader");
    let opened = reader.open("order", "1").await.expect("opened").expect("it exists");
    let streams: Vec<_> = opened.streams.iter().map(|stream| (stream.version, stream.state)).collect();
    assert_eq!(streams, [(Some(2), StreamState::Terminated), (Some(0), StreamState::Active)]);
    assert_eq!(store.remove("order", "1").events, 4);
}
