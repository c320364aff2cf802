//! Checks that viability or a dry run reports the reason of a failure before the restore starts.

use koan_backup::{
    Error, ErrorKind, Result,
    builders::RestoreBuilder,
    report::{RestoreReport, ViabilityReport},
};

/// Runs a restore. If the restore fails, viability must have reported reasons that depend only on the
/// database, and the dry run must have reported reasons that depend on values.
///
/// # Panics
/// Panics if the restore fails for a reason that neither of them reported.
pub async fn restore_as_reported(restore: impl Fn() -> RestoreBuilder) -> Result<RestoreReport> {
    let reported = reported(&restore).await;
    let ended = restore().await;
    if let Err(error) = &ended {
        require_reported(error, &reported);
    }
    ended
}

/// Runs a restore into a database with transactions. Viability and the dry run run only if the restore fails,
/// because the database is then unchanged.
///
/// # Panics
/// Panics if the restore fails for a reason that neither viability nor the dry run reports.
pub async fn restore_or_reported(restore: impl Fn() -> RestoreBuilder) -> Result<RestoreReport> {
    let ended = restore().await;
    if let Err(error) = &ended {
        require_reported(error, &reported(&restore).await);
    }
    ended
}

/// Returns the results of viability and of the dry run.
async fn reported(restore: &impl Fn() -> RestoreBuilder) -> (Result<ViabilityReport>, Result<RestoreReport>) {
    (restore().viability().await, restore().dry_run().await)
}

fn require_reported(error: &Error, reported: &(Result<ViabilityReport>, Result<RestoreReport>)) {
    let (viability, dry_run) = reported;
    let is_reported = !viability.as_ref().is_ok_and(ViabilityReport::is_viable) || dry_run.is_err();
    assert!(
        is_reported || came_up_later(error),
        "a restore was refused, and neither viability nor a dry run reported it: {}\n{viability:?}\n{dry_run:?}",
        error.chain()
    );
}

/// Returns whether the reason of a failure can only occur after the restore started.
fn came_up_later(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::Timeout | ErrorKind::Busy | ErrorKind::Storage)
}
