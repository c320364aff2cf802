//! A property of every restore: what made it fail had been reported before it started.

use koan_backup::{
    Error, ErrorKind, Result,
    builders::RestoreBuilder,
    report::{RestoreReport, ViabilityReport},
};

/// Restores. When the restore is refused, viability or the dry run had reported it: the first for what depends on the database
/// alone, the second for what depends on values.
///
/// # Panics
/// The restore was refused for a reason that neither of them reported.
pub async fn restore_as_reported(restore: impl Fn() -> RestoreBuilder) -> Result<RestoreReport> {
    let reported = reported(&restore).await;
    let ended = restore().await;
    if let Err(error) = &ended {
        require_reported(error, &reported);
    }
    ended
}

/// Restores into a database with transactions, and looks at what was reported only if the restore is refused: the database is then as it
/// was before.
///
/// # Panics
/// The restore was refused for a reason that neither viability nor the dry run reports.
pub async fn restore_or_reported(restore: impl Fn() -> RestoreBuilder) -> Result<RestoreReport> {
    let ended = restore().await;
    if let Err(error) = &ended {
        require_reported(error, &reported(&restore).await);
    }
    ended
}

/// What viability and the dry run of a restore say.
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

/// Whether the reason of a failure cannot have existed before the restore started.
fn came_up_later(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::Timeout | ErrorKind::Busy | ErrorKind::Storage)
}
