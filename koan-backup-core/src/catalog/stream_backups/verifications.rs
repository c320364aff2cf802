//! What is known from verifications of single backups: when each was verified last, and which of them are damaged.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::catalog::sidecar;
use crate::foundation::error::Result;
use crate::foundation::id::BackupId;
use crate::storage::Storage;

/// The folder of the records of verifications, which exist for verified backups.
const VERIFICATIONS: &str = "verifications/streams";
/// The folder of the damage records, which exist for damaged backups only.
const DAMAGE: &str = "damage/streams";

/// The record of a verification.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Verification {
    verified_at: Timestamp,
}

/// The damage of a single backup.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Damage {
    found_at: Timestamp,
    problem: String,
}

/// The known results of verifications.
#[derive(Debug, Default)]
pub(crate) struct StreamVerifications {
    /// When the record of each verified backup was written, which is the time of its last verification.
    pub(crate) verified: BTreeMap<BackupId, Timestamp>,
    /// The damaged backups, each with the problem.
    pub(crate) damaged: BTreeMap<BackupId, String>,
}

impl StreamVerifications {
    /// Lists the records of verifications, whose contents are not read, and reads the damage records.
    ///
    /// # Errors
    /// The storage cannot be read.
    pub(crate) async fn read(storage: &Storage) -> Result<Self> {
        let listed = sidecar::list::<BackupId>(storage, VERIFICATIONS).await?;
        let verified = listed.into_iter().map(|(id, file)| (id, file.modified())).collect();
        Ok(Self { verified, damaged: damaged(storage).await? })
    }

    /// Records the result of a verification: first the damage, and then the time.
    ///
    /// # Errors
    /// The storage fails.
    pub(crate) async fn record(
        &self,
        storage: &Storage,
        id: BackupId,
        at: Timestamp,
        problem: Option<&str>,
    ) -> Result<()> {
        match problem {
            Some(problem) => {
                let damage = Damage { found_at: at, problem: problem.to_owned() };
                sidecar::write(storage, DAMAGE, &id, &damage).await?;
            }
            None if self.damaged.contains_key(&id) => sidecar::remove(storage, DAMAGE, &id).await?,
            None => {}
        }
        sidecar::write(storage, VERIFICATIONS, &id, &Verification { verified_at: at }).await
    }

    /// Returns the ids of all records.
    pub(crate) fn ids(&self) -> impl Iterator<Item = BackupId> + '_ {
        let unverified = self.damaged.keys().filter(|id| !self.verified.contains_key(id));
        self.verified.keys().chain(unverified).copied()
    }

    /// Removes the records of a backup that no longer exists.
    ///
    /// # Errors
    /// The storage fails.
    pub(crate) async fn remove(&self, storage: &Storage, id: BackupId) -> Result<()> {
        if self.damaged.contains_key(&id) {
            sidecar::remove(storage, DAMAGE, &id).await?;
        }
        if self.verified.contains_key(&id) {
            sidecar::remove(storage, VERIFICATIONS, &id).await?;
        }
        Ok(())
    }
}

/// Reads the damage records. A backup whose damage record cannot be read is treated as damaged.
///
/// # Errors
/// The storage cannot be read.
pub(crate) async fn damaged(storage: &Storage) -> Result<BTreeMap<BackupId, String>> {
    let remedy = "remove the damage record; maintenance then verifies the backup again";
    let all = sidecar::read_all::<BackupId, Damage>(storage, DAMAGE, remedy).await?;
    let unreadable = all
        .unreadable
        .into_iter()
        .map(|(id, problem)| (id, format!("the damage record cannot be read: {problem}")));
    Ok(all.readable.into_iter().map(|(id, damage)| (id, damage.problem)).chain(unreadable).collect())
}
