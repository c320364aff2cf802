//! Random secrets: tokens and ids of sessions.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use koan_backup_core::{Error, ErrorKind};
use zeroize::Zeroizing;

use super::hash::{SECRET_PREFIX, TokenHash};

/// A generated token. It is shown once and never stored.
///
/// Its text is erased from memory when the value is dropped, and `Debug` does not contain it.
pub struct TokenSecret(Zeroizing<String>);

impl TokenSecret {
    /// Generates a token of 256 random bits with the prefix `koan_`.
    pub(crate) fn generate() -> Result<Self, Error> {
        Ok(Self(Zeroizing::new(format!("{SECRET_PREFIX}{}", *random_text()?))))
    }

    /// Returns the text of the token.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(crate) fn hash(&self) -> TokenHash {
        TokenHash::of(self.0.as_bytes())
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret(…)")
    }
}

/// Returns 256 random bits of the operating system as text of 43 characters.
pub(crate) fn random_text() -> Result<Zeroizing<String>, Error> {
    let mut bits = Zeroizing::new([0_u8; 32]);
    getrandom::fill(bits.as_mut_slice()).map_err(|error| {
        Error::with_source(ErrorKind::Internal, "the operating system returned no random bits", error)
    })?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(bits.as_slice())))
}
