//! Detects whether a file has changed.

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The assumed resolution of file times. A second change within this duration may not be detected.
const TIMESTAMP_RESOLUTION: Duration = Duration::from_millis(20);

/// The properties of a file that show whether its content was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileFingerprint {
    pub(super) length: u64,
    modified: Option<SystemTime>,
    identity: (u64, u64),
}

impl FileFingerprint {
    pub(super) fn from_metadata(metadata: &Metadata) -> Self {
        Self { length: metadata.len(), modified: metadata.modified().ok(), identity: identity(metadata) }
    }

    /// Reads the fingerprint of an open file, even if another file has replaced it at its path.
    pub(super) fn of_file(file: &File) -> io::Result<Self> {
        file.metadata().map(|metadata| Self::from_metadata(&metadata))
    }

    /// Reads the fingerprint of the file at a path, if it exists.
    pub(super) fn of_path(path: &Path) -> io::Result<Option<Self>> {
        match std::fs::symlink_metadata(path) {
            Ok(metadata) => Ok(Some(Self::from_metadata(&metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns how long to wait until every later change is certain to result in another fingerprint.
    pub(super) fn until_changes_are_detectable(&self) -> Duration {
        let age = self.modified.and_then(|modified| modified.elapsed().ok());
        age.map_or(TIMESTAMP_RESOLUTION, |age| TIMESTAMP_RESOLUTION.saturating_sub(age))
    }
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> (u64, u64) {
    (0, 0)
}
