//! The access to the bytes of an archive in a store, whether the archive is encrypted as a whole or not.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use rawzip::ReaderAt;
use tokio::runtime::Handle;

use super::damage::corrupt;
use super::key_search;
use crate::encryption::{DecryptableFile, HEADER_BYTES, Identities};
use crate::foundation::blocking::blocking;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::storage::Storage;

/// An archive in a store.
#[derive(Clone, Debug)]
pub(crate) struct ArchiveObject {
    store: Arc<dyn ObjectStore>,
    path: Path,
    /// The size of the file in the store.
    stored_bytes: u64,
    /// The size of the archive after decryption.
    size_bytes: u64,
    /// The key and the header, if the archive is encrypted as a whole.
    decryptable: Option<Arc<DecryptableFile>>,
}

impl ArchiveObject {
    /// Finds an archive in a store and reads its size.
    pub(crate) async fn find(storage: &Storage, file: &str) -> Result<Self> {
        let path = Path::parse(file)
            .map_err(|_| corrupt(file, "its path does not have the form of a storage path"))?;
        let store = Arc::clone(storage.store());
        match store.head(&path).await {
            Ok(meta) => {
                Ok(Self { store, path, stored_bytes: meta.size, size_bytes: meta.size, decryptable: None })
            }
            Err(object_store::Error::NotFound { .. }) => Err(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "archive `{file}` is missing from storage `{}`; restore from another backup",
                    storage.location()
                ),
            )),
            Err(source) => Err(storage.failed(&path, "read from", source)),
        }
    }

    /// Returns the archive inside a file that is encrypted as a whole, or `None` if no identity can decrypt
    /// the file.
    pub(crate) async fn decrypted(mut self, identities: &Arc<Identities>) -> Result<Option<Self>> {
        let start = self.stored(0..self.stored_bytes.min(HEADER_BYTES)).await?;
        let found = key_search::find(start, self.stored_bytes, identities).await;
        let found =
            found.map_err(|error| error.context(format!("archive `{}` could not be opened", self.path)))?;
        let Some(decryptable) = found else { return Ok(None) };
        self.size_bytes =
            decryptable.plain_length().ok_or_else(|| corrupt(self.path.as_ref(), "it is truncated"))?;
        self.decryptable = Some(Arc::new(decryptable));
        Ok(Some(self))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the size of the file in the store.
    pub(crate) fn stored_bytes(&self) -> u64 {
        self.stored_bytes
    }

    /// Returns the size of the archive after decryption.
    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Returns a range of the file in the store.
    pub(crate) async fn stored(&self, range: Range<u64>) -> Result<Bytes> {
        fetch(self.store.as_ref(), &self.path, range).await
    }

    /// Returns a range of the archive's bytes after decryption.
    pub(crate) async fn range(&self, range: Range<u64>) -> Result<Bytes> {
        let Some(decryptable) = &self.decryptable else { return self.stored(range).await };
        let encrypted = self.stored(decryptable.encrypted_range(&range)).await?;
        let (decryptable, start) = (Arc::clone(decryptable), range.start);
        let opened = blocking("decrypts the archive", move || decryptable.open(&range, &encrypted)).await?;
        opened.map(Bytes::from).ok_or_else(|| {
            corrupt(self.path.as_ref(), &format!("its data at byte {start} cannot be decrypted"))
        })
    }
}

/// Reads a range of an archive. A read that fails or returns too few bytes is retried once, because the
/// connection may have been interrupted.
async fn fetch(store: &dyn ObjectStore, path: &Path, range: Range<u64>) -> Result<Bytes> {
    // Stores refuse an empty range.
    let wanted = range.end.saturating_sub(range.start);
    if wanted == 0 {
        return Ok(Bytes::new());
    }
    for attempt in 0..2 {
        match store.get_range(path, range.clone()).await {
            Ok(bytes) if u64::try_from(bytes.len()) == Ok(wanted) => return Ok(bytes),
            Err(source) if attempt == 1 || crate::storage::is_refusal(&source) => {
                return Err(Error::with_source(
                    ErrorKind::Storage,
                    format!("archive `{path}` could not be read at byte {}", range.start),
                    source,
                ));
            }
            Ok(_) | Err(_) => {}
        }
    }
    Err(corrupt(path.as_ref(), &format!("it ends before byte {}", range.end)))
}

/// A reader of an archive at any offset, for use on a blocking thread.
pub(super) struct RangeReader {
    pub(super) object: ArchiveObject,
    pub(super) handle: Handle,
    pub(super) failure: ReadFailure,
}

/// The error of a read from the store. It is preserved so that a failed read is not reported as a damaged
/// archive.
pub(super) type ReadFailure = Arc<Mutex<Option<Error>>>;

impl ReaderAt for RangeReader {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let length = u64::try_from(buffer.len()).map_err(io::Error::other)?;
        let end = offset.saturating_add(length).min(self.object.size_bytes);
        if offset >= end {
            return Ok(0);
        }
        let fetched = self.handle.block_on(self.object.range(offset..end));
        let bytes = fetched.map_err(|error| {
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            io::Error::other("the archive could not be read from storage")
        })?;
        let copied = bytes.len().min(buffer.len());
        buffer[..copied].copy_from_slice(&bytes[..copied]);
        Ok(copied)
    }
}
