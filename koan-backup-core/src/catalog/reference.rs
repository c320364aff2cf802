//! References to backups.

use crate::foundation::id::{BackupId, LATEST, is_short_id};

/// A reference to a backup.
///
/// ```
/// use koan_backup::{BackupId, BackupRef};
///
/// assert_eq!(BackupRef::from("nightly"), BackupRef::Name("nightly".to_owned()));
/// assert_eq!(BackupRef::from("latest"), BackupRef::Latest);
/// let id: BackupId = "0197f1a0-0000-7000-8000-000000000001".parse().expect("an id");
/// assert_eq!(BackupRef::from(id), BackupRef::Id(id));
/// assert_eq!(BackupRef::from("00000001"), BackupRef::Short(id.short()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackupRef {
    /// The backup with this id.
    Id(BackupId),
    /// The newest backup with this name. A restore uses the newest completed backup, or, if partial backups
    /// are allowed, the newest backup with an archive. A verification uses the newest backup, even if it
    /// failed.
    Name(String),
    /// The newest completed backup that contains every selected entity. Without a selection, it must contain
    /// every included entity that occurs in at least one backup.
    Latest,
    /// The newest completed backup with this name that contains every selected entity.
    LatestNamed(String),
    /// The backup whose id ends with these eight hexadecimal digits in lower case, as [`BackupId::short`]
    /// returns them.
    Short(String),
}

impl BackupRef {
    /// Returns whether the backup is selected by its contents, and not by an id or a name alone.
    pub(crate) fn is_latest(&self) -> bool {
        matches!(self, Self::Latest | Self::LatestNamed(_))
    }
}

impl From<BackupId> for BackupRef {
    fn from(id: BackupId) -> Self {
        Self::Id(id)
    }
}

/// Converts a text: a UUID is an id, `latest` (ignoring case) is [`BackupRef::Latest`], eight hexadecimal
/// digits are the end of an id, and any other text is a name.
impl From<&str> for BackupRef {
    fn from(text: &str) -> Self {
        if text.eq_ignore_ascii_case(LATEST) {
            return Self::Latest;
        }
        if is_short_id(text) {
            return Self::Short(text.to_ascii_lowercase());
        }
        text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Id)
    }
}

impl From<String> for BackupRef {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}
