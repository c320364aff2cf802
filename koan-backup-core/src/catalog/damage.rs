//! Damage records: sidecar files `damage/{id}.json` of backups whose verification failed. Valid backups have
//! no such file, so that listing backups needs few reads.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::sidecar;
use crate::foundation::error::Result;
use crate::foundation::id::BackupId;
use crate::storage::Storage;

const FOLDER: &str = "damage";

/// The damage of a backup.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Damage {
    found_at: Timestamp,
    problem: String,
}

/// Reads the known damage of all backups.
///
/// A backup whose damage record cannot be read is treated as damaged.
///
/// # Errors
/// The storage cannot be read.
pub(crate) async fn read_all(storage: &Storage) -> Result<BTreeMap<BackupId, String>> {
    let remedy = "remove the damage record; maintenance then verifies the backup again";
    let all = sidecar::read_all::<BackupId, Damage>(storage, FOLDER, remedy).await?;
    let unreadable = all
        .unreadable
        .into_iter()
        .map(|(id, problem)| (id, format!("the damage record cannot be read: {problem}")));
    Ok(all.readable.into_iter().map(|(id, damage)| (id, damage.problem)).chain(unreadable).collect())
}

/// Records the result of a verification: writes the damage record, or removes it if there is no damage.
pub(crate) async fn record(
    storage: &Storage,
    id: BackupId,
    found_at: Timestamp,
    problem: Option<&String>,
) -> Result<()> {
    match problem {
        None => sidecar::remove(storage, FOLDER, &id).await,
        Some(problem) => {
            sidecar::write(storage, FOLDER, &id, &Damage { found_at, problem: problem.clone() }).await
        }
    }
}
