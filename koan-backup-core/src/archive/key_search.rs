//! Finds the key of an encrypted file.

use std::sync::Arc;

use bytes::Bytes;

use crate::encryption::{Identities, Unlocked};
use crate::foundation::error::{Error, ErrorKind, Result};

/// Finds the key of an encrypted file, on a blocking thread because a passphrase takes about a second.
pub(super) async fn find(
    start: Bytes,
    length: u64,
    identities: &Arc<Identities>,
) -> Result<Option<Unlocked>> {
    let identities = Arc::clone(identities);
    tokio::task::spawn_blocking(move || Unlocked::find(&start, length, &identities)).await.map_err(lost)?
}

/// Returns the error of a blocking thread that was lost.
pub(super) fn lost(source: tokio::task::JoinError) -> Error {
    Error::with_source(ErrorKind::Internal, "the thread that decrypts was lost", source)
}
