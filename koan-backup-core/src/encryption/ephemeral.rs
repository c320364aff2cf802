//! A key pair that exists only in the memory of one operation.

use std::fmt;

use age::secrecy::{ExposeSecret, SecretString};
use age::x25519;
use async_trait::async_trait;

use super::identities::Identities;
use super::keys::KeySource;
use super::recipients::Recipients;
use crate::foundation::error::Result;

/// A key pair that is generated for one operation and is never stored. What is encrypted for it can no longer be
/// decrypted when the operation has ended.
pub(crate) struct EphemeralKey {
    recipients: Recipients,
    private: SecretString,
}

impl EphemeralKey {
    /// Generates a key pair.
    pub(crate) fn generate() -> Result<Self> {
        let identity = x25519::Identity::generate();
        let recipients = Recipients::key(identity.to_public().to_string())?;
        Ok(Self { recipients, private: identity.to_string() })
    }

    /// Returns the public key.
    pub(crate) fn recipients(&self) -> &Recipients {
        &self.recipients
    }
}

#[async_trait]
impl KeySource for EphemeralKey {
    fn describe(&self) -> String {
        "the temporary key of the operation".to_owned()
    }

    async fn identities(&self) -> Result<Identities> {
        Identities::parse(self.private.expose_secret())
    }
}

impl fmt::Debug for EphemeralKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EphemeralKey").field(&self.recipients).finish()
    }
}
