//! The lease that protects a single backup from removal while it is restored.

use tokio_util::sync::CancellationToken;

use crate::catalog::stream_backups::{StoredStreamBackup, not_found, read};
use crate::environment::Environment;
use crate::environment::lease::{Lease, LeasedWork, Subject};
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, ErrorKind, Result};

/// Acquires the lease. Returns `None` and logs a warning if the storage cannot be written, because a backup must be
/// readable in such a storage as well.
///
/// # Errors
/// The backup was removed or replaced meanwhile, or the work was cancelled.
pub(super) async fn acquire(
    environment: &Environment,
    stored: &StoredStreamBackup<'_>,
    cancel: &CancellationToken,
) -> Result<Option<Lease>> {
    let (id, storage) = (stored.meta.backup_id, stored.storage);
    let work = LeasedWork { backup: Some(id), archive: None };
    let lease = match Lease::acquire(environment, storage, Subject::Restore(id), work, cancel).await {
        Ok(lease) => lease,
        Err(error) if error.kind() == ErrorKind::Storage => {
            tracing::warn!(
                target: "koan::backup", backup = %id, error = %error.chain(),
                "the storage cannot be written, so no lease protects a single backup while it is restored"
            );
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    // A removal that began before the lease existed could not see the lease.
    let problem = match until_cancelled(cancel, read(stored.profile, storage, &stored.meta_path)).await {
        Ok(Some(current)) if current.meta == stored.meta => return Ok(Some(lease)),
        Ok(Some(_)) => {
            let text = format!("single backup {id} was replaced while its restore began");
            Error::new(ErrorKind::Conflict, text).with_help("try again")
        }
        Ok(None) => not_found(stored.profile, storage, id),
        Err(error) => error,
    };
    lease.release().await;
    Err(problem)
}
