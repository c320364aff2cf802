//! Writes the content of a single backup again: unchanged into another storage, or for other recipients.

use std::io::{BufReader, Read, Write as _};
use std::sync::Arc;

use object_store::path::Path;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::fault::{StreamFault, damaged};
use super::meta::StreamMeta;
use super::reader::StreamFile;
use super::stored_bytes::{ReadBytes, StoredBytes};
use super::text_reader::read_error;
use super::text_writer::write_error;
use crate::archive::manifest::ArchiveFile;
use crate::archive::object::ArchiveObject;
use crate::archive::pending::PendingArchive;
use crate::archive::upload::{ArchiveSink, FinishedUpload, UploadWriter};
use crate::encryption::{DecryptableFile, Recipients};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::own_thread::OwnThread;
use crate::storage::Storage;

/// The number of bytes that are copied at once.
const BUFFER_BYTES: usize = 64 << 10;

/// A content that is written again.
#[derive(Debug)]
pub(crate) struct StreamTransfer {
    object: ArchiveObject,
    meta: StreamMeta,
    /// The key that decrypts the content. `None` if its bytes are not changed.
    key: Option<Arc<DecryptableFile>>,
    /// The recipients for whom the content is encrypted again.
    recipients: Option<Recipients>,
}

impl StreamTransfer {
    /// A transfer of the stored bytes, which needs no key.
    ///
    /// # Errors
    /// The content is missing, or the storage fails.
    pub(crate) async fn unchanged(storage: &Storage, meta: &StreamMeta) -> Result<Self> {
        let object = match ArchiveObject::find(storage, &meta.path).await {
            Ok(object) => object,
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                let text = format!("its content `{}` is missing", meta.path);
                return Err(damaged(meta.backup_id, Error::new(ErrorKind::Corrupt, text)));
            }
            Err(error) => return Err(error),
        };
        Ok(Self { object, meta: meta.clone(), key: None, recipients: None })
    }

    /// A transfer of the decrypted bytes, which are encrypted for these recipients.
    pub(crate) fn for_recipients(file: &StreamFile, recipients: Recipients) -> Self {
        let (object, meta, key) = file.parts();
        Self { object, meta, key, recipients: Some(recipients) }
    }

    /// Writes the content to `path`, where it is not visible before it is complete. The stored hash is compared first.
    ///
    /// # Errors
    /// The content is damaged, a storage fails, or the work was cancelled.
    pub(crate) async fn write(
        self,
        target: &Storage,
        path: Path,
        cancel: &CancellationToken,
    ) -> Result<ArchiveFile> {
        let runtime = Handle::try_current()
            .map_err(|source| Error::with_source(ErrorKind::Internal, "there is no runtime", source))?;
        let id = self.meta.backup_id;
        let (upload, pending) = PendingArchive::begin_upload(target, id, path, cancel).await?;
        let stop = cancel.child_token();
        let _guard = stop.clone().drop_guard();
        let (bytes, read) = StoredBytes::new(self.object, runtime, target.part_bytes(), stop);
        let (key, recipients, meta) = (self.key, self.recipients, self.meta);
        let thread = OwnThread::start(move || {
            let copied = copy(bytes, &read, key.as_deref(), &meta, upload, recipients.as_ref());
            // An error of the storage is the cause of every error that follows from it.
            copied.map_err(|error| read.failure().unwrap_or_else(|| damaged(id, error)))
        });
        let produce = async { Ok(((), thread.join("writes a single backup again").await??)) };
        let ((), file) = pending.store(produce, cancel).await?;
        Ok(file)
    }
}

fn copy(
    bytes: StoredBytes,
    read: &ReadBytes,
    key: Option<&DecryptableFile>,
    meta: &StreamMeta,
    upload: UploadWriter,
    recipients: Option<&Recipients>,
) -> Result<FinishedUpload> {
    let stored = BufReader::with_capacity(BUFFER_BYTES, bytes);
    let mut input: Box<dyn Read> = match key {
        None => Box::new(stored),
        Some(key) => Box::new(
            key.reader(stored)
                .ok_or_else(|| StreamFault::Form("its encrypted header was changed").error())?,
        ),
    };
    let mut sink = ArchiveSink::new(upload, recipients)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let length = input.read(&mut buffer).map_err(read_error)?;
        if length == 0 {
            break;
        }
        sink.write_all(buffer.get(..length).unwrap_or_default()).map_err(write_error)?;
    }
    let (size_bytes, sha256) = read.finish();
    if size_bytes != meta.size_bytes || sha256 != meta.sha256 {
        let text = "its content has another hash than its `.meta` states";
        return Err(Error::new(ErrorKind::Corrupt, text));
    }
    sink.finish().map_err(write_error)
}
