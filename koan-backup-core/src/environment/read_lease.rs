//! The lease that prevents the removal of a backup while it is read.

use tokio_util::sync::CancellationToken;

use super::Environment;
use super::lease::{Lease, LeasedWork, Subject};
use crate::catalog::{self, StoredBackup};
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, ErrorKind, Result};

/// The operation that reads a backup, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadPurpose {
    Restore,
    Download,
}

impl ReadPurpose {
    fn noun(self) -> &'static str {
        match self {
            Self::Restore => "restore",
            Self::Download => "download",
        }
    }
}

/// Acquires the lease. Returns `None` and logs a warning if the storage cannot be written, because a backup must be
/// readable in such a storage as well. For the same reason, the operation continues if its lease is lost. Even without
/// a lease, all data that it reads is checked.
///
/// # Errors
/// The backup was removed or replaced meanwhile, or the work was cancelled.
pub(crate) async fn acquire(
    environment: &Environment,
    backup: &StoredBackup<'_>,
    purpose: ReadPurpose,
    cancel: &CancellationToken,
) -> Result<Option<Lease>> {
    let id = backup.manifest.id;
    let work = LeasedWork { backup: Some(id), archive: None };
    let lease = match Lease::acquire(environment, backup.storage, Subject::Restore(id), work, cancel).await {
        Ok(lease) => lease,
        Err(error) if error.kind() == ErrorKind::Storage => {
            tracing::warn!(
                target: "koan::backup", backup = %id, purpose = purpose.noun(), error = %error.chain(),
                "the storage cannot be written, so no lease protects the backup while it is read; do not \
                 remove the backup meanwhile"
            );
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    // A removal that began before the lease existed could not see the lease.
    let current = until_cancelled(cancel, catalog::published(backup.storage, &id)).await;
    let problem = match current {
        Ok(Some(current)) if current.get("archive") == backup.published.get("archive") => {
            return Ok(Some(lease));
        }
        Ok(Some(_)) => changed_error(backup, purpose, "rekeyed", "try again"),
        Ok(None) => changed_error(backup, purpose, "removed", "select another backup"),
        Err(error) => error,
    };
    lease.release().await;
    Err(problem)
}

fn changed_error(backup: &StoredBackup<'_>, purpose: ReadPurpose, change: &str, remedy: &str) -> Error {
    let (id, location, purpose) = (backup.manifest.id, backup.storage.location(), purpose.noun());
    let text =
        format!("backup {id} in storage `{location}` was {change} while its {purpose} began; {remedy}");
    Error::new(ErrorKind::Conflict, text)
}
