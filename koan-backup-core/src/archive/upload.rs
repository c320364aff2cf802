//! The upload of an archive from the thread that writes it to its store.
//!
//! The archive is cut into parts while it is written. Finished parts wait in a bounded channel, so that
//! memory does not grow with the archive. The archive is not visible in the store before the upload is
//! completed.

mod failure;
mod note;
mod started;

use std::io;
use std::time::Duration;

use age::stream::StreamWriter;
use bytes::{Bytes, BytesMut};
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutPayload};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::failure::write_error;
pub(crate) use self::note::UploadRecord;
use self::started::StartedUpload;
use super::unpublished::UnpublishedArchive;
use crate::encryption::Recipients;
use crate::foundation::cancellation::{ended_within, until_cancelled};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::storage::{CLEANUP_TIMEOUT, Storage};

/// The maximum number of parts that wait for the store.
const MAX_WAITING_PARTS: usize = 2;
/// The number of parts of the initial size. A store accepts 10 000 parts at most, and some stores require
/// parts of equal size; therefore parts become larger only for an archive that would need too many of them.
const EQUAL_PARTS: usize = 8_000;
/// The factor by which the parts after the first [`EQUAL_PARTS`] are larger.
const GROWTH_FACTOR: usize = 16;

/// The writing end of an upload. It hashes the bytes of the archive in order, and sends them in parts to the
/// storing end.
#[derive(Debug)]
pub(crate) struct UploadWriter {
    parts: mpsc::Sender<Bytes>,
    part: BytesMut,
    /// The size of each of the first [`EQUAL_PARTS`] parts.
    first_part_bytes: usize,
    sent_parts: usize,
    hasher: Sha256,
    written_bytes: u64,
}

/// The destination of the bytes of an archive: the upload, or an encryption whose output is uploaded.
pub(crate) enum ArchiveSink {
    Unencrypted(UploadWriter),
    Encrypted(Box<StreamWriter<UploadWriter>>),
}

impl ArchiveSink {
    /// Creates the sink, which encrypts all bytes if there are recipients.
    pub(super) fn new(writer: UploadWriter, recipients: Option<&Recipients>) -> Result<Self> {
        Ok(match recipients {
            None => Self::Unencrypted(writer),
            Some(recipients) => Self::Encrypted(Box::new(recipients.encrypt_to(writer)?)),
        })
    }

    /// Sends the remaining bytes and returns the size and hash of the archive.
    pub(super) fn finish(self) -> io::Result<FinishedUpload> {
        match self {
            Self::Unencrypted(writer) => writer.finish(),
            Self::Encrypted(writer) => writer.finish()?.finish(),
        }
    }
}

impl io::Write for ArchiveSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unencrypted(writer) => writer.write(bytes),
            Self::Encrypted(writer) => writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Unencrypted(writer) => writer.flush(),
            Self::Encrypted(writer) => writer.flush(),
        }
    }
}

/// The storing end of an upload.
#[derive(Debug)]
pub(super) struct Upload {
    storage: Storage,
    /// The id of the backup that the archive belongs to.
    id: BackupId,
    path: Path,
    upload: StartedUpload,
    parts: mpsc::Receiver<Bytes>,
}

/// The size and hash of an archive whose bytes were all sent.
#[derive(Clone, Debug)]
pub(crate) struct FinishedUpload {
    pub(crate) size_bytes: u64,
    pub(crate) sha256: String,
}

impl Upload {
    /// Begins an upload. No file is visible at `path` until [`complete`](Self::complete).
    pub(super) async fn begin(storage: &Storage, id: BackupId, path: Path) -> Result<(UploadWriter, Self)> {
        let upload = StartedUpload::start(storage, &path).await?;
        let part_bytes = storage.part_bytes();
        let (sender, parts) = mpsc::channel(MAX_WAITING_PARTS);
        let writer = UploadWriter {
            parts: sender,
            part: BytesMut::with_capacity(part_bytes),
            first_part_bytes: part_bytes,
            sent_parts: 0,
            hasher: Sha256::new(),
            written_bytes: 0,
        };
        Ok((writer, Self { storage: storage.clone(), id, path, upload, parts }))
    }

    /// Stores parts until the writing end has sent the last part or is dropped. If this future is dropped, no
    /// file is visible at the path.
    pub(super) async fn run(&mut self) -> Result<()> {
        while let Some(part) = self.parts.recv().await {
            if let Err(source) = self.upload.put_part(PutPayload::from(part)).await {
                // The writing end must not wait for a store that has failed.
                self.parts.close();
                while self.parts.recv().await.is_some() {}
                return Err(write_error(self.storage.location(), &self.path, source));
            }
        }
        Ok(())
    }

    /// Makes the complete archive visible, and compares its size with the number of bytes that were written.
    /// If this fails or is cancelled, the archive is removed.
    ///
    /// The completion cannot be stopped once the store has received it. After a cancellation, its end is
    /// awaited for a limited time, and then the archive is removed. If the storage does not respond in that
    /// time, the error states that the outcome is not known.
    pub(super) async fn complete(
        &mut self,
        written: &FinishedUpload,
        cancel: &CancellationToken,
    ) -> Result<()> {
        if cancel.is_cancelled() {
            self.abort().await;
            return Err(Error::cancelled());
        }
        // Dropping this future removes the archive as well.
        let unpublished = UnpublishedArchive::new(&self.storage, self.id, self.path.clone());
        let completed = ended_within(cancel, Duration::MAX, CLEANUP_TIMEOUT, self.upload.complete()).await;
        let checked = match completed {
            Some(Ok(())) => until_cancelled(cancel, self.check_size(written)).await,
            Some(Err(source)) => {
                self.abort().await;
                Err(write_error(self.storage.location(), &self.path, source))
            }
            None => {
                self.abort().await;
                Err(Error::cancelled().context(format!(
                    "it is not known whether archive `{}` was completed in storage `{}`, because the storage \
                     did not respond in time; no manifest refers to the archive, and if it appears in the \
                     storage later, maintenance reports it",
                    self.path,
                    self.storage.location()
                )))
            }
        };
        match &checked {
            Ok(()) => unpublished.keep(),
            // The archive may be complete although the response of the store was lost.
            Err(_) => unpublished.discard().await,
        }
        checked
    }

    async fn check_size(&mut self, written: &FinishedUpload) -> Result<()> {
        let location = self.storage.location();
        let stored = self.storage.store().head(&self.path).await;
        let stored = stored.map_err(|source| write_error(location, &self.path, source))?;
        if stored.size != written.size_bytes {
            return Err(Error::new(
                ErrorKind::Storage,
                format!(
                    "archive `{}` has {} bytes in storage `{location}`, but {} bytes were written; it was \
                     not published",
                    self.path, stored.size, written.size_bytes
                ),
            ));
        }
        Ok(())
    }

    /// Aborts the upload and removes its parts. Waits for the store for a limited time.
    pub(super) async fn abort(&mut self) {
        // The writing end must not wait for the store.
        self.parts.close();
        self.upload.abort(&self.path).await;
    }
}

impl UploadWriter {
    /// Returns the size of the next part.
    pub(crate) fn part_bytes(&self) -> usize {
        part_bytes(self.first_part_bytes, self.sent_parts)
    }

    /// Sends a part of an existing archive, which is copied. Each part except the last must have the size
    /// [`part_bytes`](Self::part_bytes).
    pub(crate) async fn send_part(&mut self, part: Bytes) -> Result<()> {
        let hasher = std::mem::take(&mut self.hasher);
        self.hasher = crate::foundation::digest::update(hasher, part.clone()).await?;
        self.written_bytes = self.written_bytes.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
        self.sent_parts += 1;
        let sent = self.parts.send(part).await;
        sent.map_err(|_| Error::new(ErrorKind::Storage, UPLOAD_ENDED))
    }

    /// Ends the upload of parts, and returns the size and hash of all parts that were sent.
    pub(crate) fn finish_parts(self) -> FinishedUpload {
        FinishedUpload {
            size_bytes: self.written_bytes,
            sha256: crate::foundation::digest::finish(self.hasher),
        }
    }

    /// Sends the remaining bytes and returns the size and hash of the archive.
    fn finish(mut self) -> io::Result<FinishedUpload> {
        if !self.part.is_empty() {
            self.send()?;
        }
        Ok(FinishedUpload {
            size_bytes: self.written_bytes,
            sha256: crate::foundation::digest::finish(self.hasher),
        })
    }

    fn send(&mut self) -> io::Result<()> {
        self.sent_parts += 1;
        let next = BytesMut::with_capacity(self.part_bytes());
        let part = std::mem::replace(&mut self.part, next).freeze();
        self.parts.blocking_send(part).map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, UPLOAD_ENDED))
    }
}

const UPLOAD_ENDED: &str = "the upload of the archive has ended early";

impl io::Write for UploadWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let accepted_bytes = bytes.len().min(self.part_bytes() - self.part.len());
        let (accepted, _) = bytes.split_at(accepted_bytes);
        self.part.extend_from_slice(accepted);
        self.hasher.update(accepted);
        self.written_bytes += u64::try_from(accepted_bytes).map_err(io::Error::other)?;
        if self.part.len() == self.part_bytes() {
            self.send()?;
        }
        Ok(accepted_bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the size of the part that follows `sent_parts` parts.
fn part_bytes(first_part_bytes: usize, sent_parts: usize) -> usize {
    if sent_parts < EQUAL_PARTS { first_part_bytes } else { first_part_bytes.saturating_mul(GROWTH_FACTOR) }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn the_maximum_number_of_parts_is_enough_for_an_archive_of_180_gib() {
        let total_bytes = (0..10_000)
            .map(|sent_parts| part_bytes(5 << 20, sent_parts))
            .fold(0u64, |sum, part| sum + u64::try_from(part).expect("a part fits in 64 bits"));
        assert!(total_bytes > 180 << 30, "the parts can contain {total_bytes} bytes only");
    }

    #[test]
    fn written_bytes_are_cut_into_parts_of_the_initial_size_and_then_of_the_larger_size() {
        let (sender, mut parts) = mpsc::channel(EQUAL_PARTS + 10);
        let part = BytesMut::new();
        let mut writer = UploadWriter {
            parts: sender,
            part,
            first_part_bytes: 2,
            sent_parts: 0,
            hasher: Sha256::new(),
            written_bytes: 0,
        };
        let written_bytes = 2 * EQUAL_PARTS + 2 * GROWTH_FACTOR + 5;
        writer.write_all(&vec![7; written_bytes]).expect("the bytes are written");
        let finished = writer.finish().expect("the last part is sent");
        assert_eq!(finished.size_bytes, u64::try_from(written_bytes).expect("the size fits in 64 bits"));
        let mut lengths = Vec::new();
        while let Ok(part) = parts.try_recv() {
            lengths.push(part.len());
        }
        let (equal, rest) = lengths.split_at(EQUAL_PARTS);
        assert!(equal.iter().all(|&length| length == 2));
        assert_eq!(rest, [2 * GROWTH_FACTOR, 5]);
    }
}
