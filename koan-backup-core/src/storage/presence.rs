//! Determines whether a storage profile exists, without creating anything.

use std::path::{Path as FilePath, PathBuf};

use super::disk::MissingDirectory;
use super::profile_state::ProfileRecord;
use super::{Storage, StorageKind};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::storage::machine_state::MachineState;

/// Whether a storage profile exists.
#[derive(Debug)]
pub(crate) enum Presence {
    /// The profile has its mark, or files of an older version, or the storage has no marks.
    Used,
    /// The directory or bucket exists and contains no profile. The first backup creates the profile.
    Empty,
    /// The directory does not exist. The first start creates it.
    Missing,
    /// The machine has used the profile before, and the profile has lost its mark or no longer exists.
    Lost(Error),
    /// The directory does not exist, and its path is probably misspelt.
    Misspelt(Error),
    /// The profile does not exist, and must not be created.
    Refused(Error),
}

impl Storage {
    /// Returns the storage with access to its record in the state directory of this machine. Contacts and
    /// creates nothing.
    pub(crate) fn with_record(mut self, state: &MachineState) -> Self {
        let locations = match &self.kind {
            StorageKind::Memory | StorageKind::Other => return self,
            StorageKind::Cloud { identity, .. } => vec![identity.clone()],
            StorageKind::Directory(disk) => {
                super::profile::directory_locations(disk.path(), disk.canonical_path())
            }
        };
        self.profile = Some(ProfileRecord { state: state.clone(), locations }.into());
        self
    }

    /// Determines whether the profile exists. Creates and records nothing. `declared` contains the directories
    /// of all profiles of the context.
    ///
    /// # Errors
    /// The storage or the state directory cannot be read.
    pub(crate) async fn presence(&self, declared: &[PathBuf]) -> Result<Presence> {
        let known = match &self.profile {
            Some(profile) => profile.known_location()?,
            None => None,
        };
        if let StorageKind::Directory(disk) = &self.kind {
            if !disk.path().exists() {
                return Ok(match known {
                    Some(known) => Presence::Lost(self.lost_error("does not exist", &known)),
                    None => self.missing_directory(disk.path(), declared),
                });
            }
            disk.open(MissingDirectory::Refused).map_err(|source| self.unusable_directory_error(source))?;
        }
        if self.profile.is_none() || self.read_mark().await?.is_some() {
            return Ok(Presence::Used);
        }
        if let Some(known) = known {
            return Ok(Presence::Lost(self.lost_error("has lost its mark", &known)));
        }
        if self.was_used().await? {
            return Ok(Presence::Used);
        }
        Ok(self.require_new_allowed().map_or_else(Presence::Refused, |()| Presence::Empty))
    }

    /// Returns the presence of a directory that does not exist and that this machine has not used before.
    fn missing_directory(&self, path: &FilePath, declared: &[PathBuf]) -> Presence {
        if let Err(error) = self.require_new_allowed() {
            return Presence::Refused(error);
        }
        self.refuse_misspelt(path, declared).map_or_else(Presence::Misspelt, |()| Presence::Missing)
    }

    /// Checks that a directory that does not exist can be created. Creates nothing.
    ///
    /// # Errors
    /// The nearest existing parent cannot be written.
    pub(crate) fn require_creatable(&self) -> Result<()> {
        let Some(existing) = self.existing_directory() else { return Ok(()) };
        require_writable(&existing).map_err(|source| {
            Error::with_source(
                ErrorKind::Storage,
                format!(
                    "storage directory `{}` does not exist, and it cannot be created, because `{}` cannot be \
                     written",
                    self.location,
                    existing.display()
                ),
                source,
            )
            .with_help("create the directory, or give this user write permission for its parent")
        })
    }

    /// Returns the free space for files of this user, if the storage is a directory. If the directory does not
    /// exist, it is that of its nearest existing parent. Returns `None` if the system does not report it.
    pub(crate) fn free_bytes(&self) -> Option<u64> {
        self.existing_directory().and_then(|path| free_bytes(&path))
    }

    /// Returns the directory, or its nearest parent that exists.
    fn existing_directory(&self) -> Option<PathBuf> {
        let path = self.directory()?;
        path.ancestors().find(|path| path.exists()).map(FilePath::to_owned)
    }
}

#[cfg(unix)]
fn require_writable(path: &FilePath) -> std::io::Result<()> {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)
        .map_err(std::io::Error::from)
}

#[cfg(not(unix))]
fn require_writable(_: &FilePath) -> std::io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn free_bytes(path: &FilePath) -> Option<u64> {
    let found = rustix::fs::statvfs(path).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(not(unix))]
fn free_bytes(_: &FilePath) -> Option<u64> {
    None
}
