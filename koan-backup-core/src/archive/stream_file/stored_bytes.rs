//! Reads the stored bytes of a content on a blocking thread, and hashes them.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf as _, Bytes};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::archive::object::ArchiveObject;
use crate::foundation::digest;
use crate::foundation::error::Error;

/// What was read so far.
#[derive(Debug, Default)]
struct ReadState {
    hasher: Sha256,
    size_bytes: u64,
    /// The error of the storage, which readers above this one would replace by an error without its cause.
    failure: Option<Error>,
}

/// The size and the hash of the bytes that a [`StoredBytes`] has read, and its error.
#[derive(Clone, Debug, Default)]
pub(super) struct ReadBytes(Arc<Mutex<ReadState>>);

impl ReadBytes {
    /// Returns the size and the hash of what was read.
    pub(super) fn finish(&self) -> (u64, String) {
        let state = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        (state.size_bytes, digest::finish(state.hasher))
    }

    /// Returns the error of the storage, if reading failed.
    pub(super) fn failure(&self) -> Option<Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).failure.take()
    }
}

/// A reader of a stored file, from its start to its end. Its functions block.
pub(super) struct StoredBytes {
    object: ArchiveObject,
    runtime: Handle,
    step_bytes: u64,
    position: u64,
    chunk: Bytes,
    read: ReadBytes,
    stop: CancellationToken,
}

impl StoredBytes {
    /// Creates a reader that reads `step_bytes` at once, until `stop` is cancelled.
    pub(super) fn new(
        object: ArchiveObject,
        runtime: Handle,
        step_bytes: usize,
        stop: CancellationToken,
    ) -> (Self, ReadBytes) {
        let read = ReadBytes::default();
        let step_bytes = u64::try_from(step_bytes).unwrap_or(u64::MAX);
        let reader =
            Self { object, runtime, step_bytes, position: 0, chunk: Bytes::new(), read: read.clone(), stop };
        (reader, read)
    }

    fn fetch(&mut self) -> io::Result<()> {
        let end = self.object.stored_bytes().min(self.position.saturating_add(self.step_bytes));
        if end <= self.position {
            return Ok(());
        }
        let fetched =
            self.runtime.block_on(self.stop.run_until_cancelled(self.object.stored(self.position..end)));
        let mut state = self.read.0.lock().unwrap_or_else(PoisonError::into_inner);
        match fetched.unwrap_or_else(|| Err(Error::cancelled())) {
            Ok(chunk) => {
                state.hasher.update(&chunk);
                state.size_bytes = end;
                (self.chunk, self.position) = (chunk, end);
                Ok(())
            }
            Err(error) => {
                state.failure = Some(error);
                Err(io::Error::other("the storage could not be read"))
            }
        }
    }
}

impl Read for StoredBytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.chunk.is_empty() {
            self.fetch()?;
        }
        let length = buffer.len().min(self.chunk.len());
        self.chunk.copy_to_slice(buffer.get_mut(..length).unwrap_or_default());
        Ok(length)
    }
}
