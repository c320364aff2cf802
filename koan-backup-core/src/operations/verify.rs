//! Verifies backups: every hash, count and record of an archive, in parallel.

mod announcement;
mod contents;
mod entity;
mod options;
mod report;
mod selected;

use std::sync::Arc;

pub(crate) use announcement::announce;
pub use options::{VerifyOptions, VerifyScope};
pub use report::{EntityVerification, Issue, VerifyReport};
pub(crate) use selected::Selected;

use crate::catalog::{self, StoredBackup};
use crate::encryption::Identities;
use crate::environment::Environment;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, ErrorKind, Result};

/// Verifies a backup and returns the issues in a report. Encrypted content is checked as far as the
/// identities decrypt it.
///
/// # Errors
/// The storage cannot be read, or the verification was cancelled. The state of the backup is unknown then.
pub(crate) async fn run(
    environment: &Environment,
    backup: &StoredBackup<'_>,
    options: &VerifyOptions,
    identities: &Arc<Identities>,
) -> Result<VerifyReport> {
    let verified = Box::pin(contents::verify(environment, backup, options, identities));
    until_cancelled(&options.cancel, verified).await
}

/// Verifies a stored backup and returns a description of its damage, or `None` if it is valid.
///
/// # Errors
/// The storage cannot be read, or the verification was cancelled. The state of the backup is unknown then.
pub(crate) async fn problem(
    environment: &Environment,
    backup: &StoredBackup<'_>,
    options: &VerifyOptions,
) -> Result<Option<String>> {
    let cancel = &options.cancel;
    let identities = until_cancelled(cancel, environment.identities_for(&backup.manifest)).await?;
    let verified = match until_cancelled(cancel, backup.clone().opened(&identities)).await {
        Ok(backup) => {
            let report = run(environment, &backup, options, &identities).await?;
            require_sound(&backup, report)
        }
        Err(error) => Err(error),
    };
    match verified {
        Ok(_) => Ok(None),
        Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Incompatible) => {
            Ok(Some(error.chain()))
        }
        Err(error) => Err(error),
    }
}

/// Returns the report if the backup contains everything that it should: a backup in which some entities failed must
/// still contain the other entities completely.
pub(crate) fn require_sound(backup: &StoredBackup<'_>, report: VerifyReport) -> Result<VerifyReport> {
    match backup.manifest.status.is_complete() {
        true => report.require_valid(),
        false => report.require_intact(),
    }
}

/// The result of a verification that is recorded in the storage.
#[derive(Debug)]
pub(crate) struct RecordedVerification {
    /// A description of the damage, if there is any.
    pub(crate) problem: Option<String>,
    /// Whether the result could be recorded. The caller reports the problem in any case.
    pub(crate) recorded: Result<()>,
}

/// Verifies a stored backup as [`problem`] does, and records the result, so that the catalog of every process
/// shows it.
///
/// # Errors
/// The errors of [`problem`]. In addition, [`ErrorKind::Conflict`] if the backup was removed or rekeyed
/// meanwhile, which is not damage.
pub(crate) async fn verify_and_record(
    environment: &Environment,
    backup: &StoredBackup<'_>,
    options: &VerifyOptions,
) -> Result<RecordedVerification> {
    let problem = problem(environment, backup, options).await?;
    record(environment, backup, problem).await
}

/// Records the result of a verification of everything in a stored backup.
///
/// # Errors
/// The storage cannot be read, or [`ErrorKind::Conflict`] if the backup is damaged, but was removed or rekeyed
/// meanwhile.
pub(crate) async fn record(
    environment: &Environment,
    backup: &StoredBackup<'_>,
    problem: Option<String>,
) -> Result<RecordedVerification> {
    let (storage, id) = (backup.storage, backup.manifest.id);
    if problem.is_some() && catalog::published(storage, &id).await?.as_ref() != Some(&backup.published) {
        let text = format!("backup {id} was removed or changed while it was verified; try again");
        return Err(Error::new(ErrorKind::Conflict, text));
    }
    let recorded = catalog::damage::record(storage, id, environment.clock.now(), problem.as_ref()).await;
    Ok(RecordedVerification { problem, recorded })
}
