//! Drives one operation from its place in the queue to its recorded end.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::active::ActiveOperation;
use super::operation::OperationStatus;
use super::outcome::Outcome;
use super::process::Process;
use super::store::{Claim, Finished, OperationEnd};
use super::work::{Work, WorkContext};

/// The delay before a write to the store is tried again. It doubles with each attempt.
const MIN_RETRY_DELAY: Duration = Duration::from_millis(100);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(5);

/// Runs an operation and records its end.
pub(super) async fn drive(process: Arc<Process>, active: Arc<ActiveOperation>, work: Work) {
    if let Some(outcome) = run(&process, &active, work).await {
        record_end(&process, &active, outcome).await;
    }
    process.queue.leave(active.id());
    active.left().cancel();
}

/// Runs the work. Returns `None` if the work did not stop before the server ended.
async fn run(process: &Process, active: &Arc<ActiveOperation>, work: Work) -> Option<Outcome> {
    tokio::select! {
        biased;
        () = active.stop_token().cancelled() => return Some(Outcome::cancelled_in_queue()),
        () = active.lease_lost() => return Some(Outcome::lease_lost()),
        () = active.turn().cancelled() => {}
    }
    if let Err(outcome) = record_start(process, active).await {
        return Some(outcome);
    }
    let context = WorkContext::new(Arc::clone(active));
    // A separate task contains a panic. The call of `work` itself belongs to the task as well.
    let mut task = tokio::spawn(async move { work(context).await });
    let lease_lost = async {
        active.lease_lost().await;
        active.lose_lease();
        active.stop_token().cancel();
        std::future::pending::<()>().await
    };
    let aborted = async {
        active.abort().cancelled().await;
    };
    tokio::select! {
        biased;
        ended = &mut task => return Some(Outcome::of_work(ended, active)),
        () = lease_lost => {}
        () = aborted => task.abort(),
    }
    let ended = process.abandon.run_until_cancelled(task).await?;
    Some(Outcome::of_work(ended, active))
}

/// Records that the work starts. It does not start before this is recorded.
async fn record_start(process: &Process, active: &ActiveOperation) -> Result<(), Outcome> {
    let mut delay = MIN_RETRY_DELAY;
    loop {
        let at = process.now();
        let sequence = active.snapshot().sequence + 1;
        match process.store.start(active.id(), process.owner.id, at, sequence).await {
            Ok(OperationStatus::Running) => {
                active.started(at);
                return Ok(());
            }
            Ok(OperationStatus::Cancelling) => return Err(Outcome::cancelled_in_queue()),
            Ok(_) => return Err(Outcome::lease_lost()),
            Err(error) => {
                let id = active.id();
                let text = "the start of an operation was not recorded";
                tracing::warn!(target: "koan::backup::http", operation = %id, %error, text);
            }
        }
        tokio::select! {
            biased;
            () = active.stop_token().cancelled() => return Err(Outcome::cancelled_in_queue()),
            () = active.lease_lost() => return Err(Outcome::lease_lost()),
            () = sleep(delay) => delay = (delay * 2).min(MAX_RETRY_DELAY),
        }
    }
}

/// Records the end, and tries again until the store has one. Only a shutdown ends the attempts; the lease of the
/// operation expires then.
async fn record_end(process: &Process, active: &ActiveOperation, outcome: Outcome) {
    let id = active.id();
    let (operation, progress) = active.begin_end();
    let end = OperationEnd {
        status: outcome.status,
        completed_at: process.now(),
        error: outcome.error,
        result: outcome.result,
        progress: Some(progress),
        cancellation: operation.cancellation,
        sequence: Some(operation.sequence + 1),
    };
    let mut delay = MIN_RETRY_DELAY;
    loop {
        match process.store.finish(id, Claim::Owner(process.owner.id), &end).await {
            Ok(Finished::Recorded(operation)) => return active.ended(*operation),
            // Another process has recorded the operation as interrupted; or the answer to an earlier attempt was lost.
            Ok(Finished::Refused(operation)) if operation.status.is_final() => {
                return active.ended(*operation);
            }
            Ok(Finished::Refused(_) | Finished::Missing) => {
                let text = "an operation belongs to another process";
                tracing::error!(target: "koan::backup::http", operation = %id, text);
                return;
            }
            Err(error) => {
                let text = "the end of an operation was not recorded";
                tracing::warn!(target: "koan::backup::http", operation = %id, %error, text);
            }
        }
        tokio::select! {
            biased;
            () = process.abandon.cancelled() => return,
            () = sleep(delay) => delay = (delay * 2).min(MAX_RETRY_DELAY),
        }
    }
}
