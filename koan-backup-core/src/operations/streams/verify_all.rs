//! Verifies many single backups.

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::read::identities_for;
use super::verify::{StreamVerification, require_unchanged, verify_stored};
use crate::catalog::Origin;
use crate::catalog::stream_backups::{
    StoredStreamBackup, StreamVerifications, UnreadableStreamBackup, list, read,
};
use crate::environment::Environment;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::storage::Storage;

/// The options of the verification of many single backups.
#[derive(Clone, Debug, Default)]
pub(crate) struct VerifyAllOptions {
    /// The storage profiles. An empty list means all.
    pub(crate) profiles: Vec<String>,
    /// The object name. By default, all are verified.
    pub(crate) object: Option<String>,
    pub(crate) cancel: CancellationToken,
}

/// A single backup that could not be verified, so it is not known whether it is damaged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UnverifiedStreamBackup {
    /// The id of the backup.
    pub id: BackupId,
    /// The object name, if the `.meta` could be read.
    pub object: Option<String>,
    /// The storage profile.
    pub profile: String,
    /// Why it could not be verified, as text.
    pub error: String,
    /// The kind of the error.
    #[serde(skip)]
    pub kind: ErrorKind,
}

/// The report of the verification of many single backups.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use = "some backups may be damaged"]
#[non_exhaustive]
pub struct StreamVerificationSummary {
    /// The number of backups without a problem.
    pub valid: u64,
    /// The number of these backups whose events were not decoded, because no key decrypts them or no event type declares
    /// their object name.
    pub only_hashes: u64,
    /// The number of backups without a problem whose content was not read, because no key decrypts it.
    pub without_key: u64,
    /// The damaged backups.
    pub damaged: Vec<StreamVerification>,
    /// The backups that could not be verified. All others were verified nevertheless.
    pub failed: Vec<UnverifiedStreamBackup>,
    /// The `.meta` files that cannot be read.
    pub unreadable: Vec<UnreadableStreamBackup>,
}

impl StreamVerificationSummary {
    /// Returns whether every backup was verified and none is damaged.
    pub fn is_valid(&self) -> bool {
        self.damaged.is_empty() && self.failed.is_empty() && self.unreadable.is_empty()
    }

    /// Returns the report if every backup was verified and none is damaged.
    ///
    /// # Errors
    /// A backup is damaged, or could not be verified.
    pub fn require_valid(self) -> Result<Self> {
        if self.is_valid() {
            return Ok(self);
        }
        let text = format!(
            "{} single backups are valid, {} are damaged, {} could not be verified, and {} `.meta` files cannot be read",
            self.valid,
            self.damaged.len(),
            self.failed.len(),
            self.unreadable.len()
        );
        Err(Error::new(ErrorKind::Corrupt, text))
    }
}

/// Verifies the single backups of this application, newest first, and records the results beside them.
///
/// # Errors
/// A storage profile does not exist or cannot be listed, or the work was cancelled.
pub(crate) async fn run(
    environment: &Environment,
    options: &VerifyAllOptions,
) -> Result<StreamVerificationSummary> {
    for profile in &options.profiles {
        environment.storage(Some(profile))?;
    }
    let mut summary = StreamVerificationSummary::default();
    for (name, storage) in &environment.storages {
        if options.profiles.is_empty() || options.profiles.contains(name) {
            verify_profile(environment, name, storage, options, &mut summary).await?;
        }
    }
    Ok(summary)
}

async fn verify_profile(
    environment: &Environment,
    profile: &str,
    storage: &Storage,
    options: &VerifyAllOptions,
    summary: &mut StreamVerificationSummary,
) -> Result<()> {
    let cancel = &options.cancel;
    let listed = until_cancelled(cancel, list(storage, options.object.as_deref())).await?;
    if listed.metas.is_empty() {
        return Ok(());
    }
    let known = until_cancelled(cancel, StreamVerifications::read(storage)).await?;
    for (id, path) in listed.metas {
        let stored = match until_cancelled(cancel, read(profile, storage, &path)).await {
            Ok(Some(stored)) => stored,
            // The backup was removed since it was listed.
            Ok(None) => continue,
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Incompatible) => {
                summary.unreadable.push(UnreadableStreamBackup::new(profile, &path, error.chain()));
                continue;
            }
            Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
            Err(error) => {
                summary.failed.push(failure(id, None, profile, &error));
                continue;
            }
        };
        if stored.meta.producer.origin(&environment.identity) == Origin::Other {
            continue;
        }
        match verify_and_record(environment, &stored, &known, cancel).await {
            Ok(Some(verified)) if !verified.is_valid() => summary.damaged.push(verified),
            Ok(Some(verified)) => {
                summary.valid += 1;
                summary.only_hashes += u64::from(verified.note.is_some());
                summary.without_key += u64::from(verified.events.is_none());
            }
            Ok(None) => {}
            Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
            Err(error) => summary.failed.push(failure(id, Some(&stored.meta.object_name), profile, &error)),
        }
    }
    Ok(())
}

fn failure(id: BackupId, object: Option<&str>, profile: &str, error: &Error) -> UnverifiedStreamBackup {
    let (object, profile) = (object.map(str::to_owned), profile.to_owned());
    UnverifiedStreamBackup { id, object, profile, error: error.chain(), kind: error.kind() }
}

/// Verifies a backup and records the result. Returns `None` if the backup was removed or rewritten meanwhile. A result
/// that cannot be recorded is logged: it must not hide damage.
///
/// # Errors
/// The storage or a key source fails, or the work was cancelled.
pub(crate) async fn verify_and_record(
    environment: &Environment,
    stored: &StoredStreamBackup<'_>,
    known: &StreamVerifications,
    cancel: &CancellationToken,
) -> Result<Option<StreamVerification>> {
    let identities = until_cancelled(cancel, identities_for(environment, stored)).await?;
    let verified = verify_stored(environment, stored, &identities, cancel).await?;
    if verified.problem.is_some() {
        match until_cancelled(cancel, require_unchanged(stored)).await {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Conflict => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    let (id, now) = (stored.meta.backup_id, environment.clock.now());
    let recorded = known.record(stored.storage, id, now, verified.problem.as_deref());
    if let Err(error) = until_cancelled(cancel, recorded).await {
        tracing::warn!(
            target: "koan::backup", backup = %id, error = %error.chain(),
            "the result of the verification of a single backup was not recorded"
        );
    }
    Ok(Some(verified))
}
