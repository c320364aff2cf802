//! The settings of encryption.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::secret::{Reference, SecretText, reference_schema, references_schema, secret_schema};

/// Encryption and keys. Recipients are either public keys, a file with public keys, or a passphrase.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct EncryptionSettings {
    /// The public keys for which entities and archives are encrypted: `age1…`, `ssh-ed25519 …` or `ssh-rsa …`.
    pub(crate) recipients: Option<Vec<String>>,
    /// A file with public keys, one per line.
    pub(crate) recipients_file: Option<PathBuf>,
    /// A passphrase for which entities and archives are encrypted, in place of public keys. It also decrypts them.
    #[schemars(schema_with = "secret_schema")]
    pub(crate) passphrase: Option<SecretText>,
    /// Where private keys are read when they are needed: `{ env = "…" }`, `{ file = "…" }` or `{ command = […] }`.
    #[schemars(schema_with = "references_schema")]
    pub(crate) keys: Option<Vec<Reference>>,
    /// Where the passphrase of older backups is read when it is needed.
    #[schemars(schema_with = "reference_schema")]
    pub(crate) key_passphrase: Option<Reference>,
}
