//! Backups that stay whatever a retention says: `pins/{id}.json`.

use std::collections::BTreeMap;

use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use object_store::ObjectStore as _;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::catalog;
use crate::environment::Environment;
use crate::error::{Error, ErrorKind, Result};
use crate::id::BackupId;
use crate::storage::Storage;

/// The most bytes a pin can have.
const MAX_BYTES: u64 = 64 << 10;

/// What is in the file of a pin.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pin {
    reason: String,
    pinned_at: Timestamp,
    application: Option<String>,
    host: Option<String>,
}

/// Pins a backup. One that is pinned already keeps its reason.
pub(crate) async fn pin(
    environment: &Environment,
    profile: Option<&str>,
    id: BackupId,
    reason: &str,
) -> Result<()> {
    if reason.trim().is_empty() {
        return Err(Error::new(
            ErrorKind::Configuration,
            "a pin needs a reason: who reads it wants to know when it may go",
        ));
    }
    let storage = environment.storage(profile)?;
    catalog::find(storage, &id.into(), |_| true).await?;
    if of(storage).await?.contains_key(&id) {
        return Ok(());
    }
    let pin = Pin {
        reason: reason.to_owned(),
        pinned_at: environment.clock.now(),
        application: environment.producer.application.clone(),
        host: environment.producer.host.clone(),
    };
    storage.create(&path(&id), crate::archive::document(&pin)).await
}

/// Lets a backup go its way again. Tells whether it was pinned.
pub(crate) async fn unpin(storage: &Storage, id: BackupId) -> Result<bool> {
    let was_pinned = of(storage).await?.contains_key(&id);
    storage.remove(&path(&id)).await?;
    storage.require_gone(&path(&id)).await?;
    Ok(was_pinned)
}

/// The pinned backups of a profile, and why.
///
/// # Errors
/// A pin cannot be read: it is never taken for none.
pub(crate) async fn of(storage: &Storage) -> Result<BTreeMap<BackupId, String>> {
    let listed = storage.store().list(Some(&Path::from("pins"))).try_collect::<Vec<_>>().await;
    let listed = listed.map_err(|source| storage.failed(&Path::from("pins"), "listed in", source))?;
    let mut pins = futures::stream::iter(listed).map(|meta| one(storage, meta.location)).buffer_unordered(16);
    let mut all = BTreeMap::new();
    while let Some(found) = pins.try_next().await? {
        all.extend(found);
    }
    Ok(all)
}

async fn one(storage: &Storage, path: Path) -> Result<Option<(BackupId, String)>> {
    let Some(bytes) = storage.read(&path, MAX_BYTES).await? else { return Ok(None) };
    let damaged = || {
        Error::new(
            ErrorKind::Corrupt,
            format!(
                "pin `{path}` in storage `{}` is damaged; remove it, and pin the backup again",
                storage.location()
            ),
        )
    };
    let id = path.filename().and_then(|name| name.strip_suffix(".json")).and_then(|id| id.parse().ok());
    let id = id.ok_or_else(damaged)?;
    let pin: Pin = serde_json::from_slice(&bytes).map_err(|_| damaged())?;
    Ok(Some((id, pin.reason)))
}

fn path(id: &BackupId) -> Path {
    Path::from(format!("pins/{id}.json"))
}
