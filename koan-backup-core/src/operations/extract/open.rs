//! An open backup, whose directory and documents were checked.

use crate::archive::{EntityManifest, EntityStatus, Manifest, OpenArchive};
use crate::catalog::StoredBackup;
use crate::environment::Environment;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::SetName;
use crate::foundation::names::names;

/// A backup and its open archive.
#[derive(Debug)]
pub(crate) struct OpenBackup {
    manifest: Manifest,
    archive: OpenArchive,
    /// Notes about the search for the backup.
    notes: Vec<String>,
}

impl OpenBackup {
    /// Opens the archive of a backup with the keys of the environment. Encrypted entities for which there is no key are
    /// accepted; an archive that is encrypted as a whole needs a key.
    ///
    /// # Errors
    /// The backup has no archive, the archive is damaged, or it cannot be read or decrypted.
    pub(crate) async fn open(environment: &Environment, backup: StoredBackup<'_>) -> Result<Self> {
        let identities = environment.identities_for(&backup.manifest).await?;
        let backup = backup.opened(&identities).await?;
        backup.require_opened(&identities)?;
        let Some(archive) = &backup.manifest.archive else {
            let reason = backup.manifest.error.as_deref().unwrap_or("its manifest contains no archive");
            let text = format!("backup {} has no content: {reason}", backup.manifest.id);
            return Err(Error::new(ErrorKind::Incompatible, text));
        };
        let archive = backup.open_archive(archive, &identities).await?;
        let notes = backup.notes(&environment.identity);
        Ok(Self { manifest: backup.manifest, archive, notes })
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub(crate) fn archive(&self) -> &OpenArchive {
        &self.archive
    }

    /// Returns notes about the search for the backup, for example that another application made it.
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns the entities and sets in the archive.
    pub(super) fn completed(&self) -> impl Iterator<Item = (&EntityManifest, &str)> {
        let completed =
            self.manifest.entities.iter().filter(|entity| entity.status == EntityStatus::Completed);
        completed.filter_map(|entity| Some((entity, entity.storage_file.as_deref()?)))
    }

    /// Returns the names of the entities that failed in the backup.
    pub(super) fn failed(&self) -> Vec<String> {
        let failed = self.manifest.entities.iter().filter(|entity| entity.status == EntityStatus::Failed);
        let mut names: Vec<_> = failed.map(|entity| entity.entity.clone()).collect();
        names.dedup();
        names
    }

    /// Returns an entity and set of the archive. Without a set, it is `root`, or the only set of the entity.
    ///
    /// # Errors
    /// The archive does not contain it; the error lists what it contains.
    pub(super) fn entity(&self, name: &str, set: Option<&SetName>) -> Result<(&EntityManifest, &str)> {
        let id = self.manifest.id;
        let sets: Vec<_> = self.completed().filter(|(entity, _)| entity.entity == name).collect();
        if sets.is_empty() {
            let mut contained: Vec<_> = self.completed().map(|(entity, _)| entity.entity.as_str()).collect();
            contained.dedup();
            let text =
                format!("backup {id} contains no entity `{name}`; it contains {}", names(contained.iter()));
            return Err(Error::new(ErrorKind::NotFound, text));
        }
        let wanted = set.cloned().unwrap_or_else(SetName::root);
        let found = sets.iter().find(|(entity, _)| entity.set == wanted);
        match (found, sets.as_slice(), set) {
            (Some(found), ..) => Ok(*found),
            (None, [only], None) => Ok(*only),
            _ => {
                let contained = names(sets.iter().map(|(entity, _)| entity.set.as_str()));
                let text = format!("`{name}` in backup {id} has no set `{wanted}`; it has {contained}");
                Err(Error::new(ErrorKind::NotFound, text).with_help("select one of its sets"))
            }
        }
    }
}
