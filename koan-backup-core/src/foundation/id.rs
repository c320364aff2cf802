//! Ids and names that are validated on construction.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use crate::foundation::error::{Error, ErrorKind, Result};

/// The id of a backup: a UUIDv7, so that the order of ids is the order of their creation times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BackupId(Uuid);

impl BackupId {
    /// Returns the start time of the backup with a precision of milliseconds, if the id contains a time.
    pub(crate) fn time(&self) -> Option<jiff::Timestamp> {
        let id = self.as_uuid();
        let (seconds, nanos) = id.get_timestamp().filter(|_| id.get_version_num() == 7)?.to_unix();
        jiff::Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanos).ok()?).ok()
    }

    /// Creates an id from a UUID.
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// Returns the UUID.
    pub fn as_uuid(&self) -> Uuid {
        self.0
    }

    /// Returns the last eight hex digits of the id. The file name of the archive contains them.
    pub fn short(&self) -> String {
        let text = self.0.simple().to_string();
        text[text.len() - 8..].to_owned()
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for BackupId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Uuid::try_parse(text).map(Self).map_err(|source| {
            Error::with_source(
                ErrorKind::InvalidName,
                "the text is not the id of a backup; use a UUID that `koan.backups()` returns",
                source,
            )
        })
    }
}

/// The name of a backup, which a person chooses: 1 to 128 characters, without control characters and without
/// characters that could form a path.
///
/// ```
/// use koan_backup::BackupName;
///
/// let name = BackupName::new("Nightly 2026-11-30").expect("a valid name");
/// assert_eq!(name.safe(), "nightly-2026-11-30");
/// assert!(BackupName::new("../nightly").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct BackupName(String);

/// The word that refers to the newest backup instead of a name.
pub(crate) const LATEST: &str = "latest";

impl BackupName {
    /// The maximum length of a name, in characters.
    pub const MAX_CHARS: usize = 128;

    /// Validates `name`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidName`]: the message states the rule that is violated.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let problem = if name.trim().is_empty() {
            Some("must not be empty")
        } else if name.chars().count() > Self::MAX_CHARS {
            Some("must be at most 128 characters long")
        } else if name.chars().any(is_forbidden) {
            Some("must not contain control or text-direction characters")
        } else if name.contains(['/', '\\']) || name.starts_with('.') || name.contains("..") {
            Some("must not look like a path: no slashes, no `..`, no leading dot")
        } else if Uuid::try_parse(&name).is_ok() {
            Some("must not be a UUID, because a UUID is the id of a backup")
        } else {
            None
        };
        match problem {
            None => Ok(Self(name)),
            Some(problem) => Err(invalid("backup name", &name, problem)),
        }
    }

    /// Validates the name of a new backup. `latest` and eight hexadecimal digits refer to other backups, so a
    /// new backup must not have a name of this form. Older backups may have such a name and can be restored
    /// by their id.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidName`]: the message states the rule that is violated.
    pub fn of_new_backup(name: impl Into<String>) -> Result<Self> {
        let name = Self::new(name)?;
        let text = name.0.trim();
        let problem = if text.eq_ignore_ascii_case(LATEST) {
            "refers to the newest backup; choose another name"
        } else if is_short_id(text) {
            "must not be eight hexadecimal digits, because these are the short id of a backup; add a word to the name"
        } else {
            return Ok(name);
        };
        Err(invalid("backup name", &name.0, problem))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the form of the name that file names contain: in lower case, with each sequence of characters
    /// other than ASCII letters and digits replaced by `-`, without leading and trailing `-`, at most 64
    /// characters long, and never empty.
    pub fn safe(&self) -> String {
        let mut safe = String::new();
        for c in self.0.chars().flat_map(char::to_lowercase) {
            if c.is_ascii_alphanumeric() {
                safe.push(c);
            } else if !safe.is_empty() && !safe.ends_with('-') {
                safe.push('-');
            }
        }
        safe.truncate(64);
        let safe = safe.trim_end_matches('-');
        if safe.is_empty() { "backup".to_owned() } else { safe.to_owned() }
    }
}

impl fmt::Display for BackupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for BackupName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// The name of a set, which is a subset of an entity's records. [`SetName::root`] is the default set.
///
/// ```
/// use koan_backup::SetName;
/// # use koan_backup_shop::User;
/// # koan_backup_shop::run(async |koan| {
/// let users = koan.data::<User>().set(SetName::new("tenant-a")?);
/// users.upsert_many([User { id: 1, name: "Ada".to_owned() }]).await?;
/// koan.backup("tenant-a").set("tenant-a").await?;
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct SetName(String);

impl SetName {
    /// The maximum length of a name, in characters.
    pub const MAX_CHARS: usize = 64;

    /// Returns the default set.
    pub fn root() -> Self {
        Self("root".to_owned())
    }

    /// Validates `name`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidName`]: the message states the rule that is violated.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let problem = if name.trim().is_empty() {
            Some("must not be empty")
        } else if name.chars().count() > Self::MAX_CHARS {
            Some("must be at most 64 characters long")
        } else if name.contains('#') || name.chars().any(is_forbidden) {
            Some("must not contain `#`, control or text-direction characters")
        } else {
            None
        };
        match problem {
            None => Ok(Self(name)),
            Some(problem) => Err(invalid("set name", &name, problem)),
        }
    }

    /// Returns whether this is the default set.
    pub fn is_root(&self) -> bool {
        self.0 == "root"
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for SetName {
    fn default() -> Self {
        Self::root()
    }
}

impl fmt::Display for SetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SetName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Returns whether a text has the form of a [short id](BackupId::short): eight hexadecimal digits.
pub(crate) fn is_short_id(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Returns whether a name must not contain a character: a control character, a line separator, or a character
/// that changes the direction of the text.
pub(crate) fn is_forbidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Creates the error for an invalid name; `noun` describes the name, for example `set name`.
fn invalid(noun: &str, name: &str, problem: &str) -> Error {
    let shown: String = name.chars().take(40).flat_map(char::escape_default).collect();
    Error::new(ErrorKind::InvalidName, format!("{noun} `{shown}` {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_form_paths_are_refused() {
        for name in ["", "  ", "../etc", "a/b", "a\\b", ".hidden", "a..b", "a\nb", "a\0b", "\u{202e}gpj"] {
            let error = BackupName::new(name).expect_err(name);
            assert_eq!(error.kind(), ErrorKind::InvalidName, "{name:?}");
        }
        assert!(BackupName::new("x".repeat(129)).is_err());
        assert!(BackupName::new(Uuid::nil().to_string()).is_err());
    }

    #[test]
    fn safe_names_are_short_lower_case_and_never_empty() {
        let safe = |name: &str| BackupName::new(name).map(|name| name.safe()).ok();
        assert_eq!(safe("Production — Daily!").as_deref(), Some("production-daily"));
        assert_eq!(safe("日本").as_deref(), Some("backup"));
        assert_eq!(safe(&"a".repeat(100)).map(|name| name.len()), Some(64));
    }
}
