//! A property of every restore: what made it fail had been reported before it started.

use koan_backup::{Error, ErrorKind, RestoreBuilder, RestoreReport, Result};

/// Restores. When the restore is refused, viability or the dry run had reported it: the first for what depends on the database
/// alone, the second for what depends on values.
///
/// # Panics
/// The restore was refused for a reason that neither of them reported.
pub async fn restore_as_reported(restore: impl Fn() -> RestoreBuilder) -> Result<RestoreReport> {
    let viability = restore().viability().await;
    let dry_run = restore().dry_run().await;
    let ended = restore().await;
    if let Err(error) = &ended
        && !came_up_later(error)
    {
        let is_reported = !viability.as_ref().is_ok_and(koan_backup::ViabilityReport::is_viable);
        assert!(
            is_reported || dry_run.is_err(),
            "a restore was refused, and neither viability nor a dry run reported it: {}\n{viability:?}\n{dry_run:?}",
            error.chain()
        );
    }
    ended
}

/// Whether the reason of a failure cannot have existed before the restore started.
fn came_up_later(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::Timeout | ErrorKind::Busy | ErrorKind::Storage)
}
