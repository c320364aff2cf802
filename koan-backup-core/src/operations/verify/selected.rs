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
    Entries(BTreeSet<String>),
}

impl Selected {
    /// Selects the entities of these entries, or everything if these are all entries.
    pub(crate) fn entries(manifest: &Manifest, entries: BTreeSet<String>) -> Self {
        let mut completed =
            manifest.entities.iter().filter(|entity| entity.status == EntityStatus::Completed);
        let all =
            completed.all(|entity| entity.storage_file.as_ref().is_some_and(|file| entries.contains(file)));
        if all { Self::All } else { Self::Entries(entries) }
    }

    pub(super) fn is_all(&self) -> bool {
        *self == Self::All
    }

    pub(super) fn includes(&self, entity: &EntityManifest) -> bool {
        match self {
            Self::All => true,
            Self::Entities(names) => names.contains(&entity.entity),
            Self::Entries(entries) => entity.storage_file.as_ref().is_some_and(|file| entries.contains(file)),
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
