//! Verifies a single backup.

use std::sync::Arc;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::read::{identities_for, locate};
use super::stream_type::StreamType;
use crate::archive::hash_of;
use crate::archive::stream_file::{StreamFile, StreamFileKey, damaged};
use crate::catalog::stream_backups::{StoredStreamBackup, StreamBackupHandle, StreamBackupRef, read};
use crate::encryption::Identities;
use crate::environment::Environment;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, ErrorKind, Result};

/// The report of the verification of a single backup.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StreamVerification {
    /// The backup.
    pub backup: StreamBackupHandle,
    /// The number of events, of all streams, that were decoded as their type. `None` if the content was not read,
    /// because it is damaged or no key decrypts it.
    pub events: Option<u64>,
    /// The problem, if the backup is damaged.
    pub problem: Option<String>,
    /// Why only the hash of the stored file was compared: no key decrypts the content, or no event type declares its
    /// object name.
    pub note: Option<String>,
}

impl StreamVerification {
    /// Returns whether no problem was found. If there is a [`note`](Self::note), the content was not read.
    pub fn is_valid(&self) -> bool {
        self.problem.is_none()
    }

    /// Returns the report if no problem was found.
    ///
    /// # Errors
    /// The backup is damaged.
    pub fn require_valid(self) -> Result<Self> {
        match &self.problem {
            None => Ok(self),
            Some(problem) => Err(Error::new(ErrorKind::Corrupt, problem.clone())),
        }
    }
}

/// Verifies the hash of a single backup and its complete content.
///
/// # Errors
/// The backup does not exist, or its storage or a key source fails. Damage is no error: it is in the report.
pub(crate) async fn run(
    environment: &Environment,
    profile: Option<&str>,
    backup: &StreamBackupRef,
    cancel: &CancellationToken,
) -> Result<StreamVerification> {
    let stored = until_cancelled(cancel, locate(environment, profile, backup)).await?;
    let identities = until_cancelled(cancel, identities_for(environment, &stored)).await?;
    let report = verify_stored(environment, &stored, &identities, cancel).await?;
    if report.problem.is_some() {
        until_cancelled(cancel, require_unchanged(&stored)).await?;
    }
    Ok(report)
}

/// Verifies a backup that was found. Without a declaration of its event type, only its hash is compared.
///
/// # Errors
/// The storage fails, or the verification was cancelled.
pub(super) async fn verify_stored(
    environment: &Environment,
    stored: &StoredStreamBackup<'_>,
    identities: &Arc<Identities>,
    cancel: &CancellationToken,
) -> Result<StreamVerification> {
    let handle = stored.handle(identities).await?;
    let mut report = StreamVerification { backup: handle, events: None, problem: None, note: None };
    let id = stored.meta.backup_id;
    let read = async {
        let of = StreamType::find(environment, &stored.meta.object_name);
        let (object, note) = match StreamFile::find(stored.storage, &stored.meta, identities).await? {
            StreamFileKey::Found(file) => match of {
                Ok(of) => {
                    let (_, counts) = file.verify(of.codec, cancel).await?;
                    report.events = Some(counts.events);
                    return Ok(());
                }
                Err(undeclared) => (file.object().clone(), undeclared.chain()),
            },
            StreamFileKey::Missing(object, missing) => (object, missing.note(&format!("single backup {id}"))),
        };
        if hash_of(&object).await? != stored.meta.sha256 {
            let text = "its content has another hash than its `.meta` states";
            return Err(damaged(id, Error::new(ErrorKind::Corrupt, text)));
        }
        report.note = Some(note);
        Ok(())
    };
    match until_cancelled(cancel, read).await {
        Ok(()) => {}
        Err(error)
            if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Record | ErrorKind::Incompatible) =>
        {
            report.problem = Some(error.chain());
        }
        Err(error) => return Err(error),
    }
    Ok(report)
}

/// Checks that a problem is damage: the backup was neither removed nor rewritten while it was read.
///
/// # Errors
/// The backup has changed, or its `.meta` cannot be read.
pub(super) async fn require_unchanged(stored: &StoredStreamBackup<'_>) -> Result<()> {
    match read(stored.profile, stored.storage, &stored.meta_path).await? {
        Some(current) if current.meta == stored.meta => Ok(()),
        _ => {
            let id = stored.meta.backup_id;
            let text = format!("single backup {id} was removed or rewritten while it was verified");
            Err(Error::new(ErrorKind::Conflict, text).with_help("try again"))
        }
    }
}
