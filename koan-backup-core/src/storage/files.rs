//! Small files in a storage profile, such as manifests.

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

    /// Writes a small file, and replaces an existing one atomically.
    pub(crate) async fn replace(&self, path: &Path, content: Vec<u8>) -> Result<()> {
        let put = self.store.put(path, PutPayload::from(content)).await;
        put.map(drop).map_err(|source| self.failed(path, "written to", source))
    }

    /// Removes a file, if it exists.
    pub(crate) async fn remove(&self, path: &Path) -> Result<()> {
        match self.store.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(self.failed(path, "removed from", source)),
        }
    }

    /// Returns the size of a file, or `None` if it does not exist.
    pub(crate) async fn size(&self, path: &Path) -> Result<Option<u64>> {
        match self.store.head(path).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(self.failed(path, "found in", source)),
        }
    }

    /// Checks that a removed file no longer exists.
    pub(crate) async fn require_gone(&self, path: &Path) -> Result<()> {
        match self.size(path).await? {
            None => Ok(()),
            Some(_) => Err(Error::new(
                ErrorKind::Storage,
                format!(
                    "`{path}` still exists in storage `{}`, although the storage reported its removal",
                    self.location
                ),
            )),
        }
    }

    /// Reads a small file of at most `limit` bytes, or returns `None` if it does not exist.
    pub(crate) async fn read(&self, path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
        // A read that is incomplete or fails is retried once, because the connection may have been
        // interrupted.
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
            format!(
                "storage `{}` returned incomplete content for `{path}`, which is not used; try again",
                self.location
            ),
        ))
    }

    /// Reads a file once. Returns an inner `None` if the content was incomplete.
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
                    "`{path}` in storage `{}` is larger than its maximum of {limit} bytes",
                    self.location
                ),
            ));
        }
        Ok(found.bytes().await.map(|bytes| (u64::try_from(bytes.len()) == Ok(size)).then_some(bytes)))
    }

    /// Removes a file that is not referred to by any other file. An error is only logged.
    pub(crate) async fn discard(&self, path: &Path) {
        let reason = match tokio::time::timeout(CLEANUP_TIMEOUT, self.store.delete(path)).await {
            Ok(Ok(()) | Err(object_store::Error::NotFound { .. })) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the store did not respond in time".to_owned(),
        };
        tracing::warn!(
            target: "koan::backup", path = %path, error = %reason,
            "a file that belongs to no backup was not removed; it can be removed manually"
        );
    }
}
