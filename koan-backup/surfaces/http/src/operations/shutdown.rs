//! Ends the operations of this process.

use koan_backup_core::{Error, ErrorKind, Result};
use tokio::time::timeout;

use super::operation::Cancellation;
use super::process::Process;

/// Refuses new operations, cancels those that have not ended, and waits until their ends are recorded.
pub(super) async fn shut_down(process: &Process) -> Result<()> {
    let limit = process.limits.shutdown_time;
    process.queue.stop(&process.cancellation(Cancellation::SHUTDOWN));
    if timeout(limit, process.queue.idle()).await.is_err() {
        for active in process.queue.active() {
            active.abort().cancel();
        }
    }
    let recorded = timeout(limit, process.queue.idle()).await;
    let unrecorded: Vec<_> = process.queue.active().iter().map(|active| active.id().to_string()).collect();
    process.abandon.cancel();
    process.closed.cancel();
    if recorded.is_ok() {
        return Ok(());
    }
    let text = format!("the end of these operations could not be recorded: {}", unrecorded.join(", "));
    Err(Error::new(ErrorKind::Storage, text)
        .with_help("they are recorded as interrupted when their leases have expired and a server runs"))
}
