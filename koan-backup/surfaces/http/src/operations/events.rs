//! The numbered events of an operation, for subscribers that may be slow or reconnect.
//!
//! An event contains the state of the operation, so that a subscriber which missed events needs only the newest one.
//! There is no queue for each subscriber: a subscriber has the number of the last event that it received, and the
//! operation keeps its last events.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt as _};
use tokio::time::sleep;

use super::active::ActiveOperation;
use super::identifier::OperationId;
use super::operation::{Operation, OperationStatus};
use super::process::Process;
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

/// The source of the events of a subscriber.
enum Source {
    /// The operation belongs to this process.
    Local(Arc<ActiveOperation>),
    /// The operation belongs to another process, or has ended. Its record is read in intervals.
    Store(OperationId),
}

struct Subscriber {
    process: Arc<Process>,
    source: Source,
    /// The number of the last event that the subscriber has.
    cursor: Option<u64>,
    /// The state in the last event.
    status: Option<OperationStatus>,
    has_ended: bool,
}

/// Returns the events of an operation after `cursor`, beginning with its current state if there is no cursor. The
/// stream ends after the event of the end, and when the server has stopped.
pub(super) fn subscribe(
    process: Arc<Process>,
    id: OperationId,
    cursor: Option<u64>,
) -> BoxStream<'static, OperationEvent> {
    let source = process.queue.find(id).map_or(Source::Store(id), Source::Local);
    let subscriber = Subscriber { process, source, cursor, status: None, has_ended: false };
    stream::unfold(subscriber, |mut subscriber| async move {
        let event = subscriber.next().await?;
        Some((event, subscriber))
    })
    .boxed()
}

impl Subscriber {
    async fn next(&mut self) -> Option<OperationEvent> {
        if self.has_ended {
            return None;
        }
        let closed = self.process.closed.clone();
        let event = match &self.source {
            Source::Local(active) => {
                let active = Arc::clone(active);
                closed.run_until_cancelled(next_local(&active, self.cursor)).await??
            }
            Source::Store(id) => {
                let id = *id;
                closed.run_until_cancelled(self.next_stored(id)).await??
            }
        };
        self.cursor = Some(event.sequence);
        self.status = Some(event.operation.status);
        self.has_ended = event.kind == EventKind::End;
        Some(event)
    }

    /// Reads the record until it has an event after the cursor. Returns `None` if there will be none.
    async fn next_stored(&self, id: OperationId) -> Option<OperationEvent> {
        // The first read of a subscription does not wait.
        let mut waits = self.status.is_some();
        loop {
            if std::mem::replace(&mut waits, true) {
                sleep(self.process.limits.interval).await;
            }
            match self.process.store.get(id).await {
                Ok(None) => return None,
                Ok(Some(operation)) => {
                    let is_known = self.cursor == Some(operation.sequence);
                    if operation.status.is_final() {
                        return (!is_known).then(|| OperationEvent::of_current_state(operation));
                    }
                    if self.cursor.is_none_or(|cursor| operation.sequence > cursor) {
                        let mut event = OperationEvent::of_current_state(operation);
                        if self.status == Some(event.operation.status) {
                            event.kind = EventKind::Progress;
                        }
                        return Some(event);
                    }
                }
                Err(error) => {
                    tracing::warn!(target: "koan::backup::http", operation = %id, %error, "an operation was not read");
                }
            }
        }
    }
}

/// Waits for the first event of an operation of this process after `cursor`.
async fn next_local(active: &ActiveOperation, cursor: Option<u64>) -> Option<OperationEvent> {
    let mut sequence = active.subscribe();
    loop {
        sequence.mark_unchanged();
        if let Some(event) = active.event_after(cursor) {
            return Some(event);
        }
        if active.left().is_cancelled() {
            return None;
        }
        tokio::select! {
            changed = sequence.changed() => changed.ok()?,
            () = active.left().cancelled() => {}
        }
    }
}
