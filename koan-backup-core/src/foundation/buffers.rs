//! A pool of reusable buffers.
//!
//! A backup processes data in buffers of about one mebibyte. If each buffer were allocated again between
//! small allocations, the heap would fragment and grow on many systems, although the amount of memory in use
//! is constant.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// The maximum capacity of a buffer that is reused. A larger buffer is freed, so that one very long line does
/// not occupy memory permanently.
const MAX_REUSED_BYTES: usize = 4 << 20;

/// A pool of unused buffers. It never contains more buffers than were in use at the same time.
#[derive(Debug, Default)]
pub(crate) struct Buffers(Mutex<Vec<Vec<u8>>>);

/// A buffer that returns to its pool when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    pool: Option<Arc<Buffers>>,
}

impl Buffers {
    /// Returns an empty buffer from the pool, or a new buffer with this capacity if the pool is empty.
    pub(crate) fn take(self: &Arc<Self>, capacity: usize) -> Buffer {
        let unused = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let bytes = unused.unwrap_or_else(|| Vec::with_capacity(capacity));
        Buffer { bytes, pool: Some(Arc::clone(self)) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take()
            && self.bytes.capacity() <= MAX_REUSED_BYTES
        {
            let mut bytes = std::mem::take(&mut self.bytes);
            bytes.clear();
            pool.0.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
        }
    }
}

/// Converts a buffer, which returns to its pool when the last reference to the bytes is dropped.
impl From<Buffer> for Bytes {
    fn from(buffer: Buffer) -> Self {
        Self::from_owner(buffer)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Creates a buffer that does not belong to a pool.
impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, pool: None }
    }
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reused_buffer_is_empty() {
        let buffers = Arc::new(Buffers::default());
        let mut first = buffers.take(10);
        first.extend_from_slice(b"data");
        let (address, second) = (first.as_ptr(), buffers.take(10));
        assert_ne!(second.as_ptr(), address);
        drop(first);
        let reused = buffers.take(10);
        assert!(reused.is_empty() && reused.as_ptr() == address);
    }

    #[test]
    fn a_shared_buffer_returns_to_its_pool_after_the_last_reference_is_dropped() {
        let buffers = Arc::new(Buffers::default());
        let mut buffer = buffers.take(10);
        buffer.extend_from_slice(b"one, two");
        let address = buffer.as_ptr();
        let mut rest = Bytes::from(buffer);
        let first = rest.split_to(3);
        drop(rest);
        assert_ne!(buffers.take(10).as_ptr(), address);
        assert_eq!(&first[..], b"one");
        drop(first);
        let both = [buffers.take(10), buffers.take(10)];
        assert!(both.iter().any(|buffer| buffer.as_ptr() == address));
    }

    #[test]
    fn a_buffer_above_the_maximum_capacity_is_not_reused() {
        let buffers = Arc::new(Buffers::default());
        buffers.take(0).reserve_exact(MAX_REUSED_BYTES + 1);
        assert_eq!(buffers.take(7).capacity(), 7);
    }
}
