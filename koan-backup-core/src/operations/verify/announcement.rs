//! The event of the end of a verification.

use crate::catalog::StoredBackup;
use crate::environment::event::{Event, Listener, VerificationOutcome};

/// Announces the end of a verification.
pub(crate) fn announce(
    listener: &Listener,
    backup: &StoredBackup<'_>,
    is_complete: bool,
    outcome: VerificationOutcome,
) {
    listener.emit(|| Event::VerificationFinished {
        id: backup.manifest.id,
        name: backup.manifest.name.clone(),
        series: backup.manifest.series_name(),
        is_complete,
        outcome,
    });
}
