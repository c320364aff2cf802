//! Checks at the commit that no other program has changed the files since the restore read them.

use std::path::PathBuf;
use std::sync::Arc;

use koan_backup_core::{Error, ErrorKind, Result};

use super::super::documents::Listing;
use super::super::failure::failed;
use super::super::fingerprint::FileFingerprint;

/// The files of a set as the restore found them.
#[derive(Debug)]
pub(super) enum UnchangedCheck {
    /// A file of lines, or `None` if there was no file.
    File(PathBuf, Option<FileFingerprint>),
    /// A directory of documents.
    Listing(Arc<Listing>),
}

impl UnchangedCheck {
    /// Refuses files that another program has changed, because the restore would silently undo the change.
    pub(super) fn check(&self) -> Result<()> {
        let (path, same) = match self {
            Self::File(path, stamp) => {
                let now =
                    FileFingerprint::of_path(path).map_err(|error| failed("looking at", path, error))?;
                (path, now == *stamp)
            }
            Self::Listing(listing) => {
                (&listing.directory, Listing::of(&listing.directory)?.files == listing.files)
            }
        };
        if same {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "`{}` was changed by another program during the restore, which is rolled back; stop that program and \
                 restore again",
                path.display()
            ),
        ))
    }
}
