//! The stream of the events of an operation for one subscriber.

use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt as _};
use tokio::time::sleep;

use super::active::ActiveOperation;
use super::events::{EventKind, OperationEvent};
use super::identifier::OperationId;
use super::operation::OperationStatus;
use super::process::Process;

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
