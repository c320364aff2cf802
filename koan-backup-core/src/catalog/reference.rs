//! How a backup is named.

use crate::foundation::id::{BackupId, LATEST};

/// Which backup is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackupRef {
    /// The one of this id.
    Id(BackupId),
    /// The newest of this name: to restore, the newest that was completed, or, where parts are allowed, that has an archive; to
    /// verify, the newest, so that one that failed is told.
    Name(String),
    /// The newest completed backup that contains every selected entity; without a selection, every included entity that any backup
    /// contains.
    Latest,
}

impl From<BackupId> for BackupRef {
    fn from(id: BackupId) -> Self {
        Self::Id(id)
    }
}

/// A UUID is an id, `latest` (ignoring case) is [`BackupRef::Latest`], and anything else is a name.
impl From<&str> for BackupRef {
    fn from(text: &str) -> Self {
        if text.eq_ignore_ascii_case(LATEST) {
            return Self::Latest;
        }
        text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Id)
    }
}

impl From<String> for BackupRef {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}
