//! The identities that decrypt a backup.

use std::sync::Arc;

use crate::archive::{Manifest, encrypted_entities};
use crate::encryption::Identities;
use crate::environment::Environment;
use crate::foundation::error::Result;

impl Environment {
    /// Returns the identities with which a backup may be decrypted. The key sources are not queried if
    /// nothing in the backup is encrypted.
    ///
    /// # Errors
    /// A key source fails.
    pub(crate) async fn identities_for(&self, manifest: &Manifest) -> Result<Arc<Identities>> {
        let needed = manifest.is_encrypted_as_a_whole() || encrypted_entities(manifest).next().is_some();
        Ok(Arc::new(if needed { self.identities().await? } else { Identities::default() }))
    }
}
