//! Records operations as interrupted whose leases have expired, and removes old operations.

use std::sync::Arc;
use std::time::Duration;

use koan_backup_core::Result;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::outcome::Outcome;
use super::process::Process;
use super::sightings::Sightings;
use super::store::{Claim, Finished, LeaseSighting, OperationEnd};

/// The time between two removals of old operations.
const PURGE_INTERVAL: Duration = Duration::from_secs(600);

/// Sweeps the store until `stop` is cancelled or the server has stopped.
pub(super) async fn sweep(process: Arc<Process>, stop: CancellationToken) {
    let mut sightings = Sightings::default();
    let mut purged_at: Option<Instant> = None;
    let mut was_successful = true;
    loop {
        let mut swept = record_interrupted(&process, &mut sightings).await;
        if purged_at.is_none_or(|purged_at| purged_at.elapsed() >= PURGE_INTERVAL) {
            let purged = process.store.purge(&process.limits.history, process.now()).await;
            if purged.is_ok() {
                purged_at = Some(Instant::now());
            }
            swept = swept.and(purged.map(drop));
        }
        if let Err(error) = &swept
            && was_successful
        {
            tracing::warn!(target: "koan::backup::http", %error, "the operations of other processes were not read");
        }
        was_successful = swept.is_ok();
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = process.closed.cancelled() => return,
            () = sleep(process.limits.renewal_interval()) => {}
        }
    }
}

async fn record_interrupted(process: &Process, sightings: &mut Sightings) -> Result<()> {
    let mut leases = process.store.leases().await?;
    // The keeper knows the leases of this process. An operation of this process that is not in the queue was recorded
    // by a write whose effect was unknown.
    leases.retain(|lease| process.queue.find(lease.id).is_none());
    let mut recorded = Ok(());
    for lease in sightings.expired(leases, Instant::now()) {
        recorded = recorded.and(interrupt(process, lease).await);
    }
    recorded
}

async fn interrupt(process: &Process, lease: LeaseSighting) -> Result<()> {
    let outcome = Outcome::lease_expired();
    let end = OperationEnd {
        status: outcome.status,
        completed_at: process.now(),
        error: outcome.error,
        result: None,
        progress: None,
        cancellation: None,
        sequence: None,
    };
    let finished = process.store.finish(lease.id, Claim::Expired(lease), &end).await?;
    if let Finished::Recorded(operation) = finished {
        let (id, owner) = (operation.id, operation.owner.process);
        tracing::warn!(target: "koan::backup::http", operation = %id, process = owner, "an operation was interrupted");
    }
    Ok(())
}
