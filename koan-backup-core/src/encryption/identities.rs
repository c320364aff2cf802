//! What opens sealed content.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use age::secrecy::{ExposeSecret, SecretString};
use age::{scrypt, ssh, x25519};
use zeroize::Zeroizing;

use super::{PASSPHRASE_ID, PASSPHRASE_WORK, key_id};
use crate::error::{Error, ErrorKind, Result};

/// Private keys and passphrases. They are wiped from memory when they are dropped.
#[derive(Default)]
pub struct Identities {
    all: Vec<Identity>,
    /// Keys of files that were found, by header: a passphrase takes a second for each.
    found: Mutex<BTreeMap<Vec<u8>, FileKey>>,
}

/// The key of one sealed file.
pub(super) type FileKey = Zeroizing<[u8; 16]>;

struct Identity {
    id: String,
    key: Box<dyn age::Identity + Send + Sync>,
}

impl Identities {
    /// The private keys in a text: the lines of an identity file of age, or one private key of OpenSSH without a
    /// passphrase.
    ///
    /// # Errors
    /// There is none in it. The text is never quoted.
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
                refused(format!("line {} is no private key of age (`AGE-SECRET-KEY-1…`)", index + 1))
            })?;
            identities.push(Identity { id: key_id(&key.to_public().to_string()), key: Box::new(key) });
        }
        if identities.is_empty() {
            return Err(refused("there is no private key".to_owned()));
        }
        Ok(Self::of(identities))
    }

    fn ssh(text: &str) -> Result<Self> {
        let unusable = |what: &str| refused(format!("the private SSH key {what}"));
        let key = ssh::Identity::from_buffer(text.as_bytes(), None)
            .map_err(|_| unusable("cannot be read; is it one of OpenSSH?"))?;
        match key {
            ssh::Identity::Unencrypted(_) => {}
            ssh::Identity::Encrypted(_) => {
                return Err(unusable(
                    "has a passphrase, and nobody can be asked for it here; use a key of age, or a copy without one",
                ));
            }
            ssh::Identity::Unsupported(_) => return Err(unusable("is of a type that age does not take")),
        }
        let public = ssh::Recipient::try_from(key.clone()).map_err(|_| unusable("has no public half"))?;
        Ok(Self::of(vec![Identity { id: key_id(&public.to_string()), key: Box::new(key) }]))
    }

    /// A passphrase.
    ///
    /// # Errors
    /// It is empty.
    pub fn passphrase(passphrase: impl Into<String>) -> Result<Self> {
        let passphrase = SecretString::from(passphrase.into());
        if passphrase.expose_secret().is_empty() {
            return Err(refused("the passphrase is empty".to_owned()));
        }
        let mut key = scrypt::Identity::new(passphrase);
        // A forged header must not ask for gigabytes.
        key.set_max_work_factor(PASSPHRASE_WORK);
        let key = Box::new(key);
        Ok(Self::of(vec![Identity { id: PASSPHRASE_ID.to_owned(), key }]))
    }

    fn of(all: Vec<Identity>) -> Self {
        Self { all, found: Mutex::default() }
    }

    /// The key of the file with this header, if it was found before.
    pub(super) fn known(&self, header: &[u8]) -> Option<FileKey> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).get(header).cloned()
    }

    /// Keeps the key of the file with this header.
    pub(super) fn remember(&self, header: &[u8], key: FileKey) {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).insert(header.to_vec(), key);
    }

    /// These and others.
    pub fn and(mut self, others: Self) -> Self {
        self.all.extend(others.all);
        self
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// What stands for each key in manifests and errors.
    pub fn key_ids(&self) -> Vec<String> {
        self.all.iter().map(|identity| identity.id.clone()).collect()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.all.iter().map(|identity| identity.key.as_ref() as &dyn age::Identity)
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identities").field(&self.key_ids()).finish()
    }
}

fn refused(what: String) -> Error {
    Error::new(ErrorKind::Encryption, what)
}
