//! Each operation of a storage fails once, or never ends, during single backups and restores.

use std::sync::Arc;

use koan_backup::prelude::*;
use koan_backup::streams::{StreamBackupHandle, StreamRestoreBuilder};
use koan_backup::{ConflictMode, ErrorKind};
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};
use koan_backup_tests::hand_clock::HandClock;
use object_store::memory::InMemory;

use crate::stores::{Content, Machine, OBJECT, TestEvents};

const ID: &str = "order-17";
const OPERATIONS: [Operation; 8] = [
    Operation::Begin,
    Operation::Part,
    Operation::Complete,
    Operation::Put,
    Operation::Head,
    Operation::Get,
    Operation::Delete,
    Operation::List,
];
const FAILURES: [Failure; 4] = [Failure::Broken, Failure::Forbidden, Failure::Lost, Failure::ResponseLost];

/// Runs a test at each point at which a storage can fail: each call of each of its operations. The test returns whether
/// the operation got so far; the points of one operation end with the first one that is not reached.
async fn at_each_point(failures: &[Failure], mut run: impl AsyncFnMut(Fault) -> bool) {
    let mut points = 0;
    for operation in OPERATIONS {
        for &failure in failures {
            let mut after = 0;
            while run(Fault::once(operation, "", failure).after(after)).await {
                after += 1;
            }
            points += after;
        }
    }
    assert!(points > 0, "the storage never failed");
}

/// Returns whether the store was called at the point of a fault.
fn is_reached(store: &FaultyStore, fault: Fault) -> bool {
    store.call_count(fault.operation, "") > fault.after
}

/// Runs an operation, and drops it when it reaches the point of a fault. Returns its result if it ends before.
async fn dropped_at<T>(
    store: &FaultyStore,
    fault: Fault,
    operation: impl IntoFuture<Output = T>,
) -> Option<T> {
    tokio::select! {
        biased;
        result = operation.into_future() => Some(result),
        () = store.until_called(fault.operation, "", fault.after + 1) => None,
    }
}

/// Requires that exactly the expected backups are listed, and that the newest is valid.
async fn require_backups(koan: &Koan, expected: &[StreamBackupHandle], fault: Fault) {
    let page = koan.stream_backups().await.expect("listed");
    assert!(page.unreadable.is_empty(), "{fault:?}: {:?}", page.unreadable);
    assert_eq!(page.backups.len(), expected.len(), "{fault:?}: the number of listed backups");
    for handle in expected {
        assert!(page.backups.contains(handle), "{fault:?}: {} is not listed", handle.id);
    }
    if let Some(newest) = expected.last() {
        let verified = koan.verify_stream_backup(newest).await.expect("read");
        verified.require_valid().unwrap_or_else(|error| panic!("{fault:?}: {}", error.chain()));
    }
}

#[tokio::test]
async fn a_backup_is_reported_exactly_if_it_exists() {
    let (machine, events) = (Machine::new(), TestEvents::memory());
    events.append(ID, 0..5).await;
    let store = FaultyStore::over(Arc::new(InMemory::new()));
    let koan = machine.koan(&events, &store.storage()).await;
    let orders = koan.streams(OBJECT).expect("declared");
    let mut made = vec![orders.backup(ID).await.expect("made")];
    at_each_point(&FAILURES, async |fault| {
        store.fail([fault]);
        let result = orders.backup(ID).await;
        let is_reached = is_reached(&store, fault);
        store.resume();
        match result {
            Ok(handle) => made.push(handle),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Storage, "{fault:?}: {}", error.chain()),
        }
        require_backups(&koan, &made, fault).await;
        is_reached
    })
    .await;
}

#[tokio::test]
async fn a_backup_that_is_dropped_at_any_point_does_not_exist() {
    let (machine, events) = (Machine::new(), TestEvents::memory());
    events.append(ID, 0..5).await;
    let store = FaultyStore::over(Arc::new(InMemory::new()));
    let koan = machine.koan(&events, &store.storage()).await;
    let orders = koan.streams(OBJECT).expect("declared");
    let mut made = Vec::new();
    at_each_point(&[Failure::Never], async |fault| {
        store.fail([fault]);
        let result = dropped_at(&store, fault, orders.backup(ID)).await;
        store.resume();
        let is_dropped = result.is_none();
        if let Some(result) = result {
            made.push(result.expect("made"));
        }
        require_backups(&koan, &made, fault).await;
        is_dropped
    })
    .await;
}

/// A damaged aggregate that a restore overwrites.
struct Damaged {
    clock: HandClock,
    events: TestEvents,
    koan: Koan,
    handle: StreamBackupHandle,
    restored: Content,
}

impl Damaged {
    async fn new(machine: &Machine, events: TestEvents, storage: &Storage) -> Self {
        events.append(ID, 0..5).await;
        events.append("order-2", 0..3).await;
        let koan = machine.koan(&events, storage).await;
        let handle = koan.streams(OBJECT).expect("declared").backup(ID).full().await.expect("made");
        Self { clock: machine.clock.clone(), restored: events.content().await, events, koan, handle }
    }

    /// Adds later events to the aggregate, and returns the content of the store.
    async fn damage(&self) -> Content {
        self.restore_undisturbed().await;
        assert_eq!(self.events.content().await, self.restored, "an undisturbed restore");
        self.events.append(ID, 5..7).await;
        self.events.content().await
    }

    /// Restores the aggregate. The lease of an earlier restore whose release failed, or that was dropped, prevents this until
    /// it expires.
    async fn restore_undisturbed(&self) {
        let mut restored = self.restore().await;
        if restored.as_ref().is_err_and(|error| error.kind() == ErrorKind::Busy) {
            // Longer than a lease.
            self.clock.pass(1);
            restored = self.restore().await;
        }
        restored.unwrap_or_else(|error| panic!("an undisturbed restore: {}", error.chain()));
    }

    fn restore(&self) -> StreamRestoreBuilder {
        let orders = self.koan.streams(OBJECT).expect("declared");
        orders.restore(&self.handle).on_conflict(ConflictMode::Overwrite)
    }

    /// Requires that a restore is reported exactly if it happened, whichever call of the store fails.
    async fn restore_with_failures(&self, store: &FaultyStore) {
        at_each_point(&FAILURES, async |fault| {
            let before = self.damage().await;
            store.fail([fault]);
            let result = self.restore().await;
            let is_reached = is_reached(store, fault);
            store.resume();
            let found = self.events.content().await;
            match result {
                Ok(_) => assert!(found == self.restored, "{fault:?}: the reported restore did not happen"),
                Err(error) => {
                    let text = error.chain();
                    assert!(found == before, "{fault:?}: a failed restore changed the store: {text}");
                }
            }
            is_reached
        })
        .await;
    }

    /// Drops a restore at the point of a fault, and requires that it happened completely or not at all, and that the next
    /// restore succeeds. Returns whether the restore got so far.
    async fn restore_until_dropped(&self, store: &FaultyStore, fault: Fault) -> bool {
        let before = self.damage().await;
        store.fail([fault]);
        let result = dropped_at(store, fault, self.restore()).await;
        store.resume();
        let found = self.events.content().await;
        let is_dropped = result.is_none();
        match result {
            Some(result) => {
                result.unwrap_or_else(|error| panic!("{fault:?}: {}", error.chain()));
                assert!(found == self.restored, "{fault:?}: the reported restore did not happen");
            }
            None => assert!(
                found == before || found == self.restored,
                "{fault:?}: a dropped restore happened in part"
            ),
        }
        self.restore_undisturbed().await;
        assert!(self.events.content().await == self.restored, "{fault:?}: the next restore");
        is_dropped
    }
}

#[tokio::test]
async fn a_restore_from_storage_that_fails_is_reported_exactly_if_it_happened() {
    let store = FaultyStore::over(Arc::new(InMemory::new()));
    let damaged = Damaged::new(&Machine::new(), TestEvents::memory(), &store.storage()).await;
    damaged.restore_with_failures(&store).await;
    at_each_point(&[Failure::Never], async |fault| damaged.restore_until_dropped(&store, fault).await).await;
}

#[tokio::test]
async fn a_restore_into_files_that_fail_is_reported_exactly_if_it_happened() {
    let store = FaultyStore::over(Arc::new(InMemory::new()));
    let files = TestEvents::files(store.storage());
    Damaged::new(&Machine::new(), files, &Storage::memory()).await.restore_with_failures(&store).await;
}

#[tokio::test]
async fn a_restore_into_files_that_is_dropped_at_any_point_happens_completely_or_not_at_all() {
    let machine = Machine::new();
    at_each_point(&[Failure::Never], async |fault| {
        // Each dropped restore leaves files that later restores read, so each point has a store of its own.
        let store = FaultyStore::over(Arc::new(InMemory::new()));
        let files = TestEvents::files(store.storage());
        let damaged = Damaged::new(&machine, files, &Storage::memory()).await;
        damaged.restore_until_dropped(&store, fault).await
    })
    .await;
}
