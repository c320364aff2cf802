//! A verification that was started for its own sake: its result is recorded in the storage and announced.

use std::sync::Arc;

use tokio::time::timeout;

use crate::catalog::{Origin, StoredBackup, VerificationRecord};
use crate::encryption::Identities;
use crate::environment::Environment;
use crate::environment::event::VerificationOutcome;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::operations::maintenance::verifications;
use crate::operations::verify::{self, VerifyOptions, VerifyReport};
use crate::storage::CLEANUP_TIMEOUT;

/// Verifies a backup, records the result if everything was verified, and announces the outcome. A result that cannot be
/// recorded is a note in the report.
///
/// # Errors
/// The storage cannot be read, or the verification was cancelled. The state of the backup is unknown then.
pub(crate) async fn run(
    environment: &Environment,
    backup: &StoredBackup<'_>,
    options: &VerifyOptions,
    identities: &Arc<Identities>,
) -> Result<VerifyReport> {
    let verified = verify_stored(environment, backup, options, identities).await;
    let outcome = match &verified {
        Ok(report) => outcome_of(backup, report),
        Err(error) => VerificationOutcome::Unknown { error: error.chain() },
    };
    let verified = match verified {
        Ok(mut report) if options.is_complete() => {
            report.notes.extend(record(environment, backup, &outcome).await);
            Ok(report)
        }
        verified => verified,
    };
    verify::announce(&options.listener, backup, options.is_complete(), outcome);
    verified
}

async fn verify_stored(
    environment: &Environment,
    backup: &StoredBackup<'_>,
    options: &VerifyOptions,
    identities: &Arc<Identities>,
) -> Result<VerifyReport> {
    let archive = backup.manifest.archive.as_ref().map(|archive| archive.file.clone());
    match until_cancelled(&options.cancel, backup.clone().opened(identities)).await {
        Ok(opened) => verify::run(environment, &opened, options, identities).await,
        Err(error) => {
            VerifyReport::from_damage(backup.manifest.id, &archive.unwrap_or_default(), options.scope, error)
        }
    }
}

fn outcome_of(backup: &StoredBackup<'_>, report: &VerifyReport) -> VerificationOutcome {
    match verify::require_sound(backup, report.clone()) {
        Ok(_) => VerificationOutcome::Valid,
        Err(error) => VerificationOutcome::Damaged { problem: error.chain() },
    }
}

/// Records the result as maintenance does. Returns a note if it is not recorded.
async fn record(
    environment: &Environment,
    backup: &StoredBackup<'_>,
    outcome: &VerificationOutcome,
) -> Option<String> {
    // Without an archive, there is nothing whose verification could be recorded.
    backup.manifest.archive.as_ref()?;
    // The types of another application may differ, so a record that does not decode here is no damage.
    if backup.manifest.producer.origin(&environment.identity) == Origin::Other {
        return Some(
            "the verification is not recorded, because another application made the backup".to_owned(),
        );
    }
    let problem = match outcome {
        VerificationOutcome::Damaged { problem } => Some(problem.clone()),
        _ => None,
    };
    let recorded = timeout(CLEANUP_TIMEOUT, async {
        verify::record(environment, backup, problem).await?.recorded?;
        let record = VerificationRecord { verified_at: environment.clock.now() };
        verifications::write(backup.storage, backup.manifest.id, &record).await
    });
    let recorded = recorded.await.unwrap_or_else(|_| Err(backup.storage.timeout_error()));
    recorded.err().map(|error| not_recorded(&error))
}

fn not_recorded(error: &Error) -> String {
    let consequence = match error.kind() {
        ErrorKind::Conflict => "another process changed the backup meanwhile",
        _ => "the storage cannot be written, so `list` does not show it",
    };
    format!("the verification is not recorded: {consequence} ({})", error.chain())
}
