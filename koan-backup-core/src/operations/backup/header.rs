//! The identity of a new backup: its id, name and time.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::archive::manifest_id;
use crate::environment::Environment;
use crate::foundation::clock::{Clock, backup_id_at};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::{BackupId, BackupName};
use crate::storage::Storage;
use crate::storage::manifests_prefix;

/// The properties of a backup that are known before any record is read.
#[derive(Debug)]
pub(super) struct Header<'a> {
    pub(super) id: BackupId,
    pub(super) name: &'a BackupName,
    pub(super) created_at: Timestamp,
    /// How far the clock is behind the newest backup; zero if it is not behind.
    clock_lag: SignedDuration,
    pub(super) warnings: Vec<String>,
}

/// The maximum clock lag that causes no warning, because the clocks of several machines may differ.
const TOLERATED_CLOCK_LAG: SignedDuration = SignedDuration::from_secs(1);

impl<'a> Header<'a> {
    /// Creates the header of a backup that begins now. If the clock is behind the newest backup, the time of
    /// the new backup is one millisecond after the time of that backup, because ids and times of backups
    /// define their order.
    pub(super) async fn new(
        environment: &Environment,
        storage: &Storage,
        name: &'a BackupName,
    ) -> Result<Self> {
        let newest = newest_backup_time(storage).await?;
        let now = environment.clock.now();
        let earliest = newest.and_then(|newest| newest.checked_add(SignedDuration::from_millis(1)).ok());
        let created_at = earliest.map_or(now, |earliest| now.max(earliest));
        let clock_lag = created_at.duration_since(now);
        let mut warnings = Vec::new();
        if let Some(newest) = newest.filter(|newest| newest.duration_since(now) > TOLERATED_CLOCK_LAG) {
            warnings.push(format!(
                "the clock is {:#} behind the newest backup in storage `{}`, which is dated {newest}, so this \
                 backup is dated right after it; correct the clock",
                newest.duration_since(now),
                storage.location()
            ));
        }
        Ok(Self { id: backup_id_at(created_at), name, created_at, clock_lag, warnings })
    }

    /// Returns the current time, shifted in the same way as the time of the backup.
    pub(super) fn now(&self, clock: &Arc<dyn Clock>) -> Timestamp {
        clock.now().checked_add(self.clock_lag).unwrap_or(Timestamp::MAX)
    }
}

/// Returns the time of the newest backup of any status. The time is derived from the ids of the manifests;
/// other files are ignored.
async fn newest_backup_time(storage: &Storage) -> Result<Option<Timestamp>> {
    let listed = storage.list(&manifests_prefix()).await.map_err(|source| {
        Error::with_source(
            ErrorKind::Storage,
            format!("the backups in storage `{}` cannot be listed", storage.location()),
            source,
        )
    })?;
    Ok(listed.iter().filter_map(|file| manifest_id(&file.path).and_then(|id| id.time())).max())
}
