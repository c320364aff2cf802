//! The lease that prevents the removal of a backup while it is restored.

use tokio_util::sync::CancellationToken;

use crate::catalog::{self, StoredBackup};
use crate::environment::Environment;
use crate::environment::lease::{Lease, LeasedWork, Subject};
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, ErrorKind, Result};

/// Acquires the lease. Returns `None` and logs a warning if the storage cannot be written, because a restore
/// from such a storage must work as well. For the same reason, a restore continues if its lease is lost. Even
/// without a lease, all data that it reads is checked.
///
/// # Errors
/// The backup was removed or replaced meanwhile, or the work was cancelled.
pub(super) async fn acquire_lease(
    environment: &Environment,
    backup: &StoredBackup<'_>,
    cancel: &CancellationToken,
) -> Result<Option<Lease>> {
    let id = backup.manifest.id;
    let work = LeasedWork { backup: Some(id), archive: None };
    let lease = match Lease::acquire(environment, backup.storage, Subject::Restore(id), work, cancel).await {
        Ok(lease) => lease,
        Err(error) if error.kind() == ErrorKind::Storage => {
            tracing::warn!(
                target: "koan::backup", backup = %id, error = %error.chain(),
                "the storage cannot be written, so no lease protects the backup during the restore; do not \
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
        Ok(Some(_)) => changed_error(backup, "rekeyed", "restore it again"),
        Ok(None) => changed_error(backup, "removed", "restore another backup"),
        Err(error) => error,
    };
    lease.release().await;
    Err(problem)
}

fn changed_error(backup: &StoredBackup<'_>, change: &str, remedy: &str) -> Error {
    let (id, location) = (backup.manifest.id, backup.storage.location());
    let text = format!("backup {id} in storage `{location}` was {change} while its restore began; {remedy}");
    Error::new(ErrorKind::Conflict, text)
}
