//! Which entities of an archive are verified.

use std::collections::BTreeSet;

use crate::archive::{EntityManifest, EntityStatus, Manifest};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::names::names;

/// Which entities of an archive are verified. Its directory and documents are in any case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Selected {
    /// All of them, and every byte of the archive.
    #[default]
    All,
    /// Those of these names.
    Entities(BTreeSet<String>),
    /// Those in these entries.
    Files(BTreeSet<String>),
}

impl Selected {
    /// The entries of a manifest, or all if there are no others.
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

    /// Refuses names that a backup does not hold.
    pub(super) fn check(&self, manifest: &Manifest) -> Result<()> {
        let Self::Entities(wanted) = self else { return Ok(()) };
        let held = || manifest.entities.iter().map(|entity| entity.entity.as_str());
        match wanted.iter().find(|name| !held().any(|held| held == name.as_str())) {
            None => Ok(()),
            Some(name) => Err(Error::new(
                ErrorKind::NotFound,
                format!("backup {} holds no entity `{name}`; it holds {}", manifest.id, names(held())),
            )),
        }
    }
}
