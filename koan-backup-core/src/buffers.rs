//! Buffers that are used again and again.
//!
//! A backup moves data in pieces of about a mebibyte. Allocated anew each time, they come and go among small things, and the heap of
//! many systems grows by the gaps that they leave, although no more is ever held at once.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// What a buffer may hold to be kept: a single huge line must not stay for good.
const MOST_BYTES: usize = 4 << 20;

/// Buffers that wait for the next use. There are never more than were in use at once.
#[derive(Debug, Default)]
pub(crate) struct Buffers(Mutex<Vec<Vec<u8>>>);

/// Bytes in a buffer that goes back to where it was taken from when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    home: Option<Arc<Buffers>>,
}

impl Buffers {
    /// An empty buffer: one that is there, or a new one of that capacity.
    pub(crate) fn take(self: &Arc<Self>, capacity: usize) -> Buffer {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let bytes = kept.unwrap_or_else(|| Vec::with_capacity(capacity));
        Buffer { bytes, home: Some(Arc::clone(self)) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(home) = self.home.take()
            && self.bytes.capacity() <= MOST_BYTES
        {
            let mut bytes = std::mem::take(&mut self.bytes);
            bytes.clear();
            home.0.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
        }
    }
}

/// The buffer goes back when the last of what refers to it is dropped.
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

/// Bytes that go nowhere else.
impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, home: None }
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
    fn a_buffer_is_used_again_and_empty() {
        let buffers = Arc::new(Buffers::default());
        let mut first = buffers.take(10);
        first.extend_from_slice(b"left");
        let (place, second) = (first.as_ptr(), buffers.take(10));
        assert_ne!(second.as_ptr(), place);
        drop(first);
        let again = buffers.take(10);
        assert!(again.is_empty() && again.as_ptr() == place);
    }

    #[test]
    fn a_buffer_that_is_shared_goes_back_with_the_last_part_of_it() {
        let buffers = Arc::new(Buffers::default());
        let mut buffer = buffers.take(10);
        buffer.extend_from_slice(b"one, two");
        let place = buffer.as_ptr();
        let mut rest = Bytes::from(buffer);
        let first = rest.split_to(3);
        drop(rest);
        assert_ne!(buffers.take(10).as_ptr(), place);
        assert_eq!(&first[..], b"one");
        drop(first);
        let both = [buffers.take(10), buffers.take(10)];
        assert!(both.iter().any(|buffer| buffer.as_ptr() == place));
    }

    #[test]
    fn one_that_has_grown_huge_is_not_kept() {
        let buffers = Arc::new(Buffers::default());
        buffers.take(0).reserve_exact(MOST_BYTES + 1);
        assert_eq!(buffers.take(7).capacity(), 7);
    }
}
