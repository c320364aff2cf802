//! Checks before the commit that no other program has changed the files since the restore read them.

use std::path::PathBuf;
use std::sync::Arc;

use koan_backup_core::{Error, ErrorKind, Result};

use super::super::documents::Listing;
use super::super::failure::failed;
use super::super::fingerprint::FileFingerprint;

/// The files of a set with the fingerprints that they had when the restore read them.
#[derive(Debug)]
pub(super) enum UnchangedCheck {
    /// A file of lines, or `None` if there was no file.
    File(PathBuf, Option<FileFingerprint>),
    /// A directory of documents.
    Listing(Arc<Listing>),
}

impl UnchangedCheck {
    /// Fails if another program has changed the files, because the restore would overwrite the change.
    pub(super) fn check(&self) -> Result<()> {
        let (path, is_unchanged) = match self {
            Self::File(path, fingerprint) => {
                let current =
                    FileFingerprint::of_path(path).map_err(|error| failed("examining", path, error))?;
                (path, current == *fingerprint)
            }
            Self::Listing(listing) => {
                (&listing.directory, Listing::read(&listing.directory)?.files == listing.files)
            }
        };
        if is_unchanged {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "`{}` was changed by another program during the restore, so the restore is rolled back; stop \
                 that program and restore again",
                path.display()
            ),
        ))
    }
}
