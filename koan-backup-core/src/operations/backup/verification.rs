//! Verifies a backup after its publication by reading it back from the storage.

use tokio::time::timeout;

use super::options::BackupOptions;
use super::report::BackupReport;
use crate::archive::{BackupStatus, manifest_path};
use crate::catalog::{self, VerificationRecord, damage};
use crate::environment::Environment;
use crate::environment::event::{Event, Listener, VerificationOutcome};
use crate::environment::lease::{Lease, LeasedWork, Subject};
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::foundation::json::document;
use crate::operations::maintenance::verifications;
use crate::operations::verify::{self, VerifyOptions, VerifyReport};
use crate::storage::{CLEANUP_TIMEOUT, Storage};

/// The maximum number of attempts to verify a backup. A verification is repeated when another process has
/// replaced the manifest.
const MAX_ATTEMPTS: usize = 3;

/// Reads manifest and archive back from the storage, as a restore would, and verifies them. If another
/// process rekeys the backup meanwhile, the new archive is verified.
///
/// # Errors
/// - The backup is damaged. Its manifest gets the status `failed`, and the catalog contains the reason.
/// - Another process has removed the backup ([`ErrorKind::Conflict`]).
/// - The backup could not be read. The backup is unchanged, and it is not known whether it is valid.
pub(super) async fn verify_published(
    environment: &Environment,
    storage: &Storage,
    report: BackupReport,
    options: &BackupOptions,
    listener: &Listener,
) -> Result<BackupReport> {
    let verifier = PublishedVerifier { environment, storage, report: &report, options, listener };
    let verified = verifier.verify().await;
    let outcome = match &verified {
        Ok(_) => VerificationOutcome::Valid,
        Err(error) if is_damage(error) => VerificationOutcome::Damaged { problem: error.chain() },
        Err(error) => VerificationOutcome::Unknown { error: error.chain() },
    };
    listener.emit(|| Event::VerificationFinished {
        id: report.id(),
        name: report.manifest().name.clone(),
        series: report.series(),
        is_complete: true,
        outcome,
    });
    let verification = verified?;
    let record = VerificationRecord { verified_at: environment.clock.now() };
    let recorded = timeout(CLEANUP_TIMEOUT, verifications::write(storage, report.id(), &record)).await;
    if let Err(error) = recorded.unwrap_or_else(|_| Err(storage.timeout_error())) {
        tracing::warn!(
            target: "koan::backup", backup = %report.id(), error = %error.chain(),
            "a verification was not recorded; maintenance verifies the backup again"
        );
    }
    Ok(report.with_verification(record.verified_at, verification))
}

struct PublishedVerifier<'a> {
    environment: &'a Environment,
    storage: &'a Storage,
    report: &'a BackupReport,
    options: &'a BackupOptions,
    listener: &'a Listener,
}

impl PublishedVerifier<'_> {
    async fn verify(&self) -> Result<VerifyReport> {
        let (id, location) = (self.report.id(), self.storage.location());
        // `expected` is at first the manifest that this backup published, and after a retry the manifest that
        // replaced it.
        let mut expected = self.published_manifest()?;
        for _ in 0..MAX_ATTEMPTS {
            let error = match self.read_back(&expected).await {
                Ok(verification) => return Ok(verification),
                Err(error) if error.kind() == ErrorKind::Cancelled => {
                    return Err(not_verified(error, id, location));
                }
                Err(error) => error,
            };
            // Another process may have replaced or removed the backup while it was read.
            match catalog::published_in_time(self.storage, &id).await {
                Ok(Some(current)) if current != expected && is_rekeyed(&expected, &current) => {
                    expected = current
                }
                Ok(None) => {
                    let text = format!(
                        "backup {id} was published in storage `{location}` and no longer exists: another \
                         process removed it before it was read back, or the storage lost it"
                    );
                    return Err(Error::with_source(ErrorKind::Conflict, text, error));
                }
                // A manifest is damaged if it cannot be parsed, or if it differs from the published manifest
                // in values that a rekey does not change.
                Ok(Some(current)) if is_damage(&error) => {
                    return Err(self.report_damage(Some(&current), error).await);
                }
                Ok(Some(_)) => return Err(not_verified(error, id, location)),
                Err(read_error) if is_damage(&read_error) => {
                    return Err(self.report_damage(None, read_error).await);
                }
                Err(read_error) => return Err(not_verified(read_error, id, location)),
            }
        }
        let text = format!("backup {id} was replaced by another process each time that it was read back");
        Err(not_verified(Error::new(ErrorKind::Conflict, text), id, location))
    }

    fn published_manifest(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.report.manifest().published().to_json()).map_err(|source| {
            Error::with_source(ErrorKind::Internal, "the manifest that was published is not JSON", source)
        })
    }

    async fn read_back(&self, expected: &serde_json::Value) -> Result<VerifyReport> {
        let Self { environment, storage, report, options, listener } = self;
        let id = report.id();
        let opened = async {
            let found = catalog::find_id(storage, id).await?;
            if found.published != *expected {
                let text = format!("`{}` differs from what was written", manifest_path(&id));
                return Err(Error::new(ErrorKind::Corrupt, text));
            }
            let identities = environment.identities_for(&found.manifest).await?;
            Ok((found.opened(&identities).await?, identities))
        };
        let (found, identities) = until_cancelled(&options.cancel, opened).await?;
        let verifying = VerifyOptions {
            cancel: options.cancel.clone(),
            listener: (*listener).clone(),
            ..VerifyOptions::default()
        };
        let verification = verify::run(environment, &found, &verifying, &identities).await?;
        match report.is_complete() {
            true => verification.require_valid(),
            // The entities that failed are known; those in the archive must be intact.
            false => verification.require_intact(),
        }
    }

    /// Marks a damaged backup as failed, if its manifest has not changed since the verification, and returns
    /// the error to report.
    async fn report_damage(&self, verified: Option<&serde_json::Value>, error: Error) -> Error {
        let (id, location) = (self.report.id(), self.storage.location());
        let marked = timeout(CLEANUP_TIMEOUT, self.mark_damaged(verified, &error)).await;
        let outcome = match marked.unwrap_or_else(|_| Err(self.storage.timeout_error())) {
            Ok(MarkOutcome::Failed) => "its manifest now has the status failed; make a new backup".to_owned(),
            Ok(MarkOutcome::Unparsed) => format!(
                "`{}` cannot be parsed and was not changed, and the damage is recorded; \
                 `koan.catalog().recover()` verifies the archive and publishes its manifest again, or delete \
                 the backup and make a new one",
                manifest_path(&id)
            ),
            Err(mark_error) => {
                format!(
                    "the damage could not be recorded ({}); delete the backup and make a new one",
                    mark_error.chain()
                )
            }
        };
        error.context(format!(
            "backup {id} was published in storage `{location}`, but the backup that was read back from there \
             is damaged; {outcome}"
        ))
    }

    /// Changes the status of the backup to failed, so that neither a restore by name nor a prune relies on
    /// it. The rekey lease is held during the change, so no other process can rekey or delete the backup.
    async fn mark_damaged(&self, verified: Option<&serde_json::Value>, error: &Error) -> Result<MarkOutcome> {
        let (environment, storage, id) = (self.environment, self.storage, self.report.id());
        let work = LeasedWork { backup: Some(id), archive: None };
        let no_cancellation = tokio_util::sync::CancellationToken::new();
        let lease = Lease::acquire(environment, storage, Subject::Rekey(id), work, &no_cancellation).await?;
        let marked = async {
            let found_at = environment.clock.now();
            let manifest = match (verified, catalog::published(storage, &id).await) {
                (Some(verified), Ok(Some(current))) if current == *verified => Some(current),
                // A manifest that cannot be parsed cannot be marked.
                (None, Err(read_error)) if is_damage(&read_error) => None,
                _ => {
                    let text = format!(
                        "another process changed backup {id} meanwhile, so its status was not changed"
                    );
                    return Err(Error::new(ErrorKind::Conflict, text));
                }
            };
            let recorded = damage::record(storage, id, found_at, Some(&error.chain())).await;
            let replaced = match manifest {
                Some(manifest) => {
                    let path = manifest_path(&id);
                    let content = document(&with_failed_status(manifest));
                    let written = storage.replace(&path, content);
                    lease.step(&format!("`{path}` was written"), written).await.map(|()| MarkOutcome::Failed)
                }
                None => Ok(MarkOutcome::Unparsed),
            };
            recorded.and(replaced)
        };
        let marked = marked.await;
        lease.release().await;
        marked
    }
}

/// The result of marking a damaged backup.
enum MarkOutcome {
    /// Its manifest has the status failed, and the damage is recorded.
    Failed,
    /// Its manifest cannot be parsed and was not changed. The damage is recorded.
    Unparsed,
}

/// Returns the manifest of a damaged backup: with the status failed and an error.
fn with_failed_status(mut manifest: serde_json::Value) -> serde_json::Value {
    manifest["status"] = serde_json::to_value(BackupStatus::Failed).unwrap_or_default();
    manifest["error"] =
        "the stored archive was found to be damaged when it was read back after publication".into();
    manifest
}

/// Returns whether an error means that the storage does not contain what was written.
fn is_damage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Incompatible | ErrorKind::NotFound)
}

/// Returns whether `current` is the manifest of the same backup with another archive, as a rekey publishes
/// it.
fn is_rekeyed(before: &serde_json::Value, current: &serde_json::Value) -> bool {
    let file = |manifest: &serde_json::Value| manifest.pointer("/archive/file").cloned();
    before.get("id") == current.get("id") && file(current).is_some() && file(before) != file(current)
}

fn not_verified(error: Error, id: BackupId, location: &str) -> Error {
    error.context(format!(
        "backup {id} was published in storage `{location}` and could not be read back, so it is not known \
         whether it is valid: verify it later"
    ))
}
