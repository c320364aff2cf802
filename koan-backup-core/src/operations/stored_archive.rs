//! The archive of a backup as it is stored, for downloads: its bytes can be read in ranges, without a key.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, Stream};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use crate::archive::{ArchiveFile, ArchiveObject, Manifest, size_fault};
use crate::catalog::StoredBackup;
use crate::environment::Environment;
use crate::environment::lease::Lease;
use crate::environment::read_lease::{self, ReadPurpose};
use crate::foundation::blocking::blocking;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::digest;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::storage::Storage;

/// Each read returns this fraction of an upload part, so that many slow readers need little memory: 256 KiB in a
/// directory, and 1.25 MiB in a bucket, where each request takes some time.
const PARTS_FRACTION: usize = 4;

/// The archive of a backup as it is stored. Its bytes are not decrypted.
///
/// As long as this value or one of its streams exists, a lease prevents the removal of the backup, also by other
/// processes. If the storage cannot be written, there is no lease, and a warning is logged.
///
/// ```
/// use futures::TryStreamExt as _;
/// # koan_backup_shop::run(async |koan| {
/// let archive = koan.archive("nightly").await?;
/// let (mut bytes, size) = (0, archive.size_bytes());
/// let mut content = std::pin::pin!(archive.read(0..size));
/// while let Some(chunk) = content.try_next().await? {
///     bytes += chunk.len();
/// }
/// assert_eq!(u64::try_from(bytes), Ok(size));
/// # Ok(())
/// # });
/// ```
#[derive(Debug)]
#[must_use = "the bytes of the archive are returned by `read`"]
pub struct StoredArchive {
    manifest: Manifest,
    archive: ArchiveFile,
    notes: Vec<String>,
    source: Source,
}

/// The file in the storage, and the lease that protects it.
#[derive(Clone, Debug)]
struct Source {
    object: ArchiveObject,
    read_bytes: u64,
    cancel: CancellationToken,
    _lease: Option<Arc<Lease>>,
}

impl StoredArchive {
    /// Opens the archive of a backup, and acquires the lease.
    ///
    /// # Errors
    /// The backup has no archive, its file is missing or has another size than the manifest states, or the backup was
    /// removed meanwhile.
    pub(crate) async fn open(
        environment: &Environment,
        backup: &StoredBackup<'_>,
        cancel: CancellationToken,
    ) -> Result<Self> {
        let manifest = &backup.manifest;
        let Some(archive) = manifest.archive.clone() else {
            let reason = manifest.error.as_deref().unwrap_or("its manifest contains no archive");
            let text = format!("backup {} has no archive: {reason}", manifest.id);
            return Err(Error::new(ErrorKind::Incompatible, text).with_help("select another backup"));
        };
        let lease = read_lease::acquire(environment, backup, ReadPurpose::Download, &cancel).await?;
        let object = match until_cancelled(&cancel, find(backup.storage, &archive)).await {
            Ok(object) => object,
            Err(error) => {
                if let Some(lease) = lease {
                    lease.release().await;
                }
                return Err(error);
            }
        };
        let read_bytes = backup.storage.part_bytes() / PARTS_FRACTION;
        let source = Source {
            object,
            read_bytes: u64::try_from(read_bytes).unwrap_or(u64::MAX),
            cancel,
            _lease: lease.map(Arc::new),
        };
        let notes = backup.notes(&environment.identity);
        Ok(Self { manifest: manifest.clone(), archive, notes, source })
    }

    /// Returns the id of the backup.
    pub fn id(&self) -> BackupId {
        self.manifest.id
    }

    /// Returns the manifest of the backup; if its archive is encrypted as a whole, the envelope.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Returns notes about the search for the backup, for example that another application made it.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns the name of the file, without its folder.
    pub fn file_name(&self) -> &str {
        self.archive.file.rsplit('/').next().unwrap_or(&self.archive.file)
    }

    /// Returns the size of the file in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.archive.size_bytes
    }

    /// Returns the SHA-256 hash of the file, as the manifest states it: `sha256:` and 64 hexadecimal digits.
    pub fn sha256(&self) -> &str {
        &self.archive.sha256
    }

    /// Returns the bytes of a range of the file, in chunks. Only one chunk is in memory, and the next one is read when
    /// the stream is polled again. Dropping the stream stops the reading.
    ///
    /// A stream of the complete file computes its hash, and ends with an error instead of the last chunk if the file is
    /// not the one that the manifest describes. A stream of a part of the file cannot detect changed bytes.
    ///
    /// # Errors
    /// The stream returns an error if the range is not within the file, the storage cannot be read, the file is
    /// damaged, or the operation was cancelled.
    pub fn read(&self, range: Range<u64>) -> impl Stream<Item = Result<Bytes>> + Send + use<> {
        let size = self.archive.size_bytes;
        let is_within = range.start <= range.end && range.end <= size;
        let start = match is_within {
            true => Ok(ReadState {
                hash: (range == (0..size)).then(Sha256::new),
                next: range.start,
                end: range.end,
                archive: self.archive.clone(),
                source: self.source.clone(),
            }),
            false => Err(Error::new(
                ErrorKind::Configuration,
                format!(
                    "bytes {} to {} are not within archive `{}`, which has {size} bytes",
                    range.start, range.end, self.archive.file
                ),
            )),
        };
        stream::try_unfold(Some(start), |state| async move {
            match state {
                None => Ok(None),
                Some(state) => {
                    state?.next_chunk().await.map(|next| next.map(|(chunk, state)| (chunk, Some(Ok(state)))))
                }
            }
        })
    }
}

/// The state of a stream between two chunks.
struct ReadState {
    source: Source,
    archive: ArchiveFile,
    next: u64,
    end: u64,
    /// The hash of the bytes so far, if the complete file is read.
    hash: Option<Sha256>,
}

impl ReadState {
    async fn next_chunk(mut self) -> Result<Option<(Bytes, Self)>> {
        if self.next >= self.end {
            return Ok(None);
        }
        let end = self.end.min(self.next.saturating_add(self.source.read_bytes));
        let fetched = self.source.object.stored(self.next..end);
        let chunk = until_cancelled(&self.source.cancel, fetched).await?;
        if let Some(mut hash) = self.hash.take() {
            let hashed = chunk.clone();
            let updated = blocking("computes a hash", move || {
                hash.update(&hashed);
                hash
            });
            let hash = updated.await?;
            if end < self.end {
                self.hash = Some(hash);
            } else if digest::finish(hash) != self.archive.sha256 {
                return Err(damaged(&self.archive, "its content has another hash than its manifest states"));
            }
        }
        self.next = end;
        Ok(Some((chunk, self)))
    }
}

/// Finds the file of an archive, which must have the size that the manifest states.
async fn find(storage: &Storage, archive: &ArchiveFile) -> Result<ArchiveObject> {
    let object = ArchiveObject::find(storage, &archive.file).await?;
    match size_fault(&object, archive) {
        None => Ok(object),
        Some(fault) => Err(damaged(archive, &fault)),
    }
}

fn damaged(archive: &ArchiveFile, fault: &str) -> Error {
    let text = format!("archive `{}` is damaged: {fault}", archive.file);
    Error::new(ErrorKind::Corrupt, text).with_help("use another backup")
}
