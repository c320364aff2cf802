//! From the thread that writes an archive to the store that keeps it.
//!
//! The archive is cut into parts as it is written; parts wait in a bounded channel, so memory does not grow with the
//! archive, and nothing shows in the store before the upload is completed.

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

use self::failure::failed;
pub(crate) use self::note::UploadNote;
use self::started::StartedUpload;
use super::unpublished::UnpublishedArchive;
use crate::encryption::Recipients;
use crate::foundation::cancellation::{ended_within, until_cancelled};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::storage::{CLEANUP_TIMEOUT, Storage};

/// Parts that wait for the store at most.
const PARTS_AHEAD: usize = 2;
/// Parts of one size. Stores take 10 000 in all, and some of them take parts of one size only: what is larger than this would not
/// fit otherwise.
const EQUAL_PARTS: usize = 8_000;
/// How much larger the parts are that follow.
const GROWTH: usize = 16;

/// The writing end: takes bytes in order, hashes them, and hands them on in parts.
#[derive(Debug)]
pub(crate) struct UploadWriter {
    parts: mpsc::Sender<Bytes>,
    part: BytesMut,
    /// Bytes of the first parts.
    first_bytes: usize,
    sent: usize,
    hasher: Sha256,
    written: u64,
}

/// Where an archive is written: to the upload, or sealed on the way there.
pub(crate) enum ArchiveSink {
    Clear(UploadWriter),
    Sealed(Box<StreamWriter<UploadWriter>>),
}

impl ArchiveSink {
    /// Seals all that is written, if it is for somebody.
    pub(super) fn new(writer: UploadWriter, recipients: Option<&Recipients>) -> Result<Self> {
        Ok(match recipients {
            None => Self::Clear(writer),
            Some(recipients) => Self::Sealed(Box::new(recipients.seal_to(writer)?)),
        })
    }

    /// Sends the remaining bytes and returns what was written.
    pub(super) fn finish(self) -> io::Result<FinishedUpload> {
        match self {
            Self::Clear(writer) => writer.finish(),
            Self::Sealed(writer) => writer.finish()?.finish(),
        }
    }
}

impl io::Write for ArchiveSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Clear(writer) => writer.write(bytes),
            Self::Sealed(writer) => writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Clear(writer) => writer.flush(),
            Self::Sealed(writer) => writer.flush(),
        }
    }
}

/// The storing end.
#[derive(Debug)]
pub(super) struct Upload {
    storage: Storage,
    /// The backup whose archive it is.
    id: BackupId,
    path: Path,
    upload: StartedUpload,
    parts: mpsc::Receiver<Bytes>,
}

/// What was written.
#[derive(Clone, Debug)]
pub(crate) struct FinishedUpload {
    pub(crate) size_bytes: u64,
    pub(crate) sha256: String,
}

impl Upload {
    /// Begins an upload. Nothing shows at `path` until [`complete`](Self::complete).
    pub(super) async fn begin(storage: &Storage, id: BackupId, path: Path) -> Result<(UploadWriter, Self)> {
        let upload = StartedUpload::start(storage, &path).await?;
        let part_bytes = storage.part_bytes();
        let (sender, parts) = mpsc::channel(PARTS_AHEAD);
        let writer = UploadWriter {
            parts: sender,
            part: BytesMut::with_capacity(part_bytes),
            first_bytes: part_bytes,
            sent: 0,
            hasher: Sha256::new(),
            written: 0,
        };
        Ok((writer, Self { storage: storage.clone(), id, path, upload, parts }))
    }

    /// Stores parts until the writing end is done or gone. Dropping the future leaves nothing at the path.
    pub(super) async fn run(&mut self) -> Result<()> {
        while let Some(part) = self.parts.recv().await {
            if let Err(source) = self.upload.put_part(PutPayload::from(part)).await {
                // The writing end must not wait for a store that is gone.
                self.parts.close();
                while self.parts.recv().await.is_some() {}
                return Err(failed(self.storage.location(), &self.path, source));
            }
        }
        Ok(())
    }

    /// Makes the archive appear, whole, and compares its size with what was written. If that fails or is cancelled, nothing stays.
    ///
    /// A completion that is under way cannot be stopped. Once it is cancelled, its end is waited for for a short time, and then the
    /// archive is removed. If the storage does not answer in that time, the error says that the outcome is not known.
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
                Err(failed(self.storage.location(), &self.path, source))
            }
            None => {
                self.abort().await;
                Err(Error::cancelled().context(format!(
                    "whether archive `{}` was completed in storage `{}` is not known, because the storage did not answer in time; \
                     no manifest names the archive, and if it appears there later, maintenance reports it",
                    self.path,
                    self.storage.location()
                )))
            }
        };
        match &checked {
            Ok(()) => unpublished.keep(),
            // It may have been completed all the same, and the answer was lost.
            Err(_) => unpublished.discard().await,
        }
        checked
    }

    async fn check_size(&mut self, written: &FinishedUpload) -> Result<()> {
        let place = self.storage.location();
        let stored = self.storage.store().head(&self.path).await;
        let stored = stored.map_err(|source| failed(place, &self.path, source))?;
        if stored.size != written.size_bytes {
            return Err(Error::new(
                ErrorKind::Storage,
                format!(
                    "archive `{}` has {} bytes in storage `{place}` and {} were written; nothing is published",
                    self.path, stored.size, written.size_bytes
                ),
            ));
        }
        Ok(())
    }

    /// Leaves nothing behind. Waits for the store, though not for ever.
    pub(super) async fn abort(&mut self) {
        // The writing end must not wait either.
        self.parts.close();
        self.upload.abort(&self.path).await;
    }
}

impl UploadWriter {
    /// Bytes of the part that comes next.
    pub(crate) fn part_bytes(&self) -> usize {
        part_bytes(self.first_bytes, self.sent)
    }

    /// Hands on a part of an archive that is written already. Each but the last has [`part_bytes`](Self::part_bytes).
    pub(crate) async fn send_part(&mut self, part: Bytes) -> Result<()> {
        let hasher = std::mem::take(&mut self.hasher);
        self.hasher = crate::foundation::digest::updated(hasher, part.clone()).await?;
        self.written = self.written.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
        self.sent += 1;
        let sent = self.parts.send(part).await;
        sent.map_err(|_| Error::new(ErrorKind::Storage, "the upload ended"))
    }

    /// What was handed on; ends the upload.
    pub(crate) fn written(self) -> FinishedUpload {
        FinishedUpload { size_bytes: self.written, sha256: crate::foundation::digest::finish(self.hasher) }
    }

    /// Sends the remaining bytes and returns what was written.
    fn finish(mut self) -> io::Result<FinishedUpload> {
        if !self.part.is_empty() {
            self.send()?;
        }
        Ok(FinishedUpload {
            size_bytes: self.written,
            sha256: crate::foundation::digest::finish(self.hasher),
        })
    }

    fn send(&mut self) -> io::Result<()> {
        self.sent += 1;
        let next = BytesMut::with_capacity(self.part_bytes());
        let part = std::mem::replace(&mut self.part, next).freeze();
        self.parts
            .blocking_send(part)
            .map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the upload ended"))
    }
}

impl io::Write for UploadWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.part_bytes() - self.part.len());
        let (now, _) = bytes.split_at(taken);
        self.part.extend_from_slice(now);
        self.hasher.update(now);
        self.written += u64::try_from(taken).map_err(io::Error::other)?;
        if self.part.len() == self.part_bytes() {
            self.send()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes of a part, after so many.
fn part_bytes(first: usize, sent: usize) -> usize {
    if sent < EQUAL_PARTS { first } else { first.saturating_mul(GROWTH) }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn an_archive_fits_into_the_parts_that_a_store_takes() {
        let total = (0..10_000)
            .map(|sent| part_bytes(5 << 20, sent))
            .fold(0u64, |sum, part| sum + u64::try_from(part).expect("small"));
        assert!(total > 180 << 30, "{total} bytes fit");
    }

    #[test]
    fn parts_are_cut_where_they_end() {
        let (sender, mut parts) = mpsc::channel(EQUAL_PARTS + 10);
        let part = BytesMut::new();
        let mut writer =
            UploadWriter { parts: sender, part, first_bytes: 2, sent: 0, hasher: Sha256::new(), written: 0 };
        let written = 2 * EQUAL_PARTS + 2 * GROWTH + 5;
        writer.write_all(&vec![7; written]).expect("taken");
        let finished = writer.finish().expect("finished");
        assert_eq!(finished.size_bytes, u64::try_from(written).expect("small"));
        let mut lengths = Vec::new();
        while let Ok(part) = parts.try_recv() {
            lengths.push(part.len());
        }
        let (equal, rest) = lengths.split_at(EQUAL_PARTS);
        assert!(equal.iter().all(|&length| length == 2));
        assert_eq!(rest, [2 * GROWTH, 5]);
    }
}
