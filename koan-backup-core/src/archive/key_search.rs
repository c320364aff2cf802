//! Finds the key of an encrypted file.

use std::sync::Arc;

use bytes::Bytes;

use crate::encryption::{Identities, Unlocked};
use crate::foundation::blocking::blocking;
use crate::foundation::error::Result;

/// Finds the key of an encrypted file, on a blocking thread because a passphrase takes about a second.
pub(super) async fn find(
    start: Bytes,
    length: u64,
    identities: &Arc<Identities>,
) -> Result<Option<Unlocked>> {
    let identities = Arc::clone(identities);
    blocking("decrypts", move || Unlocked::find(&start, length, &identities)).await?
}
