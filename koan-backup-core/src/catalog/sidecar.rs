//! Small files that stand beside backups: `{folder}/{key}.json`, where the key is mostly the id of a backup.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use futures::StreamExt as _;
use object_store::path::Path;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::READS_AT_ONCE;
use super::unreadable::concerns_one_file;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::storage::Storage;

/// The most bytes such a file can have.
const MAX_BYTES: u64 = 1 << 20;

/// Where the file of a key lies in a folder.
pub(crate) fn path(folder: &str, key: &impl Display) -> Path {
    Path::from(format!("{folder}/{key}.json"))
}

/// The files of a folder, by their keys.
#[derive(Debug)]
pub(crate) struct Found<K, T> {
    pub(crate) known: BTreeMap<K, T>,
    /// Why the others cannot be read. They are never treated as absent.
    pub(crate) unreadable: BTreeMap<K, String>,
}

/// All files of a folder, by their keys. A file whose name is not that of a key is not ours, and is left out. `remedy` says what to do
/// about one that is damaged.
///
/// # Errors
/// The storage cannot be read.
pub(crate) async fn all<K: FromStr + Display + Ord, T: DeserializeOwned>(
    storage: &Storage,
    folder: &str,
    remedy: &str,
) -> Result<Found<K, T>> {
    let place = Path::from(folder);
    let listed = storage.list(&place).await;
    let listed = listed.map_err(|source| storage.failed(&place, "listed in", source))?;
    let keys = listed.into_iter().filter_map(|file| key_of::<K>(folder, &file.path));
    let read = |key: K| async move { (one(storage, folder, &key, remedy).await, key) };
    let mut read = futures::stream::iter(keys).map(read).buffer_unordered(READS_AT_ONCE);
    let mut found = Found { known: BTreeMap::new(), unreadable: BTreeMap::new() };
    while let Some((content, key)) = read.next().await {
        match content {
            Ok(None) => {}
            Ok(Some(content)) => drop(found.known.insert(key, content)),
            Err(error) if concerns_one_file(storage, &error) => {
                found.unreadable.insert(key, error.chain());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// The key of a file, if its name is that of one.
fn key_of<K: FromStr + Display>(folder: &str, file: &Path) -> Option<K> {
    let key = file.filename()?.strip_suffix(".json")?.parse().ok()?;
    (path(folder, &key) == *file).then_some(key)
}

/// The file of one key; none if there is none.
///
/// # Errors
/// The storage cannot be read, or the file is damaged: `remedy` says what to do then. It is an error and never treated as absent.
pub(crate) async fn one<T: DeserializeOwned>(
    storage: &Storage,
    folder: &str,
    key: &impl Display,
    remedy: &str,
) -> Result<Option<T>> {
    let path = path(folder, key);
    let Some(bytes) = storage.read(&path, MAX_BYTES).await? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|_| {
        Error::new(
            ErrorKind::Corrupt,
            format!("`{path}` in storage `{}` is damaged; {remedy}", storage.location()),
        )
    })
}

/// Writes the file of a key, in the place of what is there.
pub(crate) async fn keep(
    storage: &Storage,
    folder: &str,
    key: &impl Display,
    content: &impl Serialize,
) -> Result<()> {
    storage.replace(&path(folder, key), crate::foundation::json::document(content)).await
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
