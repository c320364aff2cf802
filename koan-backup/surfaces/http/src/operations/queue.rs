//! The operations of this process that have not ended, and the order in which they start.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::active::ActiveOperation;
use super::identifier::OperationId;
use super::operation::Cancellation;

/// The operations of this process that have not ended.
#[derive(Debug)]
pub(super) struct Queue {
    max_running: usize,
    max_active: usize,
    state: Mutex<QueueState>,
    /// Notified when an operation or a reservation ends.
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct QueueState {
    /// Set when the server stops; the request to cancel each operation.
    stopping: Option<Cancellation>,
    reserved: usize,
    running: usize,
    /// The operations that wait for their turn, the first in front.
    waiting: VecDeque<Arc<ActiveOperation>>,
    active: HashMap<OperationId, Arc<ActiveOperation>>,
}

/// Why an operation is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The queue is full.
    Full,
    /// The server is stopping.
    Stopping,
}

/// A place in the queue for an operation that is being recorded.
#[derive(Debug)]
pub(super) struct Reservation {
    queue: Arc<Queue>,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.queue.state().reserved -= 1;
        self.queue.changed.send_replace(());
    }
}

impl Queue {
    pub(super) fn new(max_running: usize, max_waiting: usize) -> Self {
        let max_running = max_running.max(1);
        Self {
            max_running,
            max_active: max_running.saturating_add(max_waiting),
            state: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    /// Reserves a place.
    pub(super) fn reserve(self: &Arc<Self>) -> Result<Reservation, Refusal> {
        let mut state = self.state();
        if state.stopping.is_some() {
            return Err(Refusal::Stopping);
        }
        if state.reserved + state.active.len() >= self.max_active {
            return Err(Refusal::Full);
        }
        state.reserved += 1;
        Ok(Reservation { queue: Arc::clone(self) })
    }

    /// Adds an operation that was recorded. If the server began to stop meanwhile, the operation is cancelled, and the
    /// call returns an error.
    pub(super) fn enter(&self, place: Reservation, active: &Arc<ActiveOperation>) -> Result<(), Refusal> {
        let mut state = self.state();
        state.active.insert(active.id(), Arc::clone(active));
        state.waiting.push_back(Arc::clone(active));
        self.dispatch(&mut state);
        let stopping = state.stopping.clone();
        drop(state);
        // The place is released after the operation was added, so that there is no moment with neither.
        drop(place);
        match stopping {
            None => Ok(()),
            Some(cancellation) => {
                active.request_cancellation(cancellation);
                Err(Refusal::Stopping)
            }
        }
    }

    /// Removes an operation that has ended, and lets the next one start.
    pub(super) fn leave(&self, id: OperationId) {
        let mut state = self.state();
        if state.active.remove(&id).is_some() {
            match state.waiting.iter().position(|waiting| waiting.id() == id) {
                Some(place) => drop(state.waiting.remove(place)),
                None => state.running -= 1,
            }
        }
        self.dispatch(&mut state);
        drop(state);
        self.changed.send_replace(());
    }

    /// Returns an operation that has not ended.
    pub(super) fn find(&self, id: OperationId) -> Option<Arc<ActiveOperation>> {
        self.state().active.get(&id).cloned()
    }

    /// Returns all operations that have not ended, in any order.
    pub(super) fn active(&self) -> Vec<Arc<ActiveOperation>> {
        self.state().active.values().cloned().collect()
    }

    /// Returns whether the server is stopping.
    pub(super) fn is_stopping(&self) -> bool {
        self.state().stopping.is_some()
    }

    /// Refuses new operations and cancels all that have not ended.
    pub(super) fn stop(&self, cancellation: &Cancellation) {
        let mut state = self.state();
        state.stopping.get_or_insert_with(|| cancellation.clone());
        let active: Vec<_> = state.active.values().cloned().collect();
        drop(state);
        for active in active {
            active.request_cancellation(cancellation.clone());
        }
    }

    /// Returns whether all operations have ended.
    pub(super) fn is_idle(&self) -> bool {
        let state = self.state();
        state.active.is_empty() && state.reserved == 0
    }

    /// Waits until all operations have ended.
    pub(super) async fn idle(&self) {
        let mut changed = self.changed.subscribe();
        while !self.is_idle() {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    fn dispatch(&self, state: &mut QueueState) {
        while state.running < self.max_running {
            let Some(next) = state.waiting.pop_front() else { return };
            state.running += 1;
            next.turn().cancel();
        }
    }

    fn state(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
