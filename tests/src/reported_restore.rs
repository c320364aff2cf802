//! Checks that viability or a dry run reports the reason for which a restore fails.

use koan_backup::{
    Error, ErrorKind, Result,
    builders::RestoreBuilder,
    report::{RestoreReport, ViabilityReport},
};

/// Runs viability and a dry run, and then the restore. If the restore fails, viability or the dry run must
/// have reported an error: viability reports reasons that depend only on the database, and the dry run
/// reports reasons that depend on values.
///
/// # Panics
/// Panics if the restore fails and neither viability nor the dry run reported an error.
pub async fn restore_as_reported(restore: impl Fn() -> RestoreBuilder) -> Result<RestoreReport> {
    let reported = viability_and_dry_run(&restore).await;
    let outcome = restore().await;
    if let Err(error) = &outcome {
        require_reported(error, &reported);
    }
    outcome
}

/// Runs a restore into a database with transactions. If the restore fails, the database is unchanged. In this
/// case, runs viability and a dry run, at least one of which must report an error.
///
/// # Panics
/// Panics if the restore fails and neither viability nor the dry run reports an error.
pub async fn restore_or_reported(restore: impl Fn() -> RestoreBuilder) -> Result<RestoreReport> {
    let outcome = restore().await;
    if let Err(error) = &outcome {
        require_reported(error, &viability_and_dry_run(&restore).await);
    }
    outcome
}

/// Returns the results of viability and of the dry run.
async fn viability_and_dry_run(
    restore: &impl Fn() -> RestoreBuilder,
) -> (Result<ViabilityReport>, Result<RestoreReport>) {
    (restore().viability().await, restore().dry_run().await)
}

fn require_reported(error: &Error, reported: &(Result<ViabilityReport>, Result<RestoreReport>)) {
    let (viability, dry_run) = reported;
    let is_reported = !viability.as_ref().is_ok_and(ViabilityReport::is_viable) || dry_run.is_err();
    assert!(
        is_reported || arises_during_restore(error),
        "a restore failed, and neither viability nor a dry run reported an error: {}\n{viability:?}\n{dry_run:?}",
        error.chain()
    );
}

/// Returns whether the cause of an error can arise during the restore, so that viability cannot report it.
fn arises_during_restore(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::Timeout | ErrorKind::Busy | ErrorKind::Storage)
}
