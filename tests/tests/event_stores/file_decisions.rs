//! Changes of the event store of JSON files that are decided while others read or change the same aggregate.

use std::sync::Arc;

use futures::TryStreamExt as _;
use koan_backup::event_store::{EventStore as _, EventStoreSession, NewEvent};
use koan_backup::provider::SessionIntent;
use koan_backup::{ErrorKind, EventFiles, ExpectedVersion, Result, Storage};
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};
use object_store::ObjectStore;
use object_store::memory::InMemory;

/// A store, and the same store as another process sees it. Each has its own faults.
struct Processes {
    one: (FaultyStore, EventFiles),
    other: (FaultyStore, EventFiles),
    /// The same store without faults.
    intact: EventFiles,
}

impl Processes {
    /// Returns the processes, with one event `A` of the aggregate `1`.
    async fn start() -> Self {
        let memory: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let process = || {
            let faults = FaultyStore::over(Arc::clone(&memory));
            let store = EventFiles::in_storage(faults.storage());
            (faults, store)
        };
        let intact = EventFiles::in_storage(Storage::object_store(Arc::clone(&memory), "memory"));
        let started = Self { one: process(), other: process(), intact };
        append(&started.intact, "A").await.expect("an event is appended");
        started
    }

    /// Returns the types of the events of the aggregate.
    async fn types(&self) -> Vec<String> {
        let reader = self.intact.reader().await.expect("a reader");
        let events: Vec<_> =
            reader.all_events("order").await.expect("a read").try_concat().await.expect("read");
        events.into_iter().map(|event| event.event_type).collect()
    }
}

async fn append(store: &EventFiles, name: &str) -> Result<Option<u64>> {
    let event = NewEvent::new(name, &name).expect("text is JSON");
    store.append("order", "1", ExpectedVersion::Any, [event]).await
}

/// Begins a session that adds an event with this type at version 1.
async fn session(store: &EventFiles, name: &str) -> Box<dyn EventStoreSession> {
    let mut session = store.begin_restore(SessionIntent::Apply).await.expect("a session");
    let event = NewEvent::new(name, &name).expect("text is JSON").into_stream_event("1", "1", 1);
    session.writer().append("order", vec![event]).await.expect("appended");
    session
}

#[tokio::test]
async fn a_change_that_was_committed_and_completed_is_not_discarded_by_one_that_saw_it_undecided() {
    for first in ["one", "other"] {
        let processes = Processes::start().await;
        let ((one, one_store), (other, other_store)) = (&processes.one, &processes.other);
        // The older of two changes discards the other at once, and the newer one after a while.
        let (changed, discarding) = if first == "one" {
            let changed = session(one_store, "B").await;
            (changed, session(other_store, "C").await)
        } else {
            let discarding = session(other_store, "C").await;
            (session(one_store, "B").await, discarding)
        };
        one.fail([Fault::always(Operation::Put, "outcomes", Failure::Held)]);
        other.fail([Fault::always(Operation::Put, "outcomes", Failure::Held)]);
        let changed = tokio::spawn(changed.commit());
        one.until_called(Operation::Put, "outcomes", 1).await;
        let discarding = tokio::spawn(discarding.commit());
        other.until_called(Operation::Put, "outcomes", 1).await;
        one.resume();
        changed.await.expect("the task ends").expect("the change is committed");
        other.resume();
        let error = discarding.await.expect("the task ends").expect_err("the aggregate was changed");
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        assert_eq!(processes.types().await, ["A", "B"], "{first} began first: the committed event is lost");
        append(&processes.intact, "D").await.expect("the store is usable");
        assert_eq!(processes.types().await, ["A", "B", "D"], "{first} began first");
    }
}

#[tokio::test]
async fn a_removal_that_is_withdrawn_while_its_documents_are_listed_is_not_visible() {
    for end in ["withdrawn", "discarded by another change"] {
        let processes = Processes::start().await;
        let ((removing, removing_store), (reading, reading_store)) = (&processes.one, &processes.other);
        let mut session = removing_store.begin_restore(SessionIntent::Apply).await.expect("a session");
        session.writer().remove("order", "1").await.expect("removed");
        removing.fail([Fault::always(Operation::List, "streams", Failure::Held)]);
        let removal = tokio::spawn(session.commit());
        removing.until_called(Operation::List, "streams", 1).await;
        reading.fail([Fault::always(Operation::List, "journals", Failure::Held)]);
        let reader = reading_store.reader().await.expect("a reader");
        let read = tokio::spawn(async move { reader.object_ids("order", None, 9).await });
        // The documents are listed, and the journals are not.
        reading.until_called(Operation::List, "journals", 1).await;
        if end == "withdrawn" {
            removing.fail([Fault::always(Operation::Put, "outcomes", Failure::Forbidden)]);
            removal.await.expect("the task ends").expect_err("the storage refuses the outcome");
        } else {
            append(&processes.intact, "B").await.expect("another process discards the removal");
            removing.resume();
            let error = removal.await.expect("the task ends").expect_err("the removal was discarded");
            assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        }
        reading.resume();
        let ids = read.await.expect("the task ends").expect("the ids are listed");
        assert_eq!(ids, ["1"], "the removal was {end}, and a reader misses the aggregate");
    }
}
