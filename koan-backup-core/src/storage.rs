//! Where archives are kept.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use crate::encryption::ArchiveEncryption;
use crate::error::{Error, ErrorKind, Result};

/// A place for archives: a directory, or memory for tests.
#[derive(Clone)]
pub struct Storage {
    store: Arc<dyn ObjectStore>,
    location: String,
    /// The directory, if it is one.
    directory: Option<PathBuf>,
    part_bytes: usize,
    encryption: ArchiveEncryption,
}

/// The longest that whoever gives up waits for a store.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a part of an upload: the least that S3 takes for all but the last.
const STORE_PART_BYTES: usize = 5 << 20;
/// Bytes of a part that goes to a disk or to memory, where small parts cost nothing and hold less memory.
const LOCAL_PART_BYTES: usize = 1 << 20;

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
        Ok(Self {
            store: Arc::new(store),
            location: path.display().to_string(),
            directory: Some(path.to_owned()),
            part_bytes: LOCAL_PART_BYTES,
            encryption: ArchiveEncryption::default(),
        })
    }

    /// The directory for an application that names none: `.koan/backups`, or `/var/koan/backups` where the environment
    /// variable `KOAN_ENV` is `production`.
    pub fn default_path() -> PathBuf {
        let production = std::env::var_os("KOAN_ENV").is_some_and(|env| env == "production");
        PathBuf::from(if production { "/var/koan/backups" } else { ".koan/backups" })
    }

    /// Memory of this process: gone when it ends.
    pub fn memory() -> Self {
        Self { part_bytes: LOCAL_PART_BYTES, ..Self::object_store(Arc::new(InMemory::new()), "memory") }
    }

    /// Any object store. Archives are written by multipart upload, manifests by a put that creates only.
    pub fn object_store(store: Arc<dyn ObjectStore>, location: impl Into<String>) -> Self {
        let encryption = ArchiveEncryption::default();
        Self { store, location: location.into(), directory: None, part_bytes: STORE_PART_BYTES, encryption }
    }

    /// What of the archives that go here is encrypted, beside the entities whose policy asks for it.
    #[must_use]
    pub fn archive_encryption(mut self, encryption: ArchiveEncryption) -> Self {
        self.encryption = encryption;
        self
    }

    /// What of the archives that go here is encrypted.
    pub(crate) fn encryption(&self) -> ArchiveEncryption {
        self.encryption
    }

    /// Where it is, for people.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// The directory, if it is one.
    pub(crate) fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// Bytes of a part of an upload.
    pub(crate) fn part_bytes(&self) -> usize {
        self.part_bytes
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

    /// Writes a small file in the place of one that is there: readers see the one or the other.
    pub(crate) async fn replace(&self, path: &ObjectPath, content: Vec<u8>) -> Result<()> {
        let put = self.store.put(path, PutPayload::from(content)).await;
        put.map(drop).map_err(|source| self.failed(path, "written to", source))
    }

    /// Removes a file.
    pub(crate) async fn remove(&self, path: &ObjectPath) -> Result<()> {
        match self.store.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(self.failed(path, "removed from", source)),
        }
    }

    /// How many bytes a file has; `None` if it does not exist.
    pub(crate) async fn size(&self, path: &ObjectPath) -> Result<Option<u64>> {
        match self.store.head(path).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(self.failed(path, "found in", source)),
        }
    }

    /// Refuses to call a file removed that is still there.
    pub(crate) async fn require_gone(&self, path: &ObjectPath) -> Result<()> {
        match self.size(path).await? {
            None => Ok(()),
            Some(_) => Err(Error::new(
                ErrorKind::Storage,
                format!("`{path}` is still in storage `{}`, which said that it was removed", self.location),
            )),
        }
    }

    /// Reads a small file of at most `limit` bytes; `None` if it does not exist.
    pub(crate) async fn read(&self, path: &ObjectPath, limit: u64) -> Result<Option<Vec<u8>>> {
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
    async fn read_once(
        &self,
        path: &ObjectPath,
        limit: u64,
    ) -> Result<object_store::Result<Option<bytes::Bytes>>> {
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
    pub(crate) async fn discard(&self, path: &ObjectPath) {
        discard(self.store.as_ref(), path).await;
    }

    pub(crate) fn failed(&self, path: &ObjectPath, what: &str, source: object_store::Error) -> Error {
        Error::with_source(
            ErrorKind::Storage,
            format!("`{path}` was not {what} storage `{}`", self.location),
            source,
        )
    }
}

/// Whether a store refused, so that asking again would not help.
pub(crate) fn is_refusal(error: &object_store::Error) -> bool {
    use object_store::Error;
    matches!(error, Error::NotFound { .. } | Error::PermissionDenied { .. } | Error::Unauthenticated { .. })
}

/// Removes what must not stay, if it is there.
pub(crate) async fn discard(store: &dyn ObjectStore, path: &ObjectPath) {
    let what = match tokio::time::timeout(PATIENCE, store.delete(path)).await {
        Ok(Ok(()) | Err(object_store::Error::NotFound { .. })) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the store does not answer".to_owned(),
    };
    tracing::warn!(target: "koan::backup", path = %path, error = %what, "a file that belongs to no backup was not removed; it can be removed by hand");
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Storage({})", self.location)
    }
}
