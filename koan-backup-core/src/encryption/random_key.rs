//! Random keys for purposes other than encryption.

use age::secrecy::ExposeSecret as _;
use age::x25519;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// Returns 32 random bytes: the hash of a private key, which the random generator of the system generates.
pub(crate) fn random_key() -> Zeroizing<[u8; 32]> {
    let private = x25519::Identity::generate().to_string();
    Zeroizing::new(Sha256::digest(private.expose_secret().as_bytes()).into())
}
