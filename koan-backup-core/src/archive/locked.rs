//! The reason why encrypted content of an archive cannot be decrypted.

use super::manifest::{EncryptionSummary, EntityManifest, EntityStatus, Manifest};
use crate::encryption::{Identities, PASSPHRASE_ID};
use crate::foundation::error::{Error, ErrorKind};
use crate::foundation::names::names;

/// Why no supplied key decrypts encrypted content: the keys that it needs, and the keys that were supplied.
#[derive(Clone, Debug)]
pub(crate) struct MissingKey(String);

/// The remedy for a missing key.
const ADD_KEY: &str = "add the key with `.keys(Keys::file(\"…\"))`";

impl MissingKey {
    /// Describes the keys that a backup needs and the keys that the caller supplied.
    pub(crate) fn new(encryption: Option<&EncryptionSummary>, supplied: &Identities) -> Self {
        let needed = encryption.map(|encryption| {
            let key = |(index, id): (usize, &String)| match encryption.recipients.get(index) {
                Some(public) => format!("`{id}` ({public})"),
                None => format!("`{id}`"),
            };
            encryption.key_ids.iter().enumerate().map(key).collect::<Vec<_>>().join(" or ")
        });
        let needed = needed.unwrap_or_default();
        Self(if supplied.is_empty() {
            format!("decryption needs key {needed}, and no key was supplied")
        } else {
            let supplied = names(supplied.key_ids().iter());
            format!("decryption needs key {needed}, but the supplied keys are {supplied}")
        })
    }

    /// Creates the error for an operation that needs the content of `subject`.
    pub(crate) fn error(&self, subject: &str) -> Error {
        Error::new(ErrorKind::Encryption, format!("{subject} is encrypted: {}", self.0)).with_help(ADD_KEY)
    }

    /// Returns the note of a verification that could not decrypt the content of `subject`.
    pub(crate) fn note(&self, subject: &str) -> String {
        let problem = &self.0;
        format!(
            "{subject} is encrypted: its bytes were verified, but its content was not; {problem}; {ADD_KEY}"
        )
    }
}

/// Returns the encrypted entities that an archive contains, with the names of their entries.
pub(crate) fn encrypted_entities(manifest: &Manifest) -> impl Iterator<Item = (&EntityManifest, &str)> {
    let completed = manifest.entities.iter().filter(|entity| entity.status == EntityStatus::Completed);
    completed
        .filter(|entity| entity.policy.encrypt)
        .filter_map(|entity| Some((entity, entity.storage_file.as_deref()?)))
}

/// Returns the id of a supplied key for which a backup was encrypted. If this key does not decrypt the
/// backup, the backup is damaged. Passphrases are ignored, because a key id does not show whether two
/// passphrases are the same.
pub(crate) fn matching_key(encryption: Option<&EncryptionSummary>, supplied: &Identities) -> Option<String> {
    let matches =
        |id: &String| id != PASSPHRASE_ID && encryption.is_some_and(|known| known.key_ids.contains(id));
    supplied.key_ids().into_iter().find(matches)
}
