//! The signature of a webhook.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use koan_backup_core::{Error, ErrorKind, Result};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The beginning of a secret that is written in base64.
const BASE64_PREFIX: &str = "whsec_";
/// The minimum length of a secret in bytes. A shorter one can be guessed.
const MIN_SECRET_BYTES: usize = 16;

/// The key that signs webhooks.
#[derive(Clone)]
pub(crate) struct SigningKey(Zeroizing<Vec<u8>>);

impl SigningKey {
    /// Reads a secret: text, or `whsec_` with bytes in base64. The error does not contain it.
    ///
    /// # Errors
    /// The secret is too short, or it is not base64.
    pub(crate) fn new(secret: &str) -> Result<Self> {
        let key = match secret.strip_prefix(BASE64_PREFIX) {
            None => secret.as_bytes().to_vec(),
            Some(text) => STANDARD.decode(text).map_err(|_| {
                Error::new(
                    ErrorKind::Configuration,
                    "the secret of the webhook begins with `whsec_` and is not base64",
                )
                .with_help("copy the secret again, or choose one that does not begin with `whsec_`")
            })?,
        };
        let key = Zeroizing::new(key);
        if key.len() < MIN_SECRET_BYTES {
            let text = format!("the secret of the webhook has fewer than {MIN_SECRET_BYTES} bytes");
            return Err(
                Error::new(ErrorKind::Configuration, text).with_help("generate one: `openssl rand -hex 32`")
            );
        }
        Ok(Self(key))
    }

    /// Returns the signature: `v1,` and the HMAC-SHA256 of `{id}.{timestamp}.{body}` in base64, as in the
    /// specification of [Standard Webhooks](https://www.standardwebhooks.com).
    pub(crate) fn sign(&self, id: &str, timestamp: &str, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC accepts keys of every length");
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification of Standard Webhooks.
    #[test]
    fn a_signature_is_that_of_the_specification() {
        let key = SigningKey::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("the secret is valid");
        let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_short_or_malformed_secret_is_refused_and_not_displayed() {
        for secret in ["", "hunter2", "whsec_c2hvcnQ=", "whsec_?not base64?not base64?"] {
            let error = SigningKey::new(secret).expect_err("the secret is refused");
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.help().is_some(), "{error}");
            assert!(secret.is_empty() || !format!("{error:?}").contains(secret), "{error:?}");
        }
        let key = SigningKey::new("correct horse battery staple").expect("the secret is long enough");
        assert_eq!(format!("{key:?}"), "SigningKey(***)");
    }
}
