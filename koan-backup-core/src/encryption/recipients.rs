//! The recipients that records are encrypted for.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use age::secrecy::{ExposeSecret, SecretString};
use age::stream::StreamWriter;
use age::{Encryptor, scrypt, ssh, x25519};

use super::{HEADER_BYTES, PASSPHRASE_ID, PASSPHRASE_WORK, key_id};
use crate::foundation::error::{Error, ErrorKind, Result};

/// The recipients of a backup. It can be decrypted with any one of their private keys, or with the
/// passphrase.
#[derive(Clone)]
pub struct Recipients(Arc<RecipientSet>);

enum RecipientSet {
    Keys(Vec<PublicKey>),
    Passphrase(SecretString),
}

struct PublicKey {
    text: String,
    recipient: Recipient,
}

enum Recipient {
    X25519(x25519::Recipient),
    Ssh(ssh::Recipient),
}

impl Recipients {
    /// Parses public keys: `age1…` as `age-keygen` prints them, or SSH keys of the types `ssh-ed25519` and
    /// `ssh-rsa`.
    ///
    /// # Errors
    /// There is no key, or one is not a public key. The error does not quote the input, which may be a
    /// private key.
    pub fn keys<S: AsRef<str>>(keys: impl IntoIterator<Item = S>) -> Result<Self> {
        let mut parsed: Vec<PublicKey> = Vec::new();
        for (index, key) in keys.into_iter().enumerate() {
            let key = PublicKey::parse(key.as_ref().trim())
                .map_err(|what| refused(format!("recipient {} {what}", index + 1)))?;
            if !parsed.iter().any(|known| known.text == key.text) {
                parsed.push(key);
            }
        }
        if parsed.is_empty() {
            return Err(refused("there is no recipient: name at least one public key".to_owned()));
        }
        Ok(Self(Arc::new(RecipientSet::Keys(parsed))))
    }

    /// Reads public keys from a file, one per line. Blank lines and lines that start with `#` are skipped.
    ///
    /// # Errors
    /// The file cannot be read, or contains something else.
    pub fn file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let shown = path.display();
        let bytes = std::fs::read(path).map_err(|source| {
            Error::with_source(
                ErrorKind::Encryption,
                format!("the recipients in `{shown}` were not read"),
                source,
            )
        })?;
        let text = super::keys::text(&bytes)
            .map_err(|error| error.context(format!("the recipients in `{shown}` were not read")))?;
        let text = text.expose_secret();
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self::keys(lines).map_err(|error| error.context(format!("the recipients in `{shown}`")))
    }

    /// Creates a recipient that encrypts with a passphrase. Each encrypted entity takes about one second and
    /// 256 MiB to encrypt and to decrypt, which makes it hard to guess the passphrase; public keys need
    /// neither.
    ///
    /// # Errors
    /// The passphrase is empty.
    pub fn passphrase(passphrase: impl Into<String>) -> Result<Self> {
        let passphrase = SecretString::from(passphrase.into());
        if passphrase.expose_secret().is_empty() {
            return Err(refused("the passphrase is empty".to_owned()));
        }
        Ok(Self(Arc::new(RecipientSet::Passphrase(passphrase))))
    }

    /// Returns the public keys; empty for a passphrase.
    pub fn public_keys(&self) -> Vec<String> {
        match self.0.as_ref() {
            RecipientSet::Keys(keys) => keys.iter().map(|key| key.text.clone()).collect(),
            RecipientSet::Passphrase(_) => Vec::new(),
        }
    }

    /// Returns the id of each key, as it is used in manifests and errors.
    pub fn key_ids(&self) -> Vec<String> {
        match self.0.as_ref() {
            RecipientSet::Keys(keys) => keys.iter().map(|key| key_id(&key.text)).collect(),
            RecipientSet::Passphrase(_) => vec![PASSPHRASE_ID.to_owned()],
        }
    }

    /// Returns a writer that encrypts what is written to it. It must be finished, or its output cannot be
    /// decrypted.
    pub(crate) fn seal_to<W: Write>(&self, output: W) -> Result<StreamWriter<W>> {
        let encryptor = match self.0.as_ref() {
            RecipientSet::Keys(keys) => {
                Encryptor::with_recipients(keys.iter().map(|key| match &key.recipient {
                    Recipient::X25519(recipient) => recipient as &dyn age::Recipient,
                    Recipient::Ssh(recipient) => recipient,
                }))
            }
            RecipientSet::Passphrase(passphrase) => {
                let mut recipient = scrypt::Recipient::new(passphrase.clone());
                recipient.set_work_factor(PASSPHRASE_WORK);
                Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient))
            }
        };
        let encryptor = encryptor.map_err(|source| {
            Error::with_source(ErrorKind::Encryption, "nothing can be encrypted for these recipients", source)
        })?;
        encryptor.wrap_output(output).map_err(not_written)
    }

    /// Encrypts a small content.
    pub(crate) fn seal(&self, content: &[u8]) -> Result<Vec<u8>> {
        let mut writer = self.seal_to(Vec::new())?;
        writer.write_all(content).and_then(|()| writer.finish()).map_err(not_written)
    }

    /// Encrypts an empty content, so that unusable keys are found before a backup starts.
    pub(crate) fn check(&self) -> Result<()> {
        match self.0.as_ref() {
            RecipientSet::Keys(keys) => match u64::try_from(self.seal(b"")?.len()) {
                Ok(length) if length < HEADER_BYTES => Ok(()),
                _ => Err(refused(format!(
                    "{} recipients are more than a backup can name; encrypt for a key that they share",
                    keys.len()
                ))),
            },
            RecipientSet::Passphrase(_) => Ok(()),
        }
    }
}

impl PublicKey {
    fn parse(key: &str) -> std::result::Result<Self, &'static str> {
        if key.starts_with("AGE-SECRET-KEY-") || key.contains("PRIVATE KEY") {
            return Err("is a private key; use its public key, which `age-keygen -y` prints");
        }
        if key.starts_with("age1") {
            let recipient: x25519::Recipient = key
                .parse()
                .map_err(|_| "starts like an age public key but is not one: is a character missing?")?;
            return Ok(Self { text: recipient.to_string(), recipient: Recipient::X25519(recipient) });
        }
        let recipient: ssh::Recipient = key.parse().map_err(|error| match error {
            ssh::ParseRecipientKeyError::Unsupported(_) => {
                "is an SSH key of a type that age does not support; use ssh-ed25519 or ssh-rsa"
            }
            ssh::ParseRecipientKeyError::RsaModulusTooSmall => "is an RSA key of fewer than 2048 bits",
            ssh::ParseRecipientKeyError::RsaModulusTooLarge => "is an RSA key larger than age supports",
            _ => "is not a public key; use `age1…`, `ssh-ed25519 …` or `ssh-rsa …`",
        })?;
        Ok(Self { text: recipient.to_string(), recipient: Recipient::Ssh(recipient) })
    }
}

impl fmt::Debug for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Recipients").field(&self.key_ids()).finish()
    }
}

fn refused(what: String) -> Error {
    Error::new(ErrorKind::Encryption, what)
}

fn not_written(source: io::Error) -> Error {
    Error::with_source(ErrorKind::Encryption, "the encrypted content was not written", source)
}
