//! How a backup is named.

use crate::id::BackupId;

/// Which backup is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackupRef {
    /// The one of this id.
    Id(BackupId),
    /// The newest of this name: to restore, the newest that was completed, or, where parts are allowed, that has an archive; to
    /// verify, the newest, so that one that failed is told.
    Name(String),
}

impl From<BackupId> for BackupRef {
    fn from(id: BackupId) -> Self {
        Self::Id(id)
    }
}

/// A UUID is an id, anything else a name.
impl From<&str> for BackupRef {
    fn from(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Id)
    }
}

impl From<String> for BackupRef {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}
