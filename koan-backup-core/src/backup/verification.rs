//! Reading a backup back once it was published.

use jiff::Timestamp;

use super::options::BackupOptions;
use super::report::BackupReport;
use crate::archive::{BackupStatus, manifest_path};
use crate::catalog::{self, VerificationRecord};
use crate::environment::Environment;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Listener;
use crate::id::BackupId;
use crate::maintenance::verifications;
use crate::storage::Storage;
use crate::verify::{self, VerifyOptions, VerifyReport};

/// Reads manifest and archive back from the storage, as a restore will find them, and verifies them.
///
/// # Errors
/// The backup is damaged: its manifest gets the status failed, and the catalog shows why. Or it could not be read: it stays as it
/// is, and is not known to be good.
pub(super) async fn verified(
    environment: &Environment,
    storage: &Storage,
    report: BackupReport,
    options: &BackupOptions,
    listener: &Listener,
) -> Result<BackupReport> {
    let id = report.id();
    let place = storage.location();
    match read_back(environment, storage, &report, options, listener).await {
        Ok(verification) => {
            let record = VerificationRecord { verified_at: environment.clock.now() };
            if let Err(error) = verifications::keep(storage, id, &record).await {
                tracing::warn!(target: "koan::backup", backup = %id, error = %error.chain(), "a verification was not recorded; maintenance verifies the backup again");
            }
            Ok(report.with_verification(record.verified_at, verification))
        }
        Err(error)
            if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Incompatible | ErrorKind::NotFound) =>
        {
            let marked = mark_damaged(storage, id, environment.clock.now(), &error).await;
            let outcome = match marked {
                Ok(()) => "its manifest says that it failed; back up again".to_owned(),
                Err(unmarked) => format!("that could not be recorded ({}); delete it and back up again", unmarked.chain()),
            };
            Err(error.context(format!(
                "backup {id} was published in storage `{place}` and is damaged as it was read back from there; {outcome}"
            )))
        }
        Err(error) => Err(error.context(format!(
            "backup {id} was published in storage `{place}` and could not be read back to verify it; it is not known to be good: \
             verify it later"
        ))),
    }
}

async fn read_back(
    environment: &Environment,
    storage: &Storage,
    report: &BackupReport,
    options: &BackupOptions,
    listener: &Listener,
) -> Result<VerifyReport> {
    let id = report.id();
    let found = catalog::find_id(storage, id).await?;
    let written = serde_json::from_slice::<serde_json::Value>(&report.manifest().published().to_json());
    if !written.is_ok_and(|written| written == found.published) {
        let text = format!("`{}` is not what was written", manifest_path(&id));
        return Err(Error::new(ErrorKind::Corrupt, text));
    }
    let identities = verify::identities_for(environment, &found.manifest).await?;
    let found = verify::opened(found, &identities).await?;
    let verifying = VerifyOptions {
        cancel: options.cancel.clone(),
        listener: listener.clone(),
        ..VerifyOptions::default()
    };
    let verification = verify::run(environment, &found, &verifying, &identities).await?;
    match report.is_complete() {
        true => verification.require_valid(),
        // What failed is known; what is in the archive must be whole.
        false => verification.require_intact(),
    }
}

/// Takes back that the backup was completed, so that neither a restore by name nor a retention counts on it.
async fn mark_damaged(storage: &Storage, id: BackupId, found_at: Timestamp, error: &Error) -> Result<()> {
    let kept = catalog::damage::keep(storage, id, found_at, Some(&error.chain())).await;
    let replaced = match catalog::published(storage, &id).await {
        Ok(Some(mut manifest)) => {
            manifest["status"] = serde_json::to_value(BackupStatus::Failed).unwrap_or_default();
            manifest["error"] =
                "the stored archive was found to be damaged when it was read back after publication".into();
            storage.replace(&manifest_path(&id), crate::archive::document(&manifest)).await
        }
        // Without a manifest there is no backup.
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    kept.and(replaced)
}
