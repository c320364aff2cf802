//! The search for the identity that decrypts a file.

use std::sync::Arc;

use bytes::Bytes;

use crate::encryption::{DecryptableFile, Identities};
use crate::foundation::blocking::blocking;
use crate::foundation::error::Result;

/// Finds the key of an encrypted file of `length` bytes that begins with `start`. The search runs on a
/// blocking thread, because the derivation of a key from a passphrase takes about a second.
pub(super) async fn find(
    start: Bytes,
    length: u64,
    identities: &Arc<Identities>,
) -> Result<Option<DecryptableFile>> {
    let identities = Arc::clone(identities);
    blocking("searches for the key of an encrypted file", move || {
        DecryptableFile::find(&start, length, &identities)
    })
    .await?
}
