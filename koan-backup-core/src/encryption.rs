//! Encryption with [age](https://age-encryption.org/v1): the recipients of a backup, and the private keys
//! that decrypt it.
//!
//! Writing a backup needs public keys only. Private keys are needed to restore a backup, to verify its
//! content, and to rewrite it for other recipients.

mod ephemeral;
mod identities;
mod key_pair;
mod keys;
mod random_key;
mod recipients;
mod unlocked;

pub(crate) use ephemeral::EphemeralKey;
pub use identities::Identities;
pub use key_pair::KeyPair;
pub use keys::{KeySource, Keys};
pub(crate) use random_key::random_key;
pub use recipients::Recipients;
pub(crate) use unlocked::{DecryptableFile, HEADER_BYTES, is_encrypted};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The part of an archive that is encrypted.
///
/// ```
/// use koan_backup::{ArchiveEncryption, Storage};
///
/// // Whoever can list this storage sees names, counts and sizes, and no content.
/// let storage = Storage::memory().archive_encryption(ArchiveEncryption::Always);
/// # let _ = storage;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ArchiveEncryption {
    /// The entities whose policy requires encryption.
    #[default]
    ByEntity,
    /// The complete archive. Only the envelope of its manifest is not encrypted.
    Always,
}

/// Returns the id that manifests and errors use for a key: the first 16 hex digits of the SHA-256 of the text
/// of its public key.
fn key_id(public_key: &str) -> String {
    let mut id = crate::foundation::hex::hex(&Sha256::digest(public_key.as_bytes()));
    id.truncate(16);
    id
}

/// The work factor of a passphrase, as log2 of scrypt's N; the same as in the `age` tool. The factor is a
/// constant, because a factor that is measured on the machine that writes a backup may be too high for the
/// machine that restores it.
const PASSPHRASE_WORK: u8 = 18;

/// The id of every passphrase. All passphrases have the same id, because an id must not reveal anything about
/// a passphrase.
pub(crate) const PASSPHRASE_ID: &str = "passphrase";
