//! Pins, which protect backups from removal: sidecar files `pins/{id}.json`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::catalog::{self, sidecar};
use crate::environment::Environment;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::storage::Storage;

const FOLDER: &str = "pins";
/// What the user should do about a pin that cannot be read.
const REMEDY: &str = "remove it, and pin the backup again";

/// The content of a pin file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pin {
    reason: String,
    pinned_at: Timestamp,
    application: Option<String>,
    host: Option<String>,
}

/// Pins a backup. A backup that is already pinned retains its reason.
pub(crate) async fn pin(
    environment: &Environment,
    profile: Option<&str>,
    id: BackupId,
    reason: &str,
) -> Result<()> {
    if reason.trim().is_empty() {
        return Err(Error::new(
            ErrorKind::Configuration,
            "a pin needs a reason, so that others know when the pin may be removed",
        ));
    }
    let storage = environment.storage(profile)?;
    catalog::find_id(storage, id).await?;
    if reason_of(storage, id).await?.is_some() {
        return Ok(());
    }
    let pin = Pin {
        reason: reason.to_owned(),
        pinned_at: environment.clock.now(),
        application: environment.producer.application.clone(),
        host: environment.producer.host.clone(),
    };
    let path = sidecar::path(FOLDER, &id);
    storage.create(&path, crate::foundation::json::document(&pin)).await?;
    // A removal that ran at the same time may not have seen the pin.
    if catalog::published(storage, &id).await?.is_none() {
        storage.discard(&path).await;
        let text = format!(
            "backup {id} was removed by another process while its pin was being created, so it is not pinned"
        );
        return Err(Error::new(ErrorKind::NotFound, text));
    }
    Ok(())
}

/// Removes the pin of a backup. Returns whether it was pinned.
pub(crate) async fn unpin(storage: &Storage, id: BackupId) -> Result<bool> {
    let was_pinned = match reason_of(storage, id).await {
        // A pin that cannot be read protects its backup as well.
        Err(error) if error.kind() == ErrorKind::Corrupt => true,
        reason => reason?.is_some(),
    };
    storage.remove(&sidecar::path(FOLDER, &id)).await?;
    storage.require_gone(&sidecar::path(FOLDER, &id)).await?;
    Ok(was_pinned)
}

/// Returns the pinned backups of a profile, with the reasons.
///
/// A pin that cannot be read protects its backup as well.
///
/// # Errors
/// The storage cannot be read.
pub(crate) async fn read_all(storage: &Storage) -> Result<BTreeMap<BackupId, String>> {
    let pins = sidecar::read_all::<BackupId, Pin>(storage, FOLDER, REMEDY).await?;
    let unreadable = pins.unreadable.into_iter().map(|(id, problem)| (id, unreadable_reason(&problem)));
    Ok(pins.readable.into_iter().map(|(id, pin)| (id, pin.reason)).chain(unreadable).collect())
}

fn unreadable_reason(problem: &str) -> String {
    format!("its pin cannot be read: {problem}")
}

/// Returns the reason why a backup is pinned, if it is.
///
/// # Errors
/// The storage or the pin cannot be read.
pub(crate) async fn reason_of(storage: &Storage, id: BackupId) -> Result<Option<String>> {
    Ok(sidecar::read::<Pin>(storage, FOLDER, &id, REMEDY).await?.map(|pin| pin.reason))
}
