//! What must not change between the beginning of a restore and its commit.

use std::path::PathBuf;
use std::sync::Arc;

use koan_backup_core::{Error, ErrorKind, Result};

use super::super::documents::Listing;
use super::super::failure::failed;
use super::super::fingerprint::FileFingerprint;

/// A set as a restore found it.
#[derive(Debug)]
pub(super) enum Kept {
    /// A file of lines, or that there was none.
    File(PathBuf, Option<FileFingerprint>),
    Listing(Arc<Listing>),
}

impl Kept {
    /// Refuses what another program changed meanwhile: the restore would undo that without a word.
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
                "`{}` was changed by another program during the restore, which is undone; stop what writes to it and \
                 restore again",
                path.display()
            ),
        ))
    }
}
