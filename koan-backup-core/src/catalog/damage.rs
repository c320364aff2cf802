//! What is wrong with backups that were verified: `damage/{id}.json`. Of those that are whole there is no file, so that whoever
//! lists backups has little to read.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::sidecar;
use crate::foundation::error::Result;
use crate::foundation::id::BackupId;
use crate::storage::Storage;

const FOLDER: &str = "damage";

/// What is wrong with a backup.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Damage {
    found_at: Timestamp,
    problem: String,
}

/// What is known to be wrong, by backup.
///
/// A backup whose record cannot be read counts as damaged: it is not known to be whole.
///
/// # Errors
/// The storage cannot be read.
pub(crate) async fn of(storage: &Storage) -> Result<BTreeMap<BackupId, String>> {
    let remedy = "remove it: its backup is verified again in its turn";
    let all = sidecar::all::<BackupId, Damage>(storage, FOLDER, remedy).await?;
    let unreadable =
        all.unreadable.into_iter().map(|(id, problem)| (id, format!("what a verification found: {problem}")));
    Ok(all.known.into_iter().map(|(id, damage)| (id, damage.problem)).chain(unreadable).collect())
}

/// Keeps what a verification found: what is wrong, or that nothing is any more.
pub(crate) async fn keep(
    storage: &Storage,
    id: BackupId,
    found_at: Timestamp,
    problem: Option<&String>,
) -> Result<()> {
    match problem {
        None => sidecar::forget(storage, FOLDER, &id).await,
        Some(problem) => {
            sidecar::keep(storage, FOLDER, &id, &Damage { found_at, problem: problem.clone() }).await
        }
    }
}
