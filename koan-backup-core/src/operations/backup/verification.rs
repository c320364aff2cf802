//! Reading a backup back once it was published.

use tokio::time::timeout;

use super::options::BackupOptions;
use super::report::BackupReport;
use crate::archive::{BackupStatus, manifest_path};
use crate::catalog::{self, VerificationRecord, damage};
use crate::environment::Environment;
use crate::environment::event::Listener;
use crate::environment::lease::{Lease, Subject, Work};
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::foundation::json::document;
use crate::operations::maintenance::verifications;
use crate::operations::verify::{self, VerifyOptions, VerifyReport};
use crate::storage::{PATIENCE, Storage};

/// How often the verification starts again because somebody else replaced the manifest meanwhile.
const ATTEMPTS: usize = 3;

/// Reads manifest and archive back from the storage, as a restore will find them, and verifies them. If somebody encrypts the backup for
/// other recipients meanwhile, what is stored then is verified.
///
/// # Errors
/// The backup is damaged: its manifest gets the status failed, and the catalog shows why. Or somebody removed it meanwhile
/// ([`ErrorKind::Conflict`]). Or it could not be read: it stays as it is, and is not known to be good.
pub(super) async fn verified(
    environment: &Environment,
    storage: &Storage,
    report: BackupReport,
    options: &BackupOptions,
    listener: &Listener,
) -> Result<BackupReport> {
    let reading = ReadingBack { environment, storage, report: &report, options, listener };
    let verification = reading.verify().await?;
    let record = VerificationRecord { verified_at: environment.clock.now() };
    let kept = timeout(PATIENCE, verifications::keep(storage, report.id(), &record)).await;
    if let Err(error) = kept.unwrap_or_else(|_| Err(storage.unanswering())) {
        tracing::warn!(target: "koan::backup", backup = %report.id(), error = %error.chain(), "a verification was not recorded; maintenance verifies the backup again");
    }
    Ok(report.with_verification(record.verified_at, verification))
}

struct ReadingBack<'a> {
    environment: &'a Environment,
    storage: &'a Storage,
    report: &'a BackupReport,
    options: &'a BackupOptions,
    listener: &'a Listener,
}

impl ReadingBack<'_> {
    async fn verify(&self) -> Result<VerifyReport> {
        let (id, place) = (self.report.id(), self.storage.location());
        // What this backup published; a verification that starts again begins with what somebody else published since then.
        let mut expected = self.written()?;
        for _ in 0..ATTEMPTS {
            let error = match self.read_back(&expected).await {
                Ok(verification) => return Ok(verification),
                Err(error) if error.kind() == ErrorKind::Cancelled => return Err(unknown(error, id, place)),
                Err(error) => error,
            };
            // Before anything is said of the backup: somebody may have replaced or removed it while it was read.
            match catalog::published_soon(self.storage, &id).await {
                Ok(Some(now)) if now != expected && is_replaced(&expected, &now) => expected = now,
                Ok(None) => {
                    let text = format!(
                        "backup {id} was published in storage `{place}` and is not there any more: somebody removed it before it was \
                         read back, or the storage lost it"
                    );
                    return Err(Error::with_source(ErrorKind::Conflict, text, error));
                }
                // A manifest that cannot be parsed, or that differs in anything else, is damage.
                Ok(Some(now)) if is_damage(&error) => return Err(self.damaged(Some(&now), error).await),
                Ok(Some(_)) => return Err(unknown(error, id, place)),
                Err(unread) if is_damage(&unread) => return Err(self.damaged(None, unread).await),
                Err(unread) => return Err(unknown(unread, id, place)),
            }
        }
        let text = format!("backup {id} was replaced by others each time that it was read back");
        Err(unknown(Error::new(ErrorKind::Conflict, text), id, place))
    }

    fn written(&self) -> Result<serde_json::Value> {
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
                let text = format!("`{}` is not what was written", manifest_path(&id));
                return Err(Error::new(ErrorKind::Corrupt, text));
            }
            let identities = verify::identities_for(environment, &found.manifest).await?;
            Ok((verify::opened(found, &identities).await?, identities))
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
            // What failed is known; what is in the archive must be whole.
            false => verification.require_intact(),
        }
    }

    /// The error of a backup that is damaged. Its manifest, if it can be parsed, is marked as failed if it is still the one that was
    /// judged.
    async fn damaged(&self, judged: Option<&serde_json::Value>, error: Error) -> Error {
        let (id, place) = (self.report.id(), self.storage.location());
        let marked = timeout(PATIENCE, self.mark_damaged(judged, &error)).await;
        let outcome = match marked.unwrap_or_else(|_| Err(self.storage.unanswering())) {
            Ok(Marked::Failed) => "its manifest says that it failed; back up again".to_owned(),
            Ok(Marked::Unparsed) => format!(
                "`{}` cannot be parsed and was left as it is, and the damage is recorded; `koan.catalog().recover()` verifies the \
                 archive and publishes its manifest again, or delete the backup and back up again",
                manifest_path(&id)
            ),
            Err(unmarked) => {
                format!("that could not be recorded ({}); delete it and back up again", unmarked.chain())
            }
        };
        error.context(format!(
            "backup {id} was published in storage `{place}` and is damaged as it was read back from there; {outcome}"
        ))
    }

    /// Takes back that the backup was completed, so that neither a restore by name nor a retention counts on it. Nobody rekeys or
    /// deletes it meanwhile, because the lease of those who rekey it is held.
    async fn mark_damaged(&self, judged: Option<&serde_json::Value>, error: &Error) -> Result<Marked> {
        let (environment, storage, id) = (self.environment, self.storage, self.report.id());
        let work = Work { backup: Some(id), archive: None };
        let never = tokio_util::sync::CancellationToken::new();
        let lease = Lease::acquire(environment, storage, Subject::Rekey(id), work, &never).await?;
        let marked = async {
            let found_at = environment.clock.now();
            let manifest = match (judged, catalog::published(storage, &id).await) {
                (Some(judged), Ok(Some(now))) if now == *judged => Some(now),
                // A manifest that cannot be parsed is no backup.
                (None, Err(unread)) if is_damage(&unread) => None,
                _ => {
                    let text =
                        format!("backup {id} was changed meanwhile by somebody else, and is as they left it");
                    return Err(Error::new(ErrorKind::Conflict, text));
                }
            };
            let kept = damage::keep(storage, id, found_at, Some(&error.chain())).await;
            let replaced = match manifest {
                Some(manifest) => {
                    let path = manifest_path(&id);
                    let content = document(&failed(manifest));
                    let written = storage.replace(&path, content);
                    lease.step(&format!("`{path}` was written"), written).await.map(|()| Marked::Failed)
                }
                None => Ok(Marked::Unparsed),
            };
            kept.and(replaced)
        };
        let marked = marked.await;
        lease.release().await;
        marked
    }
}

/// How a damaged backup was marked.
enum Marked {
    /// Its manifest has the status failed, and the damage is recorded.
    Failed,
    /// Its manifest cannot be parsed and is as it was. The damage is recorded.
    Unparsed,
}

/// The manifest of a backup that turned out to be damaged.
fn failed(mut manifest: serde_json::Value) -> serde_json::Value {
    manifest["status"] = serde_json::to_value(BackupStatus::Failed).unwrap_or_default();
    manifest["error"] =
        "the stored archive was found to be damaged when it was read back after publication".into();
    manifest
}

/// Whether an error says that what is stored is not what was written.
fn is_damage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Incompatible | ErrorKind::NotFound)
}

/// Whether a manifest is that of the same backup in another archive, as a rekey publishes it.
fn is_replaced(before: &serde_json::Value, now: &serde_json::Value) -> bool {
    let file = |manifest: &serde_json::Value| manifest.pointer("/archive/file").cloned();
    before.get("id") == now.get("id") && file(now).is_some() && file(before) != file(now)
}

fn unknown(error: Error, id: BackupId, place: &str) -> Error {
    error.context(format!(
        "backup {id} was published in storage `{place}` and could not be read back to verify it; it is not known to be good: verify \
         it later"
    ))
}
