//! An operation of this process that has not ended.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use koan_backup_core::{Clock, Event};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::events::{EventKind, EventLog, OperationEvent};
use super::identifier::OperationId;
use super::operation::{Cancellation, Operation, OperationKind, OperationStatus};
use super::progress::{Progress, ProgressTracker};
use super::store::Renewal;

/// An operation of this process that has not ended.
pub(super) struct ActiveOperation {
    id: OperationId,
    clock: Arc<dyn Clock>,
    state: Mutex<ActiveState>,
    /// The number of the last event, for subscribers that wait for the next one.
    sequence: watch::Sender<u64>,
    lease: watch::Sender<Lease>,
    /// Cancelled when the work must stop.
    stop: CancellationToken,
    /// Cancelled when the work may start.
    turn: CancellationToken,
    /// Cancelled when the work did not stop in time and is dropped.
    abort: CancellationToken,
    /// Cancelled when the operation has left the queue, so that no event follows.
    left: CancellationToken,
}

/// The lease of an operation, as its owner knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lease {
    /// The lease is held until this time of the monotonic clock, unless it is renewed.
    Until(Instant),
    /// The store says that the operation does not belong to this process any more.
    Lost,
}

struct ActiveState {
    operation: Operation,
    tracker: ProgressTracker,
    events: EventLog,
    /// Whether the end is being recorded. The event of the end is the next one.
    is_ending: bool,
    /// Whether there is progress without an event.
    has_new_progress: bool,
    /// Whether there is progress that the store does not have.
    has_unsaved_progress: bool,
}

impl fmt::Debug for ActiveOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActiveOperation").field("id", &self.id).finish_non_exhaustive()
    }
}

impl ActiveOperation {
    /// Creates the state of an operation that was recorded. Its lease is held until `lease_until`.
    pub(super) fn new(operation: Operation, clock: Arc<dyn Clock>, lease_until: Instant) -> Self {
        Self {
            id: operation.id,
            clock,
            sequence: watch::Sender::new(operation.sequence),
            lease: watch::Sender::new(Lease::Until(lease_until)),
            stop: CancellationToken::new(),
            turn: CancellationToken::new(),
            abort: CancellationToken::new(),
            left: CancellationToken::new(),
            state: Mutex::new(ActiveState {
                operation,
                tracker: ProgressTracker::new(),
                events: EventLog::default(),
                is_ending: false,
                has_new_progress: false,
                has_unsaved_progress: false,
            }),
        }
    }

    pub(super) fn id(&self) -> OperationId {
        self.id
    }

    /// Returns the token that is cancelled when the work must stop.
    pub(super) fn stop_token(&self) -> &CancellationToken {
        &self.stop
    }

    /// Returns the token that is cancelled when the work may start.
    pub(super) fn turn(&self) -> &CancellationToken {
        &self.turn
    }

    /// Returns the token that is cancelled when the work did not stop in time and is dropped.
    pub(super) fn abort(&self) -> &CancellationToken {
        &self.abort
    }

    /// Returns the token that is cancelled when the operation has left the queue.
    pub(super) fn left(&self) -> &CancellationToken {
        &self.left
    }

    /// Returns what the operation does.
    pub(super) fn kind(&self) -> OperationKind {
        self.state().operation.kind
    }

    /// Returns the current record.
    pub(super) fn snapshot(&self) -> Operation {
        self.state().operation.clone()
    }

    /// Returns the record and the last progress of an operation whose work has ended. No event precedes the event of
    /// the end any more.
    pub(super) fn begin_end(&self) -> (Operation, Progress) {
        let mut state = self.state();
        state.is_ending = true;
        (state.operation.clone(), state.tracker.progress().clone())
    }

    /// Returns whether the work has published a backup.
    pub(super) fn has_published(&self) -> bool {
        self.state().tracker.has_published()
    }

    /// Processes an event of the work.
    pub(super) fn process(&self, event: &Event) {
        let now = self.clock.now();
        let mut state = self.state();
        if state.tracker.process(event, now) {
            state.has_new_progress = true;
        }
    }

    /// Processes how much of the whole is processed, for work that has no events.
    pub(super) fn count(&self, processed: u64, total: u64) {
        let now = self.clock.now();
        let mut state = self.state();
        if state.tracker.count(processed, total, now) {
            state.has_new_progress = true;
        }
    }

    /// Emits the event of progress that has none.
    pub(super) fn publish_progress(&self) {
        let mut state = self.state();
        if std::mem::take(&mut state.has_new_progress) && !state.is_ending {
            state.has_unsaved_progress = true;
            state.operation.progress = state.tracker.progress().clone();
            self.emit(&mut state, EventKind::Progress);
        }
    }

    /// Returns the renewal of the lease. It contains the progress if the store does not have it.
    pub(super) fn renewal(&self) -> Renewal {
        let state = self.state();
        let progress = state.has_unsaved_progress.then(|| state.operation.progress.clone());
        Renewal { id: self.id, sequence: state.operation.sequence, progress }
    }

    /// Returns whether there is progress that the store does not have.
    pub(super) fn has_unsaved_progress(&self) -> bool {
        self.state().has_unsaved_progress
    }

    /// Extends the lease after a renewal that the store confirmed.
    pub(super) fn renewed(&self, renewal: &Renewal, until: Instant) {
        let mut state = self.state();
        if renewal.progress.as_ref() == Some(&state.operation.progress) {
            state.has_unsaved_progress = false;
        }
        drop(state);
        self.lease.send_if_modified(|lease| match *lease {
            // A lease that expired before the renewal stays lost, because other processes may have noticed.
            Lease::Until(known) => {
                *lease = if Instant::now() < known { Lease::Until(until.max(known)) } else { Lease::Lost };
                true
            }
            Lease::Lost => false,
        });
    }

    /// Marks the lease as lost.
    pub(super) fn lose_lease(&self) {
        self.lease.send_replace(Lease::Lost);
    }

    /// Returns whether the lease is lost or has expired.
    pub(super) fn is_lease_lost(&self) -> bool {
        match *self.lease.borrow() {
            Lease::Until(until) => Instant::now() >= until,
            Lease::Lost => true,
        }
    }

    /// Waits until the lease is lost or has expired.
    pub(super) async fn lease_lost(&self) {
        let mut lease = self.lease.subscribe();
        loop {
            let Lease::Until(until) = *lease.borrow_and_update() else { return };
            tokio::select! {
                biased;
                changed = lease.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                () = sleep_until(until) => return,
            }
        }
    }

    /// Changes the record when the work starts.
    pub(super) fn started(&self, at: jiff::Timestamp) {
        let mut state = self.state();
        state.operation.started_at = Some(at);
        if state.operation.status == OperationStatus::Queued {
            state.operation.status = OperationStatus::Running;
        }
        self.emit(&mut state, EventKind::Status);
    }

    /// Returns whether a cancellation was requested.
    pub(super) fn is_cancellation_requested(&self) -> bool {
        self.state().operation.cancellation.is_some()
    }

    /// Requests that the work stops.
    pub(super) fn request_cancellation(&self, cancellation: Cancellation) {
        let mut state = self.state();
        if state.operation.cancellation.is_none() && !state.operation.status.is_final() {
            state.operation.cancellation = Some(cancellation);
            state.operation.status = OperationStatus::Cancelling;
            self.emit(&mut state, EventKind::Status);
        }
        drop(state);
        self.stop.cancel();
    }

    /// Adopts the record of the end, which is in the store.
    pub(super) fn ended(&self, operation: Operation) {
        let mut state = self.state();
        let sequence = state.operation.sequence;
        state.operation = operation;
        // The numbers of events never decrease.
        state.operation.sequence = state.operation.sequence.max(sequence + 1);
        let (sequence, status) = (state.operation.sequence, state.operation.status);
        let progress = state.operation.progress.clone();
        state.events.push(sequence, EventKind::End, status, progress);
        drop(state);
        self.sequence.send_replace(sequence);
    }

    /// Returns the first event after `cursor`, or the current state if there is no cursor or it is not valid.
    pub(super) fn event_after(&self, cursor: Option<u64>) -> Option<OperationEvent> {
        let state = self.state();
        let current = state.operation.sequence;
        match cursor {
            Some(cursor) if cursor <= current => state.events.after(cursor, &state.operation),
            _ => Some(OperationEvent::of_current_state(state.operation.clone())),
        }
    }

    /// Returns a receiver that is notified of each event.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.sequence.subscribe()
    }

    fn emit(&self, state: &mut ActiveState, kind: EventKind) {
        if state.is_ending {
            return;
        }
        let operation = &mut state.operation;
        operation.sequence += 1;
        state.events.push(operation.sequence, kind, operation.status, operation.progress.clone());
        self.sequence.send_replace(operation.sequence);
    }

    fn state(&self) -> MutexGuard<'_, ActiveState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
