//! The entities of an archive that are verified.

use std::collections::BTreeSet;

use crate::archive::{EntityManifest, EntityStatus, Manifest};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::names::names;

/// The entities of an archive that are verified. Its directory and documents are always verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Selected {
    /// All entities, and every byte of the archive.
    #[default]
    All,
    /// The entities with these names.
    Entities(BTreeSet<String>),
    /// The entities in these entries.
    Files(BTreeSet<String>),
}

impl Selected {
    /// Selects the entities of the entries in `files`, or everything if `files` contains all entries.
    pub(crate) fn files(manifest: &Manifest, files: BTreeSet<String>) -> Self {
        let mut completed =
            manifest.entities.iter().filter(|entity| entity.status == EntityStatus::Completed);
        let all =
            completed.all(|entity| entity.storage_file.as_ref().is_some_and(|file| files.contains(file)));
        if all { Self::All } else { Self::Files(files) }
    }

    pub(super) fn is_all(&self) -> bool {
        *self == Self::All
    }

    pub(super) fn includes(&self, entity: &EntityManifest) -> bool {
        match self {
            Self::All => true,
            Self::Entities(names) => names.contains(&entity.entity),
            Self::Files(files) => entity.storage_file.as_ref().is_some_and(|file| files.contains(file)),
        }
    }

    /// Refuses names that a backup does not contain.
    pub(super) fn check(&self, manifest: &Manifest) -> Result<()> {
        let Self::Entities(wanted) = self else { return Ok(()) };
        let contained = || manifest.entities.iter().map(|entity| entity.entity.as_str());
        match wanted.iter().find(|name| !contained().any(|contained| contained == name.as_str())) {
            None => Ok(()),
            Some(name) => Err(Error::new(
                ErrorKind::NotFound,
                format!(
                    "backup {} contains no entity `{name}`; it contains {}",
                    manifest.id,
                    names(contained())
                ),
            )),
        }
    }
}
