//! Removes leases that are no longer needed.

use std::time::Duration;

use jiff::Timestamp;

use super::Lease;
use super::file::LeaseFile;
use super::found::FoundLease;
use super::generations::Generations;
use super::subject::Subject;
use crate::foundation::error::Result;
use crate::foundation::id::BackupId;
use crate::storage::Storage;

/// Removes leases that have been free for longer than `min_age`: shared leases, which have no generations,
/// and the rekey leases of backups that no longer exist. All other leases are kept, because their numbering
/// must not restart.
///
/// The numbers of a removed rekey lease may be used again. This is safe even if a process is paused for
/// longer than `min_age` and then creates the next generation. Either its backup no longer exists, so there
/// is nothing to rekey; or the backup was copied back and another process rekeys it under a lower generation,
/// and that other process detects the higher generation and does not publish.
///
/// `lease` is the lease of the caller. It is confirmed right before each removal.
///
/// # Errors
/// The storage cannot be read, a file cannot be removed, or the lease of the caller was lost.
pub(crate) async fn collect_garbage(
    lease: &Lease,
    storage: &Storage,
    found: &[FoundLease],
    min_age: Duration,
    now: Timestamp,
    backup_exists: impl Fn(&BackupId) -> bool,
) -> Result<()> {
    for FoundLease { path, file } in found.iter().filter(|found| is_old(&found.file, min_age, now)) {
        match &file.subject {
            Subject::Restore(_) | Subject::Copy(_) => {
                lease.step(&format!("`{path}` was removed"), storage.remove(path)).await?;
            }
            Subject::Rekey(id) if !backup_exists(id) => {
                let generations = Generations { storage: storage.clone(), folder: file.subject.folder() };
                let mut numbers = generations.numbers().await?;
                // The lowest generation is removed first, so that a process that lists the generations
                // meanwhile finds the highest one.
                numbers.sort_unstable();
                // If the highest generation is not the one that was found, another process has acquired the
                // lease since then.
                if numbers.last().is_none_or(|&highest| generations.path(highest) != *path) {
                    continue;
                }
                for number in numbers {
                    let path = generations.path(number);
                    lease.step(&format!("`{path}` was removed"), storage.remove(&path)).await?;
                }
            }
            Subject::Backup(_)
            | Subject::BackupBy { .. }
            | Subject::Prune
            | Subject::Rekey(_)
            | Subject::RestoreInto { .. } => {}
        }
    }
    Ok(())
}

fn is_old(file: &LeaseFile, min_age: Duration, now: Timestamp) -> bool {
    let free_for = Duration::try_from(now.duration_since(file.free_at()));
    file.is_free(now) && free_for.is_ok_and(|free_for| free_for > min_age)
}
