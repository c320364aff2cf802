//! The hash of the bytes of an archive, read in steps.

use std::ops::Range;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::object::ArchiveObject;
use crate::foundation::error::Result;

/// The number of bytes of the archive that are read and hashed in one step.
const HASH_STEP_BYTES: u64 = 4 << 20;

/// Returns the hash of all stored bytes of an archive.
pub(crate) async fn hash_of(object: &ArchiveObject) -> Result<String> {
    hash_in_steps(0..object.stored_bytes(), |range| object.stored(range)).await
}

/// Returns the hash of a range, which is read in steps.
pub(crate) async fn hash_in_steps<F: Future<Output = Result<Bytes>>>(
    range: Range<u64>,
    read: impl Fn(Range<u64>) -> F,
) -> Result<String> {
    let mut hasher = Sha256::new();
    let mut offset = range.start;
    while offset < range.end {
        let end = range.end.min(offset.saturating_add(HASH_STEP_BYTES));
        hasher = crate::foundation::digest::update(hasher, read(offset..end).await?).await?;
        offset = end;
    }
    Ok(crate::foundation::digest::finish(hasher))
}
