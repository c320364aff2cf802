//! Small files that stand beside backups: `{folder}/{key}.json`, where the key is mostly the id of a backup.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::READS_AT_ONCE;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::Storage;

/// The most bytes such a file can have.
const MAX_BYTES: u64 = 1 << 20;

/// Where the file of a key lies in a folder.
pub(crate) fn path(folder: &str, key: &impl Display) -> Path {
    Path::from(format!("{folder}/{key}.json"))
}

/// All files of a folder, by their keys.
///
/// # Errors
/// The storage cannot be read, or a file is damaged: `remedy` says what to do then. It is never taken for none.
pub(crate) async fn all<K: FromStr + Ord, T: DeserializeOwned>(
    storage: &Storage,
    folder: &str,
    remedy: &str,
) -> Result<BTreeMap<K, T>> {
    let folder = Path::from(folder);
    let listed = storage.list(&folder).await;
    let listed = listed.map_err(|source| storage.failed(&folder, "listed in", source))?;
    let read = |path: Path| async move { read(storage, &path, remedy).await };
    let mut read = futures::stream::iter(listed).map(|file| read(file.path)).buffer_unordered(READS_AT_ONCE);
    let mut all = BTreeMap::new();
    while let Some(found) = read.try_next().await? {
        all.extend(found);
    }
    Ok(all)
}

/// The file of one key; none if there is none.
///
/// # Errors
/// As for [`all`].
pub(crate) async fn one<T: DeserializeOwned>(
    storage: &Storage,
    folder: &str,
    key: &impl Display,
    remedy: &str,
) -> Result<Option<T>> {
    let read = read::<String, T>(storage, &path(folder, key), remedy).await?;
    Ok(read.map(|(_, content)| content))
}

/// Writes the file of a key, in the place of what is there.
pub(crate) async fn keep(
    storage: &Storage,
    folder: &str,
    key: &impl Display,
    content: &impl Serialize,
) -> Result<()> {
    storage.replace(&path(folder, key), crate::archive::document(content)).await
}

/// Removes the file of a key, if there is one, and looks whether it is gone.
pub(crate) async fn forget(storage: &Storage, folder: &str, key: &impl Display) -> Result<()> {
    let path = path(folder, key);
    if storage.size(&path).await?.is_some() {
        storage.remove(&path).await?;
        storage.require_gone(&path).await?;
    }
    Ok(())
}

async fn read<K: FromStr, T: DeserializeOwned>(
    storage: &Storage,
    path: &Path,
    remedy: &str,
) -> Result<Option<(K, T)>> {
    let Some(bytes) = storage.read(path, MAX_BYTES).await? else { return Ok(None) };
    let key = path.filename().and_then(|name| name.strip_suffix(".json")?.parse().ok());
    match (key, serde_json::from_slice(&bytes)) {
        (Some(key), Ok(content)) => Ok(Some((key, content))),
        _ => Err(Error::new(
            ErrorKind::Corrupt,
            format!("`{path}` in storage `{}` is damaged; {remedy}", storage.location()),
        )),
    }
}
