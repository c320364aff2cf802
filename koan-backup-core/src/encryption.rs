//! Encryption by [age](https://age-encryption.org/v1): for whom records are sealed, and with which keys they open again.
//!
//! Whoever writes a backup needs public keys only. Private keys are asked for when a backup is restored, verified in content,
//! or sealed for other recipients.

mod identities;
mod keys;
mod recipients;
mod unlocked;

pub use identities::Identities;
pub use keys::{KeySource, Keys};
pub use recipients::Recipients;
pub(crate) use unlocked::{HEADER_BYTES, Unlocked, is_sealed};

use sha2::{Digest, Sha256};

/// What of an archive is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArchiveEncryption {
    /// The entities whose policy asks for it.
    #[default]
    ByEntity,
    /// All of it: only the envelope of its manifest lies in clear.
    Always,
}

/// What stands for a key in manifests and errors: the first 16 hex digits of the SHA-256 of its public key's text.
fn key_id(public_key: &str) -> String {
    let mut id = crate::digest::hex(&Sha256::digest(public_key.as_bytes()));
    id.truncate(16);
    id
}

/// The work that a passphrase takes, as the power of two of scrypt's N: that of the tool `age`. It is not measured on the machine
/// that writes, which may be faster than the one that restores.
const PASSPHRASE_WORK: u8 = 18;

/// The id of every passphrase: nothing may be told of one.
pub(crate) const PASSPHRASE_ID: &str = "passphrase";
