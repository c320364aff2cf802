//! The numbered events of an operation, for subscribers that may be slow or reconnect.
//!
//! An event contains the state of the operation, so that a subscriber which missed events needs only the newest one.
//! There is no queue for each subscriber: a subscriber has the number of the last event that it received, and the
//! operation keeps its last events.

use std::collections::VecDeque;

use super::operation::{Operation, OperationStatus};
use super::progress::Progress;

/// How many events of an operation are kept.
const MAX_KEPT_EVENTS: usize = 32;

/// What an event reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// The progress has changed.
    Progress,
    /// The state has changed, or the subscription began.
    Status,
    /// The operation has ended. No event follows.
    End,
}

impl EventKind {
    /// Returns the name of the type of the event.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Progress => "progress",
            Self::Status => "status",
            Self::End => "end",
        }
    }
}

/// One event of an operation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OperationEvent {
    /// The number of the event. Later events have higher numbers; numbers may be missing.
    pub(crate) sequence: u64,
    /// What the event reports.
    pub(crate) kind: EventKind,
    /// The operation at the time of the event.
    pub(crate) operation: Operation,
}

impl OperationEvent {
    /// Creates the event that reports the current state.
    pub(super) fn of_current_state(operation: Operation) -> Self {
        let kind = if operation.status.is_final() { EventKind::End } else { EventKind::Status };
        Self { sequence: operation.sequence, kind, operation }
    }
}

/// The last events of an operation.
#[derive(Debug, Default)]
pub(super) struct EventLog {
    events: VecDeque<KeptEvent>,
}

#[derive(Debug)]
struct KeptEvent {
    sequence: u64,
    kind: EventKind,
    status: OperationStatus,
    progress: Progress,
}

impl EventLog {
    pub(super) fn push(
        &mut self,
        sequence: u64,
        kind: EventKind,
        status: OperationStatus,
        progress: Progress,
    ) {
        if self.events.len() == MAX_KEPT_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(KeptEvent { sequence, kind, status, progress });
    }

    /// Returns the first kept event with a higher number than `cursor`. `operation` is the current record.
    pub(super) fn after(&self, cursor: u64, operation: &Operation) -> Option<OperationEvent> {
        let event = self.events.iter().find(|event| event.sequence > cursor)?;
        let mut operation = operation.clone();
        if event.kind != EventKind::End && operation.status.is_final() {
            // The event is older than the end.
            (operation.completed_at, operation.error, operation.result) = (None, None, None);
        }
        operation.sequence = event.sequence;
        operation.status = event.status;
        operation.progress = event.progress.clone();
        Some(OperationEvent { sequence: event.sequence, kind: event.kind, operation })
    }
}
