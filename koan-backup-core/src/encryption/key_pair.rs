//! New key pairs.

use std::fmt;

use age::secrecy::{ExposeSecret, SecretString};
use age::x25519;
use zeroize::Zeroizing;

/// A new X25519 key pair of age: the public key is a recipient, and the private key decrypts.
///
/// ```
/// use koan_backup::encryption::KeyPair;
/// use koan_backup::{Identities, Recipients};
///
/// # fn main() -> koan_backup::Result<()> {
/// let pair = KeyPair::generate();
/// let recipients = Recipients::key(pair.public_key())?;
/// let identities = Identities::parse(&pair.key_file())?;
/// assert_eq!(recipients.key_ids(), identities.key_ids());
/// # Ok(())
/// # }
/// ```
pub struct KeyPair {
    public_key: String,
    private_key: SecretString,
}

impl KeyPair {
    /// Generates a key pair from the random numbers of the system.
    pub fn generate() -> Self {
        let identity = x25519::Identity::generate();
        Self { public_key: identity.to_public().to_string(), private_key: identity.to_string() }
    }

    /// Returns the public key, `age1…`.
    pub fn public_key(&self) -> &str {
        &self.public_key
    }

    /// Returns the text of a key file, which `age` and [`Keys::file`](crate::Keys::file) read. It contains the private
    /// key. The text is erased from memory when it is dropped.
    pub fn key_file(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("# public key: {}\n{}\n", self.public_key, self.private_key.expose_secret()))
    }
}

/// The output contains the public key only.
impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").field("public_key", &self.public_key).finish_non_exhaustive()
    }
}
