//! Leases that nobody will ask for any more.

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

/// Removes leases that have been free for longer than `age`: those of restores and copies, which have no numbers, and those of
/// sealing a backup that is not there any more. All others stay, because their numbers must not start again.
///
/// Whoever has slept for longer than `age` between looking for the last number of a backup that is gone and creating the next
/// one finds no backup to seal. Should the backup have been copied back meanwhile, and be sealed under a lower number, that one
/// sees the higher number before it publishes, and does not.
///
/// `lease` is that of the caller, and is confirmed right before each removal.
///
/// # Errors
/// The storage cannot be read, a file cannot be removed, or the lease of the caller was lost.
pub(crate) async fn trim(
    lease: &Lease,
    storage: &Storage,
    found: &[FoundLease],
    age: Duration,
    now: Timestamp,
    is_there: impl Fn(&BackupId) -> bool,
) -> Result<()> {
    for FoundLease { path, file } in found.iter().filter(|found| is_old(&found.file, age, now)) {
        match &file.subject {
            Subject::Restore(_) | Subject::Copy(_) => {
                lease.step(&format!("`{path}` was removed"), storage.remove(path)).await?;
            }
            Subject::Rekey(id) if !is_there(id) => {
                let generations = Generations { storage: storage.clone(), folder: file.subject.folder() };
                let mut numbers = generations.numbers().await?;
                // The lowest first: whoever comes in between finds the highest.
                numbers.sort_unstable();
                // Somebody took it a moment ago.
                if numbers.last().is_none_or(|&highest| generations.path(highest) != *path) {
                    continue;
                }
                for number in numbers {
                    let path = generations.path(number);
                    lease.step(&format!("`{path}` was removed"), storage.remove(&path)).await?;
                }
            }
            Subject::Backup(_) | Subject::BackupBy { .. } | Subject::Prune | Subject::Rekey(_) => {}
        }
    }
    Ok(())
}

fn is_old(file: &LeaseFile, age: Duration, now: Timestamp) -> bool {
    let passed = Duration::try_from(now.duration_since(file.free_at()));
    file.is_free(now) && passed.is_ok_and(|passed| passed > age)
}
