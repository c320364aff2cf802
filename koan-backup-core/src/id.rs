//! Names and ids, checked when built.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use crate::error::{Error, ErrorKind, Result};

/// Identifies one backup: a UUIDv7, so ids sort by creation time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BackupId(Uuid);

impl BackupId {
    /// When its backup began, to the millisecond, if the id tells it.
    pub(crate) fn time(&self) -> Option<jiff::Timestamp> {
        let id = self.as_uuid();
        let (seconds, nanos) = id.get_timestamp().filter(|_| id.get_version_num() == 7)?.to_unix();
        jiff::Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanos).ok()?).ok()
    }

    /// Wraps a UUID.
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The UUID.
    pub fn as_uuid(&self) -> Uuid {
        self.0
    }

    /// The last eight hex digits, which stand in the name of the archive.
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
                "a backup id is a UUID as `koan.backups()` lists it",
                source,
            )
        })
    }
}

/// The name a person gives a backup: 1 to 128 characters, no control characters, nothing a path could be built from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct BackupName(String);

/// The word that means the newest backup.
pub(crate) const LATEST: &str = "latest";

impl BackupName {
    /// The longest name, in characters.
    pub const MAX_CHARS: usize = 128;

    /// Checks `name`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidName`] says which rule is broken.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let problem = if name.trim().is_empty() {
            Some("must not be empty")
        } else if name.chars().count() > Self::MAX_CHARS {
            Some("must be at most 128 characters long")
        } else if name.chars().any(is_hostile) {
            Some("must not hold control or text-direction characters")
        } else if name.contains(['/', '\\']) || name.starts_with('.') || name.contains("..") {
            Some("must not look like a path: no slashes, no `..`, no leading dot")
        } else if Uuid::try_parse(&name).is_ok() {
            Some("must not be a UUID, because ids of backups are")
        } else {
            None
        };
        match problem {
            None => Ok(Self(name)),
            Some(problem) => Err(invalid("backup name", &name, problem)),
        }
    }

    /// Checks the name of a new backup. `latest` and eight hexadecimal digits refer to other backups, so no new backup has such
    /// a name; backups from before this rule keep theirs and are restored by id.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidName`] says which rule is broken.
    pub fn of_new_backup(name: impl Into<String>) -> Result<Self> {
        let name = Self::new(name)?;
        let text = name.0.trim();
        let problem = if text.eq_ignore_ascii_case(LATEST) {
            "means the newest backup; give this one another name"
        } else if text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            "must not be eight hexadecimal digits, because short ids of backups are; add a word to it"
        } else {
            return Ok(name);
        };
        Err(invalid("backup name", &name.0, problem))
    }

    /// The name as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as it stands in file names: lower case, runs of anything but letters and digits become `-`, trimmed,
    /// at most 64 characters, never empty.
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

/// The name of a subset of an entity's records. [`SetName::root`] is the default one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct SetName(String);

impl SetName {
    /// The longest name, in characters.
    pub const MAX_CHARS: usize = 64;

    /// The set that records are in when none is named.
    pub fn root() -> Self {
        Self("root".to_owned())
    }

    /// Checks `name`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidName`] says which rule is broken.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let problem = if name.trim().is_empty() {
            Some("must not be empty")
        } else if name.chars().count() > Self::MAX_CHARS {
            Some("must be at most 64 characters long")
        } else if name.contains('#') || name.chars().any(is_hostile) {
            Some("must not hold `#`, control or text-direction characters")
        } else {
            None
        };
        match problem {
            None => Ok(Self(name)),
            Some(problem) => Err(invalid("set name", &name, problem)),
        }
    }

    /// Whether this is the default set.
    pub fn is_root(&self) -> bool {
        self.0 == "root"
    }

    /// The name as given.
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

/// Control characters, line separators and marks that reorder the text around them.
pub(crate) fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn invalid(what: &str, name: &str, problem: &str) -> Error {
    let shown: String = name.chars().take(40).flat_map(char::escape_default).collect();
    Error::new(ErrorKind::InvalidName, format!("{what} `{shown}` {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_become_paths_are_refused() {
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
