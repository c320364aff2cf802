//! Requests to the storage.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use koan_backup_core::{Error, ErrorKind, Result, Storage};
use object_store::path::Path;
use object_store::{GetResult, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode, PutPayload};

/// How many requests are made at the same time.
pub(crate) const CONCURRENT_REQUESTS: usize = 16;

/// The files of a storage.
#[derive(Clone, Debug)]
pub(crate) struct Objects {
    storage: Storage,
    store: Arc<dyn ObjectStore>,
}

/// Whether a file was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Created {
    Created,
    Exists,
}

impl Objects {
    pub(crate) fn new(storage: Storage) -> Self {
        let store = storage.object_store_handle();
        Self { storage, store }
    }

    pub(crate) fn location(&self) -> &str {
        self.storage.location()
    }

    /// Reads a small file. Returns `None` if it does not exist.
    pub(crate) async fn get(&self, path: &Path) -> Result<Option<Bytes>> {
        let Some(found) = self.open(path).await? else { return Ok(None) };
        let size = found.meta.size;
        let bytes = found.bytes().await.map_err(|source| self.failed(path, "read", source))?;
        if u64::try_from(bytes.len()) != Ok(size) {
            return Err(self.incomplete(path));
        }
        Ok(Some(bytes))
    }

    /// Opens a file. Returns `None` if it does not exist.
    pub(crate) async fn open(&self, path: &Path) -> Result<Option<GetResult>> {
        match self.store.get(path).await {
            Ok(found) => Ok(Some(found)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(self.failed(path, "read", source)),
        }
    }

    /// Creates a file, if it does not exist. Its content must be unique, so that a file whose creation was not confirmed is
    /// recognized.
    pub(crate) async fn create(&self, path: &Path, content: Vec<u8>) -> Result<Created> {
        let content = Bytes::from(content);
        let put = self.store.put_opts(path, PutPayload::from(content.clone()), PutMode::Create.into()).await;
        match put {
            Ok(_) => Ok(Created::Created),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                let is_ours = self.get(path).await?.is_some_and(|found| found == content);
                Ok(if is_ours { Created::Created } else { Created::Exists })
            }
            Err(source) => Err(self.failed(path, "created", source)),
        }
    }

    /// Writes a file with a new name.
    pub(crate) async fn put(&self, path: &Path, content: Vec<u8>) -> Result<()> {
        let put = self.store.put(path, PutPayload::from(content)).await;
        put.map(drop).map_err(|source| self.failed(path, "written", source))
    }

    /// Removes files, whether or not they exist. After a crash, they may exist again.
    pub(crate) async fn delete(&self, paths: Vec<Path>) -> Result<()> {
        let removals = stream::iter(paths).map(|path| async move {
            match self.store.delete(&path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(source) => Err(self.failed(&path, "removed", source)),
            }
        });
        removals.buffer_unordered(CONCURRENT_REQUESTS).try_collect().await
    }

    /// Removes a file, whether or not it exists. It does not exist again after a crash.
    pub(crate) async fn delete_durably(&self, path: &Path) -> Result<()> {
        self.storage.remove_object_durably(path).await
    }

    /// Lists the files of a folder and its subfolders, in any order.
    pub(crate) fn list(&self, folder: &Path) -> BoxStream<'_, Result<ObjectMeta>> {
        let folder = folder.clone();
        let listed = self.store.list(Some(&folder));
        listed.map_err(move |source| self.failed(&folder, "listed", source)).boxed()
    }

    /// Returns the names of the subfolders of a folder.
    pub(crate) async fn folders(&self, folder: &Path) -> Result<Vec<String>> {
        let listed = self.store.list_with_delimiter(Some(folder)).await;
        let listed = match listed {
            Err(object_store::Error::NotFound { .. }) => return Ok(Vec::new()),
            listed => listed.map_err(|source| self.failed(folder, "listed", source))?,
        };
        let name = |path: &Path| path.as_ref().rsplit('/').next().map(str::to_owned);
        Ok(listed.common_prefixes.iter().filter_map(name).collect())
    }

    pub(crate) fn failed(&self, path: &Path, action: &str, source: object_store::Error) -> Error {
        let text = format!("`{path}` of the event store in `{}` was not {action}", self.location());
        Error::with_source(ErrorKind::Provider, text, source)
    }

    pub(crate) fn incomplete(&self, path: &Path) -> Error {
        let text = format!("`{path}` of the event store in `{}` was read incompletely", self.location());
        Error::new(ErrorKind::Provider, text).with_help("try again")
    }

    /// Returns the error for a file that is damaged, or whose content contradicts its name.
    pub(crate) fn damaged(&self, path: &Path, problem: &str) -> Error {
        let text = format!("`{path}` of the event store in `{}` {problem}", self.location());
        Error::new(ErrorKind::Corrupt, text).with_help("restore the aggregate from a backup")
    }
}
