//! Sidecar files: small files `{folder}/{key}.json` that are stored beside archives. The key is usually the
//! id of a backup.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use futures::StreamExt as _;
use object_store::path::Path;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::stored::MAX_CONCURRENT_READS;
use super::unreadable::concerns_one_file;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::storage::{ListedFile, Storage};

/// The maximum size of a sidecar file.
const MAX_SIDECAR_BYTES: u64 = 1 << 20;

/// Returns the path of the sidecar file of a key in a folder.
pub(crate) fn path(folder: &str, key: &impl Display) -> Path {
    Path::from(format!("{folder}/{key}.json"))
}

/// The contents of the sidecar files of a folder, by key.
#[derive(Debug)]
pub(crate) struct SidecarFiles<K, T> {
    pub(crate) readable: BTreeMap<K, T>,
    /// The files that cannot be read, with the reason. They are never treated as absent.
    pub(crate) unreadable: BTreeMap<K, String>,
}

/// Reads all files of a folder. A file whose name is not a key is ignored. `remedy` describes what the user
/// should do about a damaged file; it is part of the error text.
///
/// # Errors
/// The storage cannot be read.
pub(crate) async fn read_all<K: FromStr + Display + Ord, T: DeserializeOwned>(
    storage: &Storage,
    folder: &str,
    remedy: &str,
) -> Result<SidecarFiles<K, T>> {
    let listed = list(storage, folder).await?;
    read_some(storage, folder, remedy, listed.into_iter().map(|(key, _)| key)).await
}

/// Lists the files of a folder. A file whose name is not a key is ignored.
///
/// # Errors
/// The storage cannot be listed.
pub(super) async fn list<K: FromStr + Display>(
    storage: &Storage,
    folder: &str,
) -> Result<Vec<(K, ListedFile)>> {
    let folder_path = Path::from(folder);
    let listed = storage.list(&folder_path).await;
    let listed = listed.map_err(|source| storage.failed(&folder_path, "listed in", source))?;
    Ok(listed.into_iter().filter_map(|file| Some((key_of::<K>(folder, &file.path)?, file))).collect())
}

/// Reads the files of these keys. A file that does not exist is skipped.
///
/// # Errors
/// The storage cannot be read. An error that concerns one file is not an error.
pub(crate) async fn read_some<K: Display + Ord, T: DeserializeOwned>(
    storage: &Storage,
    folder: &str,
    remedy: &str,
    keys: impl IntoIterator<Item = K>,
) -> Result<SidecarFiles<K, T>> {
    let read = |key: K| async move { (read(storage, folder, &key, remedy).await, key) };
    let mut read = futures::stream::iter(keys).map(read).buffer_unordered(MAX_CONCURRENT_READS);
    let mut found = SidecarFiles { readable: BTreeMap::new(), unreadable: BTreeMap::new() };
    while let Some((content, key)) = read.next().await {
        match content {
            Ok(None) => {}
            Ok(Some(content)) => drop(found.readable.insert(key, content)),
            Err(error) if concerns_one_file(storage, &error) => {
                found.unreadable.insert(key, error.chain());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Returns the key of a file, if its name is a key.
fn key_of<K: FromStr + Display>(folder: &str, file: &Path) -> Option<K> {
    let key = file.filename()?.strip_suffix(".json")?.parse().ok()?;
    (path(folder, &key) == *file).then_some(key)
}

/// Reads the file of a key, or returns `None` if it does not exist.
///
/// # Errors
/// The storage cannot be read, or the file is damaged. A damaged file is never treated as absent; `remedy`
/// describes what the user should do about it.
pub(crate) async fn read<T: DeserializeOwned>(
    storage: &Storage,
    folder: &str,
    key: &impl Display,
    remedy: &str,
) -> Result<Option<T>> {
    let path = path(folder, key);
    let Some(bytes) = storage.read(&path, MAX_SIDECAR_BYTES).await? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|_| {
        Error::new(
            ErrorKind::Corrupt,
            format!("`{path}` in storage `{}` is damaged; {remedy}", storage.location()),
        )
    })
}

/// Writes the file of a key, and replaces an existing one.
pub(crate) async fn write(
    storage: &Storage,
    folder: &str,
    key: &impl Display,
    content: &impl Serialize,
) -> Result<()> {
    storage.replace(&path(folder, key), crate::foundation::json::document(content)).await
}

/// Removes the file of a key, if it exists, and checks that it is gone.
pub(crate) async fn remove(storage: &Storage, folder: &str, key: &impl Display) -> Result<()> {
    let path = path(folder, key);
    if storage.size(&path).await?.is_some() {
        storage.remove(&path).await?;
        storage.require_gone(&path).await?;
    }
    Ok(())
}
