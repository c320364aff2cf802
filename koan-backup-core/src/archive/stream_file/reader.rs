//! Reads the content of a single backup in a storage.

use std::io::{BufRead, BufReader};
use std::sync::Arc;

use flate2::bufread::GzDecoder;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::fault::{StreamFault, damaged};
use super::header::StreamFileHeader;
use super::item::StreamFileItem;
use super::meta::StreamMeta;
use super::sequence::StreamCounts;
use super::stored_bytes::{ReadBytes, StoredBytes};
use super::text_reader::{ItemSink, read_error, read_text};
use super::{StreamCompression, key_search};
use crate::archive::locked::{MissingKey, matching_key};
use crate::archive::object::ArchiveObject;
use crate::encryption::{DecryptableFile, HEADER_BYTES, Identities};
use crate::entity::EntityCodec;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::own_thread::OwnThread;
use crate::storage::Storage;

/// The number of bytes of the content that are decoded at once.
const BUFFER_BYTES: usize = 64 << 10;
/// The number of items that wait for their receiver.
const MAX_WAITING_ITEMS: usize = 2;

/// The content of a single backup whose file was found, with the key that decrypts it.
#[derive(Debug)]
pub(crate) struct StreamFile {
    meta: StreamMeta,
    object: ArchiveObject,
    key: Option<Arc<DecryptableFile>>,
    step_bytes: usize,
}

/// The content of a single backup, or why it cannot be decrypted.
pub(crate) enum StreamFileKey {
    /// The content can be read.
    Found(Box<StreamFile>),
    /// The content is encrypted, and no key decrypts it.
    Missing(ArchiveObject, MissingKey),
}

impl StreamFile {
    /// Finds the file of a single backup, and its key.
    ///
    /// # Errors
    /// The file is missing or has another size than the `.meta` states, or it should be decryptable and is not.
    pub(crate) async fn find(
        storage: &Storage,
        meta: &StreamMeta,
        identities: &Arc<Identities>,
    ) -> Result<StreamFileKey> {
        let fault = |text: String| damaged(meta.backup_id, Error::new(ErrorKind::Corrupt, text));
        let object = match ArchiveObject::find(storage, &meta.path).await {
            Ok(object) => object,
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                return Err(fault(format!("its content `{}` is missing", meta.path)));
            }
            Err(error) => return Err(error),
        };
        let stored_bytes = object.stored_bytes();
        if stored_bytes != meta.size_bytes {
            let stated = meta.size_bytes;
            return Err(fault(format!(
                "its content has {stored_bytes} bytes, but its `.meta` states {stated}"
            )));
        }
        let step_bytes = storage.part_bytes();
        let Some(encryption) = &meta.encryption else {
            return Ok(StreamFileKey::Found(Box::new(Self {
                meta: meta.clone(),
                object,
                key: None,
                step_bytes,
            })));
        };
        let summary = encryption.summary();
        let start = object.stored(0..stored_bytes.min(HEADER_BYTES)).await?;
        let found = key_search::find(start, stored_bytes, identities).await;
        match found.map_err(|error| damaged(meta.backup_id, error))? {
            Some(key) => {
                let key = Some(Arc::new(key));
                Ok(StreamFileKey::Found(Box::new(Self { meta: meta.clone(), object, key, step_bytes })))
            }
            None => match matching_key(Some(&summary), identities) {
                Some(id) => {
                    Err(fault(format!("its `.meta` lists key `{id}`, which does not decrypt its content")))
                }
                None => Ok(StreamFileKey::Missing(object, MissingKey::new(Some(&summary), identities))),
            },
        }
    }

    /// Returns the stored file, its `.meta`, and the key that decrypts it.
    pub(super) fn parts(&self) -> (ArchiveObject, StreamMeta, Option<Arc<DecryptableFile>>) {
        (self.object.clone(), self.meta.clone(), self.key.clone())
    }

    /// Reads the complete content without returning it, and returns its header and its counts.
    ///
    /// # Errors
    /// The content is damaged, cannot be read, or the work was cancelled.
    pub(crate) async fn verify(
        &self,
        codec: &EntityCodec,
        cancel: &CancellationToken,
    ) -> Result<(StreamFileHeader, StreamCounts)> {
        let stop = cancel.child_token();
        let _guard = stop.clone().drop_guard();
        let reading = self.reading(codec, stop)?;
        let thread = OwnThread::start(move || reading.read(&mut |_| Ok(())));
        until_cancelled(cancel, async { thread.join("reads a single backup").await? }).await
    }

    /// Starts to read the items of the content.
    ///
    /// # Errors
    /// There is no runtime.
    pub(crate) fn items(&self, codec: &EntityCodec, cancel: &CancellationToken) -> Result<StreamFileItems> {
        let stop = cancel.child_token();
        let (sender, items) = mpsc::channel(MAX_WAITING_ITEMS);
        let reading = self.reading(codec, stop.clone())?;
        let thread = OwnThread::start(move || {
            reading.read(&mut |item| sender.blocking_send(item).map_err(|_| Error::cancelled()))
        });
        Ok(StreamFileItems { items, thread, _guard: stop.drop_guard() })
    }

    fn reading(&self, codec: &EntityCodec, stop: CancellationToken) -> Result<Reading> {
        let runtime = Handle::try_current()
            .map_err(|source| Error::with_source(ErrorKind::Internal, "there is no runtime", source))?;
        let (bytes, read) = StoredBytes::new(self.object.clone(), runtime, self.step_bytes, stop);
        Ok(Reading { bytes, read, key: self.key.clone(), meta: self.meta.clone(), codec: codec.clone() })
    }
}

/// The items of a content, in their order. Reading stops when this value is dropped.
#[derive(Debug)]
pub(crate) struct StreamFileItems {
    items: mpsc::Receiver<StreamFileItem>,
    thread: OwnThread<Result<(StreamFileHeader, StreamCounts)>>,
    _guard: DropGuard,
}

impl StreamFileItems {
    /// Returns the next item, or `None` at the end or after a fault, which [`finish`](Self::finish) returns.
    pub(crate) async fn next(&mut self) -> Option<StreamFileItem> {
        self.items.recv().await
    }

    /// Returns the header and the counts after the last item, when the hash of the complete file was compared.
    ///
    /// # Errors
    /// The content is damaged or cannot be read.
    pub(crate) async fn finish(self) -> Result<(StreamFileHeader, StreamCounts)> {
        let Self { items, thread, _guard } = self;
        drop(items);
        thread.join("reads a single backup").await?
    }
}

/// Everything that the reading thread needs.
struct Reading {
    bytes: StoredBytes,
    read: ReadBytes,
    key: Option<Arc<DecryptableFile>>,
    meta: StreamMeta,
    codec: EntityCodec,
}

impl Reading {
    fn read(self, sink: &mut impl ItemSink) -> Result<(StreamFileHeader, StreamCounts)> {
        let (id, read) = (self.meta.backup_id, self.read.clone());
        // An error of the storage is the cause of every error that follows from it.
        self.read_content(sink).map_err(|error| read.failure().unwrap_or_else(|| damaged(id, error)))
    }

    fn read_content(self, sink: &mut impl ItemSink) -> Result<(StreamFileHeader, StreamCounts)> {
        let Self { bytes, read, key, meta, codec } = self;
        let stored = BufReader::with_capacity(BUFFER_BYTES, bytes);
        let mut input: Box<dyn BufRead> = match key {
            None => Box::new(stored),
            Some(key) => {
                let decrypted = key
                    .reader(stored)
                    .ok_or_else(|| StreamFault::Form("its encrypted header was changed").error())?;
                Box::new(BufReader::with_capacity(BUFFER_BYTES, decrypted))
            }
        };
        let (header, counts) = match meta.compression {
            StreamCompression::None => read_text(&mut input, &codec, sink)?,
            StreamCompression::Gzip => {
                let mut text = BufReader::with_capacity(BUFFER_BYTES, GzDecoder::new(&mut input));
                read_text(&mut text, &codec, sink)?
            }
        };
        if !input.fill_buf().map_err(read_error)?.is_empty() {
            return Err(StreamFault::AfterEnd.error());
        }
        let (size_bytes, sha256) = read.finish();
        if size_bytes != meta.size_bytes || sha256 != meta.sha256 {
            let text = "its content has another hash than its `.meta` states";
            return Err(Error::new(ErrorKind::Corrupt, text));
        }
        meta.require_content(&header, counts)?;
        Ok((header, counts))
    }
}
