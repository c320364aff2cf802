//! Small files that stand beside backups: `{folder}/{id}.json`.

use std::collections::BTreeMap;

use futures::{StreamExt as _, TryStreamExt as _};
use object_store::ObjectStore as _;
use object_store::path::Path;
use serde::de::DeserializeOwned;

use super::READS_AT_ONCE;
use crate::error::{Error, ErrorKind, Result};
use crate::id::BackupId;
use crate::storage::Storage;

/// The most bytes such a file can have.
const MAX_BYTES: u64 = 1 << 20;

/// Where the file of a backup lies in a folder.
pub(crate) fn path(folder: &str, id: &BackupId) -> Path {
    Path::from(format!("{folder}/{id}.json"))
}

/// All files of a folder, by the ids of their backups.
///
/// # Errors
/// The storage cannot be read, or a file is damaged: `remedy` says what to do then. It is never taken for none.
pub(crate) async fn all<T: DeserializeOwned>(
    storage: &Storage,
    folder: &str,
    remedy: &str,
) -> Result<BTreeMap<BackupId, T>> {
    let folder = Path::from(folder);
    let listed = storage.store().list(Some(&folder)).try_collect::<Vec<_>>().await;
    let listed = listed.map_err(|source| storage.failed(&folder, "listed in", source))?;
    let read = |path: Path| async move {
        let Some(bytes) = storage.read(&path, MAX_BYTES).await? else { return Ok(None) };
        let id = path.filename().and_then(|name| name.strip_suffix(".json")?.parse::<BackupId>().ok());
        match (id, serde_json::from_slice(&bytes)) {
            (Some(id), Ok(content)) => Ok(Some((id, content))),
            _ => Err(Error::new(
                ErrorKind::Corrupt,
                format!("`{path}` in storage `{}` is damaged; {remedy}", storage.location()),
            )),
        }
    };
    let mut read =
        futures::stream::iter(listed).map(|meta| read(meta.location)).buffer_unordered(READS_AT_ONCE);
    let mut all = BTreeMap::new();
    while let Some(found) = read.try_next().await? {
        all.extend(found);
    }
    Ok(all)
}
