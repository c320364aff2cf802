//! The recipients for which records are encrypted.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use age::secrecy::{ExposeSecret, SecretString};
use age::stream::StreamWriter;
use age::{Encryptor, scrypt, ssh, x25519};

use super::keys::MAX_KEY_FILE_BYTES;
use super::{HEADER_BYTES, PASSPHRASE_ID, PASSPHRASE_WORK, key_id};
use crate::foundation::bounded_file::read_bounded;
use crate::foundation::error::{Error, ErrorKind, Result};

/// The recipients of a backup. The backup can be decrypted with the private key of any recipient, or with the
/// passphrase.
///
/// ```
/// use koan_backup::Recipients;
///
/// # fn main() -> koan_backup::Result<()> {
/// let team = Recipients::keys([
///     "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
///     "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN alice@example.com",
/// ])?;
/// assert_eq!(team.key_ids().len(), 2);
/// # Ok(())
/// # }
/// ```
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
    /// There is no key, or one of the texts is not a public key. The error does not quote the input, which
    /// may be a private key.
    pub fn keys<S: AsRef<str>>(keys: impl IntoIterator<Item = S>) -> Result<Self> {
        let mut parsed: Vec<PublicKey> = Vec::new();
        for (index, key) in keys.into_iter().enumerate() {
            let key = PublicKey::parse(key.as_ref().trim())
                .map_err(|fault| key_error(format!("recipient {} {fault}", index + 1)))?;
            if !parsed.iter().any(|known| known.text == key.text) {
                parsed.push(key);
            }
        }
        if parsed.is_empty() {
            return Err(key_error("no recipient is specified; specify at least one public key".to_owned()));
        }
        Ok(Self(Arc::new(RecipientSet::Keys(parsed))))
    }

    /// Parses one public key, as [`keys`](Self::keys) does for several.
    ///
    /// ```
    /// # use koan_backup_core::{Recipients, Result};
    /// # fn main() -> Result<()> {
    /// let recipients = Recipients::key("age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p")?;
    /// # assert_eq!(recipients.public_keys().len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The text is not a public key. The error does not quote the input, which may be a private key.
    pub fn key(key: impl AsRef<str>) -> Result<Self> {
        Self::keys([key])
    }

    /// Reads public keys from a regular file of at most 1 MiB, one per line.
    /// Blank lines and lines that start with `#` are skipped.
    ///
    /// # Errors
    /// The file cannot be read, or contains a line that is not a public key.
    pub fn file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let path_text = path.display();
        let bytes = read_bounded(path, MAX_KEY_FILE_BYTES).map_err(|source| {
            Error::with_source(
                ErrorKind::Encryption,
                format!("the recipients in `{path_text}` could not be read"),
                source,
            )
            .with_help("specify a regular file of at most 1 MiB that this user can read")
        })?;
        let text = super::keys::text(&bytes)
            .map_err(|error| error.context(format!("the recipients in `{path_text}` could not be read")))?;
        let text = text.expose_secret();
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self::keys(lines)
            .map_err(|error| error.context(format!("the recipients in `{path_text}` cannot be used")))
    }

    /// Creates a recipient that encrypts with a passphrase. The encryption and the decryption of each entity
    /// need about one second and 256 MiB of memory, which makes it hard to guess the passphrase. Public keys
    /// need neither the time nor the memory.
    ///
    /// # Errors
    /// The passphrase is empty, or ends with a line feed or carriage return, which
    /// [`Keys::as_passphrase`](crate::Keys::as_passphrase) would not consider a part of it.
    pub fn passphrase(passphrase: impl Into<String>) -> Result<Self> {
        let passphrase = SecretString::from(passphrase.into());
        if passphrase.expose_secret().is_empty() {
            return Err(key_error("the passphrase is empty".to_owned()));
        }
        if passphrase.expose_secret().ends_with(['\n', '\r']) {
            let text =
                "the passphrase ends with a line ending, which no key contains; remove the line ending";
            return Err(key_error(text.to_owned()));
        }
        Ok(Self(Arc::new(RecipientSet::Passphrase(passphrase))))
    }

    /// Returns the public keys. The list is empty for a passphrase.
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

    /// Returns a writer that encrypts the bytes that are written to it. The caller must call `finish` on the
    /// writer, because incomplete output cannot be decrypted.
    pub(crate) fn encrypt_to<W: Write>(&self, output: W) -> Result<StreamWriter<W>> {
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
            Error::with_source(
                ErrorKind::Encryption,
                "the content cannot be encrypted for these recipients",
                source,
            )
        })?;
        encryptor.wrap_output(output).map_err(write_error)
    }

    /// Encrypts small content in memory.
    pub(crate) fn encrypt(&self, content: &[u8]) -> Result<Vec<u8>> {
        let mut writer = self.encrypt_to(Vec::new())?;
        writer.write_all(content).and_then(|()| writer.finish()).map_err(write_error)
    }

    /// Checks the recipients by encrypting empty content, so that unusable keys are found before a backup
    /// starts.
    pub(crate) fn check(&self) -> Result<()> {
        match self.0.as_ref() {
            RecipientSet::Keys(keys) => match u64::try_from(self.encrypt(b"")?.len()) {
                Ok(length) if length < HEADER_BYTES => Ok(()),
                _ => Err(key_error(format!(
                    "{} recipients are more than the header of an encrypted file can contain; encrypt for a \
                     key that the recipients share",
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
            let recipient: x25519::Recipient = key.parse().map_err(
                |_| "begins with `age1` but is not a valid public key; check that it was copied completely",
            )?;
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

fn key_error(message: String) -> Error {
    Error::new(ErrorKind::Encryption, message)
}

fn write_error(source: io::Error) -> Error {
    Error::with_source(ErrorKind::Encryption, "the encrypted content could not be written", source)
}
