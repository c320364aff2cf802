//! The private keys and passphrases that decrypt content.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::sync::{Mutex, PoisonError};

use age::secrecy::{ExposeSecret, SecretString};
use age::{scrypt, ssh, x25519};
use zeroize::Zeroizing;

use super::{PASSPHRASE_ID, PASSPHRASE_WORK, key_id};
use crate::foundation::error::{Error, ErrorKind, Result};

/// A set of private keys and passphrases. They are erased from memory when the set is dropped.
///
/// ```
/// use koan_backup::Identities;
///
/// # let text = koan_backup_shop::key_pair().1;
/// # fn run(text: &str) -> koan_backup::Result<()> {
/// // The text of a file that `age-keygen` wrote.
/// let identities = Identities::parse(text)?.and(Identities::passphrase("correct horse battery staple")?);
/// assert_eq!(identities.key_ids().len(), 2);
/// # Ok(())
/// # }
/// # run(&text).expect("a private key is parsed");
/// ```
#[derive(Default)]
pub struct Identities {
    keys: Vec<IdentifiedKey>,
    /// The file keys that were unwrapped before, by the header of the file. They are cached because the
    /// derivation of a key from a passphrase takes about a second for each file.
    file_keys: Mutex<BTreeMap<Vec<u8>, FileKey>>,
}

/// The key of one encrypted file.
pub(super) type FileKey = Zeroizing<[u8; 16]>;

/// A private key or passphrase with its id.
struct IdentifiedKey {
    id: String,
    key: Box<dyn age::Identity + Send + Sync>,
}

impl Identities {
    /// Parses private keys: the lines of an age identity file, or one OpenSSH private key without a
    /// passphrase.
    ///
    /// # Errors
    /// The text contains no private key, or contains a line that is not a private key. The error does not
    /// quote the text.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.starts_with("-----BEGIN") {
            return Self::ssh(text);
        }
        let mut identities = Vec::new();
        for (index, line) in text.lines().map(str::trim).enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key: x25519::Identity = line.parse().map_err(|_| {
                key_error(format!("line {} is not an age private key (`AGE-SECRET-KEY-1…`)", index + 1))
            })?;
            identities.push(IdentifiedKey { id: key_id(&key.to_public().to_string()), key: Box::new(key) });
        }
        if identities.is_empty() {
            return Err(key_error("the text contains no private key".to_owned()));
        }
        Ok(Self::from_keys(identities))
    }

    fn ssh(text: &str) -> Result<Self> {
        let unusable = |fault: &str| key_error(format!("the private SSH key {fault}"));
        let key = ssh::Identity::from_buffer(text.as_bytes(), None)
            .map_err(|_| unusable("cannot be parsed; check that it has the OpenSSH format"))?;
        match key {
            ssh::Identity::Unencrypted(_) => {}
            ssh::Identity::Encrypted(_) => {
                return Err(unusable(
                    "has a passphrase, which koan-backup cannot request; use an age key, or a copy of the \
                     key without a passphrase",
                ));
            }
            ssh::Identity::Unsupported(_) => return Err(unusable("is of a type that age does not support")),
        }
        let public = ssh::Recipient::try_from(key.clone()).map_err(|_| unusable("has no public key"))?;
        Ok(Self::from_keys(vec![IdentifiedKey { id: key_id(&public.to_string()), key: Box::new(key) }]))
    }

    /// Creates an identity from a passphrase.
    ///
    /// # Errors
    /// The passphrase is empty.
    pub fn passphrase(passphrase: impl Into<String>) -> Result<Self> {
        let passphrase = SecretString::from(passphrase.into());
        if passphrase.expose_secret().is_empty() {
            return Err(key_error("the passphrase is empty".to_owned()));
        }
        let mut key = scrypt::Identity::new(passphrase);
        // The limit prevents a forged header from making the decryption allocate gigabytes of memory.
        key.set_max_work_factor(PASSPHRASE_WORK);
        let key = Box::new(key);
        Ok(Self::from_keys(vec![IdentifiedKey { id: PASSPHRASE_ID.to_owned(), key }]))
    }

    fn from_keys(keys: Vec<IdentifiedKey>) -> Self {
        Self { keys, file_keys: Mutex::default() }
    }

    /// Returns the key of the file with this header, if the key was cached before.
    pub(super) fn cached_file_key(&self, header: &[u8]) -> Option<FileKey> {
        self.file_keys.lock().unwrap_or_else(PoisonError::into_inner).get(header).cloned()
    }

    /// Caches the key of the file with this header.
    pub(super) fn cache_file_key(&self, header: &[u8], key: FileKey) {
        self.file_keys.lock().unwrap_or_else(PoisonError::into_inner).insert(header.to_vec(), key);
    }

    /// Returns these identities together with `others`.
    pub fn and(mut self, others: Self) -> Self {
        self.keys.extend(others.keys);
        self
    }

    /// Returns whether there is no identity.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Returns the id of each key, as it is used in manifests and errors.
    pub fn key_ids(&self) -> Vec<String> {
        self.keys.iter().map(|identity| identity.id.clone()).collect()
    }

    /// Decrypts small content, or returns `None` if no identity decrypts it.
    pub(crate) fn decrypt(&self, encrypted: &[u8]) -> Option<Vec<u8>> {
        let mut plain = Vec::new();
        let mut reader = age::Decryptor::new(encrypted).ok()?.decrypt(self.all()).ok()?;
        reader.read_to_end(&mut plain).ok()?;
        Some(plain)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.keys.iter().map(|identity| identity.key.as_ref() as &dyn age::Identity)
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identities").field(&self.key_ids()).finish()
    }
}

fn key_error(message: String) -> Error {
    Error::new(ErrorKind::Encryption, message)
}
