//! The queue of a target, and the task that delivers its notifications in their order.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Client;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::delivery::Persistence;
use crate::notification::Notification;
use crate::report::TargetReport;
use crate::target::Target;

/// The maximum number of notifications that wait for a target. Further ones are not sent.
const MAX_WAITING: usize = 256;

/// How often and how fast a delivery is repeated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retries {
    /// The number of attempts after the first one.
    pub(crate) count: u32,
    /// The time before the second attempt. It is four times as long before each further one.
    pub(crate) delay: Duration,
}

/// The queue of a target.
#[derive(Debug)]
pub(crate) struct Queue {
    sender: mpsc::Sender<Notification>,
    target: Arc<Target>,
    state: Arc<QueueState>,
    task: AbortHandle,
}

/// What the queue and its task share.
#[derive(Debug)]
struct QueueState {
    /// Cancelled when no further notification is accepted.
    closing: CancellationToken,
    /// Cancelled when the task has ended.
    ended: CancellationToken,
    counts: Mutex<Counts>,
    name: String,
}

#[derive(Debug, Default)]
struct Counts {
    accepted: u64,
    refused: u64,
    delivered: u64,
    failed: u64,
    last_problem: Option<String>,
}

impl Queue {
    /// Starts the task of a target on the current runtime.
    pub(crate) fn start(name: String, target: Target, client: Client, retries: Retries) -> Self {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        let target = Arc::new(target);
        let state = QueueState {
            closing: CancellationToken::new(),
            ended: CancellationToken::new(),
            counts: Mutex::default(),
            name,
        };
        let worker = Worker { target: Arc::clone(&target), client, retries, state: Arc::new(state) };
        let state = Arc::clone(&worker.state);
        let task = tokio::spawn(worker.run(receiver)).abort_handle();
        Self { sender, target, state, task }
    }

    /// Adds a notification if the target selects it. It does not wait: if the queue is full or closed, the
    /// notification is not sent.
    pub(crate) fn add(&self, notification: &Notification) {
        let Some(notification) = notification.selected_by(self.target.kinds()) else { return };
        // The lock is held, so that the task cannot count the delivery first.
        let mut counts = self.state.counts();
        match self.sender.try_send(notification) {
            Ok(()) => counts.accepted = counts.accepted.saturating_add(1),
            Err(_) => {
                counts.refused = counts.refused.saturating_add(1);
                drop(counts);
                tracing::warn!(
                    target: "koan::notify", to = self.state.name,
                    "a notification is not sent, because too many are waiting or the notifier is shut down"
                );
            }
        }
    }

    /// Accepts no further notification.
    pub(crate) fn close(&self) {
        self.state.closing.cancel();
    }

    /// Waits until everything was delivered or has failed.
    pub(crate) async fn ended(&self) {
        self.state.ended.cancelled().await;
    }

    /// Ends the task at once.
    pub(crate) fn abort(&self) {
        self.task.abort();
        self.state.ended.cancel();
    }

    pub(crate) fn report(&self) -> TargetReport {
        let counts = self.state.counts();
        let ended = counts.delivered.saturating_add(counts.failed);
        // What waits while the task is running is still sent.
        let waiting = match self.state.ended.is_cancelled() {
            true => counts.accepted.saturating_sub(ended),
            false => 0,
        };
        TargetReport {
            name: self.state.name.clone(),
            delivered: counts.delivered,
            failed: counts.failed,
            unsent: counts.refused.saturating_add(waiting),
            last_problem: counts.last_problem.clone(),
        }
    }
}

impl QueueState {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task of a target.
struct Worker {
    target: Arc<Target>,
    client: Client,
    retries: Retries,
    state: Arc<QueueState>,
}

impl Worker {
    /// Delivers until the queue is closed and empty.
    async fn run(self, mut receiver: mpsc::Receiver<Notification>) {
        // The token is also cancelled if the task is dropped, together with its runtime.
        let _ended = self.state.ended.clone().drop_guard();
        loop {
            let received = tokio::select! {
                biased;
                received = receiver.recv() => received,
                () = self.state.closing.cancelled(), if !receiver.is_closed() => {
                    receiver.close();
                    continue;
                }
            };
            let Some(notification) = received else { return };
            self.deliver(&notification).await;
        }
    }

    /// Delivers a notification, with several attempts.
    async fn deliver(&self, notification: &Notification) {
        let mut delay = self.retries.delay;
        for retries_left in (0..=self.retries.count).rev() {
            let Err(problem) = self.target.deliver(&self.client, notification).await else {
                let mut counts = self.state.counts();
                counts.delivered = counts.delivered.saturating_add(1);
                return;
            };
            self.state.counts().last_problem = Some(problem.text.clone());
            if retries_left == 0 || problem.persistence == Persistence::Permanent {
                let mut counts = self.state.counts();
                counts.failed = counts.failed.saturating_add(1);
                drop(counts);
                tracing::warn!(
                    target: "koan::notify", to = self.state.name, kind = %notification.kind,
                    series = notification.series, problem = problem.text, "a notification was not delivered"
                );
                return;
            }
            tokio::time::sleep(delay).await;
            delay = delay.saturating_mul(4);
        }
    }
}
