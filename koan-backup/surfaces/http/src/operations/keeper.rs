//! Publishes the progress of the operations of this process, renews their leases, and reads cancellations that other
//! processes requested.

use std::collections::HashMap;
use std::sync::Arc;

use koan_backup_core::Result;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::active::ActiveOperation;
use super::process::Process;

/// Keeps the operations of this process until `stop` is cancelled or the server has stopped, and all operations have
/// ended.
pub(super) async fn keep(process: Arc<Process>, stop: CancellationToken) {
    let mut renewed_at = Instant::now();
    let mut was_successful = true;
    while !((stop.is_cancelled() || process.closed.is_cancelled()) && process.queue.is_idle()) {
        sleep(process.limits.interval).await;
        let active = process.queue.active();
        let began = Instant::now();
        let is_due = began.duration_since(renewed_at) >= process.limits.renewal_interval();
        let kept = keep_all(&process, &active, is_due).await;
        match &kept {
            Ok(()) if is_due => renewed_at = began,
            Ok(()) => {}
            Err(error) if was_successful => {
                tracing::warn!(target: "koan::backup::http", %error, "the leases of operations were not renewed");
            }
            Err(_) => {}
        }
        was_successful = kept.is_ok();
    }
}

async fn keep_all(process: &Process, active: &[Arc<ActiveOperation>], is_due: bool) -> Result<()> {
    if active.is_empty() {
        return Ok(());
    }
    let mut renewed = Vec::new();
    for active in active {
        active.publish_progress();
        if is_due || active.has_unsaved_progress() {
            renewed.push((active, active.renewal()));
        }
    }
    if !renewed.is_empty() {
        // The lease begins before the store confirms it, because other processes see the renewal before this one does.
        let until = Instant::now() + process.limits.lease_time;
        let renewals = renewed.iter().map(|(_, renewal)| renewal.clone()).collect();
        process.store.renew(process.owner.id, renewals).await?;
        for (active, renewal) in renewed {
            active.renewed(&renewal, until);
        }
    }
    let held = process.store.held(process.owner.id).await?;
    let mut held: HashMap<_, _> = held.into_iter().map(|held| (held.id, held.cancellation)).collect();
    for active in active {
        match held.remove(&active.id()) {
            // Another process has recorded the operation as interrupted, or it has just ended here.
            None => active.lose_lease(),
            Some(Some(cancellation)) => active.request_cancellation(cancellation),
            Some(None) => {}
        }
    }
    Ok(())
}
