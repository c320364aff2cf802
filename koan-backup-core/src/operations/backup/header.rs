//! What is known of a backup from its beginning: which it is, and when it was made.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::archive::manifest_id;
use crate::environment::Environment;
use crate::foundation::clock::{Clock, backup_id_at};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::{BackupId, BackupName};
use crate::storage::Storage;
use crate::storage::manifests_prefix;

/// What is known of a backup from its beginning.
#[derive(Debug)]
pub(super) struct Header<'a> {
    pub(super) id: BackupId,
    pub(super) name: &'a BackupName,
    pub(super) created_at: Timestamp,
    /// How far the clock was behind.
    behind: SignedDuration,
    pub(super) warnings: Vec<String>,
}

/// Clocks of several machines that differ by less are not worth a warning.
const USUAL: SignedDuration = SignedDuration::from_secs(1);

impl<'a> Header<'a> {
    /// A backup that begins now, and in any case after the newest there is: ids and times of backups sort them.
    pub(super) async fn new(
        environment: &Environment,
        storage: &Storage,
        name: &'a BackupName,
    ) -> Result<Self> {
        let newest = newest(storage).await?;
        let now = environment.clock.now();
        let earliest = newest.and_then(|newest| newest.checked_add(SignedDuration::from_millis(1)).ok());
        let created_at = earliest.map_or(now, |earliest| now.max(earliest));
        let behind = created_at.duration_since(now);
        let mut warnings = Vec::new();
        if let Some(newest) = newest.filter(|newest| newest.duration_since(now) > USUAL) {
            warnings.push(format!(
                "the clock is {:#} behind the newest backup in storage `{}`, that of {newest}: this backup is dated right \
                 after that one; set the clock",
                newest.duration_since(now),
                storage.location()
            ));
        }
        Ok(Self { id: backup_id_at(created_at), name, created_at, behind, warnings })
    }

    /// The current instant, as this backup counts.
    pub(super) fn now(&self, clock: &Arc<dyn Clock>) -> Timestamp {
        clock.now().checked_add(self.behind).unwrap_or(Timestamp::MAX)
    }
}

/// When the newest backup was made, whatever became of it, by the ids alone. What is no id of a backup tells nothing.
async fn newest(storage: &Storage) -> Result<Option<Timestamp>> {
    let listed = storage.list(&manifests_prefix()).await.map_err(|source| {
        Error::with_source(
            ErrorKind::Storage,
            format!("backups in storage `{}` were not listed", storage.location()),
            source,
        )
    })?;
    Ok(listed.iter().filter_map(|file| manifest_id(&file.path).and_then(|id| id.time())).max())
}
