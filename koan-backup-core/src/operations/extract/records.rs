//! A stream of the records of one entity, which are verified while they are read.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::stream::{self, BoxStream, Stream, StreamExt as _, TryStreamExt as _};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::open::OpenBackup;
use crate::archive::{ArchiveReader, EntityManifest, Manifest};
use crate::foundation::blocking::blocking;
use crate::foundation::buffers::Buffers;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::digest::{self, RecordSetHash};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::SetName;
use crate::foundation::lines::{count_lines, lines};

/// The records of one entity and set, as chunks of complete lines of JSON, each with a line feed.
///
/// Each chunk was compared with its checksum. The stream ends with an error if all chunks together are not the
/// records of the backup, so a caller that needs the certainty must read the stream to its end. Dropping the stream
/// stops the reading.
///
/// ```
/// use futures::TryStreamExt as _;
/// # koan_backup_shop::run(async |koan| {
/// let mut records = koan.records("nightly").entity("Order").await?;
/// while let Some(lines) = records.try_next().await? {
///     print!("{}", String::from_utf8_lossy(&lines));
/// }
/// # Ok(())
/// # });
/// ```
#[must_use = "nothing is read before the stream is polled"]
pub struct RecordStream {
    manifest: Manifest,
    notes: Vec<String>,
    entity: String,
    set: SetName,
    item_count: u64,
    lines_bytes: u64,
    chunks: BoxStream<'static, Result<Bytes>>,
}

impl RecordStream {
    /// Returns the records of an entity and set of an open backup.
    ///
    /// # Errors
    /// The backup does not contain the entity and set, or no key decrypts it.
    pub(crate) fn new(
        backup: OpenBackup,
        entity: &str,
        set: Option<&SetName>,
        cancel: CancellationToken,
    ) -> Result<Self> {
        let (entity, file) = backup.entity(entity, set)?;
        backup.archive().require_decrypted(entity)?;
        let blocks = backup.archive().blocks(file)?;
        let reader = Arc::clone(backup.archive().reader());
        let file: Arc<str> = file.into();
        let workers = std::thread::available_parallelism().map_or(1, usize::from) + 1;
        let buffers = Arc::new(Buffers::default());
        let (block_reader, block_file) = (Arc::clone(&reader), Arc::clone(&file));
        let opened = stream::iter(blocks).map(move |(_, block)| {
            let (reader, file) = (Arc::clone(&block_reader), Arc::clone(&block_file));
            let buffers = Arc::clone(&buffers);
            async move {
                let fetched = reader.block(&file, block).await?;
                let opened = blocking("reads the archive", move || fetched.lines(&buffers)).await?;
                opened.map_err(|fault| reader.damaged_entry_error(&file, &fault.to_string()))
            }
        });
        let check = EndCheck::new(&backup, entity, &reader, &file);
        let (name, set) = (entity.entity.clone(), entity.set.clone());
        let (item_count, lines_bytes) = (entity.item_count, entity.size_bytes);
        let state = (opened.buffered(workers).boxed(), check);
        let chunks = stream::try_unfold(state, move |(mut opened, mut check)| {
            let cancel = cancel.clone();
            async move {
                match until_cancelled(&cancel, opened.try_next()).await? {
                    Some(chunk) => {
                        check = check.add(chunk.clone()).await?;
                        Ok(Some((chunk, (opened, check))))
                    }
                    None => {
                        until_cancelled(&cancel, check.finish()).await?;
                        Ok(None)
                    }
                }
            }
        });
        let (manifest, notes) = (backup.manifest().clone(), backup.notes().to_vec());
        Ok(Self { manifest, notes, entity: name, set, item_count, lines_bytes, chunks: chunks.boxed() })
    }

    /// Returns the manifest of the backup.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Returns notes about the search for the backup, for example that another application made it.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns the name of the entity.
    pub fn entity(&self) -> &str {
        &self.entity
    }

    /// Returns the set.
    pub fn set(&self) -> &SetName {
        &self.set
    }

    /// Returns the number of records, as the manifest states it.
    pub fn item_count(&self) -> u64 {
        self.item_count
    }

    /// Returns the size of all lines in bytes, as the manifest states it.
    pub fn size_bytes(&self) -> u64 {
        self.lines_bytes
    }
}

impl Stream for RecordStream {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.chunks.poll_next_unpin(context)
    }
}

impl fmt::Debug for RecordStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordStream")
            .field("entity", &self.entity)
            .field("set", &self.set)
            .field("item_count", &self.item_count)
            .finish_non_exhaustive()
    }
}

/// The comparison of all records that were read with the manifest.
pub(super) struct EndCheck {
    reader: Arc<ArchiveReader>,
    file: Arc<str>,
    expected_content: Option<String>,
    expected_set: Option<RecordSetHash>,
    expected_count: u64,
    content: Sha256,
    set_hash: RecordSetHash,
    item_count: u64,
}

impl EndCheck {
    pub(super) fn new(
        backup: &OpenBackup,
        entity: &EntityManifest,
        reader: &Arc<ArchiveReader>,
        file: &Arc<str>,
    ) -> Self {
        let (content, set) = backup.archive().documents().hashes(entity, file);
        Self {
            reader: Arc::clone(reader),
            file: Arc::clone(file),
            expected_content: content.cloned(),
            expected_set: set,
            expected_count: entity.item_count,
            content: Sha256::new(),
            set_hash: RecordSetHash::default(),
            item_count: 0,
        }
    }

    /// Adds the next lines, on a blocking thread.
    pub(super) async fn add(mut self, chunk: Bytes) -> Result<Self> {
        blocking("computes a hash", move || {
            self.content.update(&chunk);
            lines(&chunk).for_each(|line| self.set_hash.add(line));
            self.item_count += count_lines(&chunk);
            self
        })
        .await
    }

    /// Compares what was read with the manifest.
    pub(super) async fn finish(self) -> Result<()> {
        if !self.reader.tail_is_intact(&self.file).await? {
            return Err(self.reader.damaged_entry_error(&self.file, "the end of its stream is damaged"));
        }
        let content = digest::finish(self.content);
        let is_same = self.expected_content == Some(content)
            && self.expected_set == Some(self.set_hash)
            && self.expected_count == self.item_count;
        match is_same {
            true => Ok(()),
            false => Err(self.reader.damaged_entry_error(
                &self.file,
                "its records differ from those that the manifest describes",
            )),
        }
    }
}

/// Returns the error of an entity that was not selected.
pub(crate) fn no_entity_error() -> Error {
    Error::new(ErrorKind::Configuration, "the entity whose records are read is not set")
        .with_help("set it with `.entity(\"…\")`")
}
