//! Where archives are kept.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use crate::error::{Error, ErrorKind, Result};

/// A place for archives: a directory, or memory for tests.
#[derive(Clone)]
pub struct Storage {
    store: Arc<dyn ObjectStore>,
    location: String,
}

impl Storage {
    /// A directory, made if it does not exist. Files are written under a temporary name, synced to the disk and renamed.
    ///
    /// # Errors
    /// The path is no directory, or cannot be made one; the error names it.
    pub fn local(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let failed = |source: std::io::Error| {
            Error::with_source(
                ErrorKind::Storage,
                format!(
                    "storage directory `{}` cannot be used; name a directory that can be written",
                    path.display()
                ),
                source,
            )
        };
        std::fs::create_dir_all(path).map_err(failed)?;
        let store = LocalFileSystem::new_with_prefix(path)
            .map_err(|source| failed(std::io::Error::other(source)))?
            .with_fsync(true);
        Ok(Self { store: Arc::new(store), location: path.display().to_string() })
    }

    /// The directory for an application that names none: `.koan/backups`, or `/var/koan/backups` where the environment
    /// variable `KOAN_ENV` is `production`.
    pub fn default_path() -> PathBuf {
        let production = std::env::var_os("KOAN_ENV").is_some_and(|env| env == "production");
        PathBuf::from(if production { "/var/koan/backups" } else { ".koan/backups" })
    }

    /// Memory of this process: gone when it ends.
    pub fn memory() -> Self {
        Self { store: Arc::new(InMemory::new()), location: "memory".to_owned() }
    }

    /// Any object store. Archives are written by multipart upload, manifests by a put that creates only.
    pub fn object_store(store: Arc<dyn ObjectStore>, location: impl Into<String>) -> Self {
        Self { store, location: location.into() }
    }

    /// Where it is, for people.
    pub fn location(&self) -> &str {
        &self.location
    }

    pub(crate) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// Writes a small file that must not exist yet.
    pub(crate) async fn create(&self, path: &ObjectPath, content: Vec<u8>) -> Result<()> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let put = self.store.put_opts(path, PutPayload::from(content), options).await;
        put.map(drop).map_err(|source| self.failed(path, "written to", source))
    }

    /// Reads a small file of at most `limit` bytes; `None` if it does not exist.
    pub(crate) async fn read(&self, path: &ObjectPath, limit: u64) -> Result<Option<Vec<u8>>> {
        let found = match self.store.get(path).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(source) => return Err(self.failed(path, "read from", source)),
        };
        if found.meta.size > limit {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "`{path}` in storage `{}` is larger than the {limit} bytes it can have",
                    self.location
                ),
            ));
        }
        let bytes = found.bytes().await.map_err(|source| self.failed(path, "read from", source))?;
        Ok(Some(bytes.to_vec()))
    }

    pub(crate) fn failed(&self, path: &ObjectPath, what: &str, source: object_store::Error) -> Error {
        Error::with_source(
            ErrorKind::Storage,
            format!("`{path}` was not {what} storage `{}`", self.location),
            source,
        )
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Storage({})", self.location)
    }
}
