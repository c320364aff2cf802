//! Small files in a storage profile: manifests and what is like them.

use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutMode, PutOptions, PutPayload};

use super::{CLEANUP_TIMEOUT, Storage, is_refusal};
use crate::foundation::error::{Error, ErrorKind, Result};

impl Storage {
    /// Writes a small file that must not exist yet.
    pub(crate) async fn create(&self, path: &Path, content: Vec<u8>) -> Result<()> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let put = self.store.put_opts(path, PutPayload::from(content), options).await;
        put.map(drop).map_err(|source| self.failed(path, "written to", source))
    }

    /// Writes a small file in the place of one that is there: readers see the one or the other.
    pub(crate) async fn replace(&self, path: &Path, content: Vec<u8>) -> Result<()> {
        let put = self.store.put(path, PutPayload::from(content)).await;
        put.map(drop).map_err(|source| self.failed(path, "written to", source))
    }

    /// Removes a file.
    pub(crate) async fn remove(&self, path: &Path) -> Result<()> {
        match self.store.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(self.failed(path, "removed from", source)),
        }
    }

    /// How many bytes a file has; `None` if it does not exist.
    pub(crate) async fn size(&self, path: &Path) -> Result<Option<u64>> {
        match self.store.head(path).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(self.failed(path, "found in", source)),
        }
    }

    /// Refuses to call a file removed that is still there.
    pub(crate) async fn require_gone(&self, path: &Path) -> Result<()> {
        match self.size(path).await? {
            None => Ok(()),
            Some(_) => Err(Error::new(
                ErrorKind::Storage,
                format!("`{path}` is still in storage `{}`, which said that it was removed", self.location),
            )),
        }
    }

    /// Reads a small file of at most `limit` bytes; `None` if it does not exist.
    pub(crate) async fn read(&self, path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
        // A read that comes back short or fails is tried once more: the store may have been cut off.
        for attempt in 0..2 {
            let source = match self.read_once(path, limit).await? {
                Ok(Some(bytes)) => return Ok(Some(bytes.to_vec())),
                Ok(None) => None,
                Err(object_store::Error::NotFound { .. }) => return Ok(None),
                Err(source) => Some(source),
            };
            if let Some(source) = source
                && (attempt == 1 || is_refusal(&source))
            {
                return Err(self.failed(path, "read from", source));
            }
        }
        Err(Error::new(
            ErrorKind::Storage,
            format!("`{path}` comes back short from storage `{}`; nothing in it is trusted", self.location),
        ))
    }

    /// One read; nothing if it came back short.
    async fn read_once(&self, path: &Path, limit: u64) -> Result<object_store::Result<Option<bytes::Bytes>>> {
        let found = match self.store.get(path).await {
            Ok(found) => found,
            Err(source) => return Ok(Err(source)),
        };
        let size = found.meta.size;
        if size > limit {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "`{path}` in storage `{}` is larger than the {limit} bytes it can have",
                    self.location
                ),
            ));
        }
        Ok(found.bytes().await.map(|bytes| (u64::try_from(bytes.len()) == Ok(size)).then_some(bytes)))
    }

    /// Removes what must not stay. That it stays all the same is logged: nothing refers to it.
    pub(crate) async fn discard(&self, path: &Path) {
        let what = match tokio::time::timeout(CLEANUP_TIMEOUT, self.store.delete(path)).await {
            Ok(Ok(()) | Err(object_store::Error::NotFound { .. })) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the store does not answer".to_owned(),
        };
        tracing::warn!(
            target: "koan::backup", path = %path, error = %what,
            "a file that belongs to no backup was not removed; it can be removed by hand"
        );
    }
}
