//! The options of the generated module.

use std::fmt;
use std::str::FromStr;

use koan_backup_core::{Error, ErrorKind};
use serde::{Deserialize, Serialize};

/// The options of a generated module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct GenerateOptions {
    /// The crate whose types represent dates and times.
    pub time: TimeCrate,
}

impl GenerateOptions {
    /// Sets the crate whose types represent dates and times.
    #[must_use]
    pub fn time(mut self, time: TimeCrate) -> Self {
        self.time = time;
        self
    }
}

/// A crate whose types represent dates and times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum TimeCrate {
    /// `chrono`.
    #[default]
    Chrono,
    /// `jiff`.
    Jiff,
    /// `time`.
    Time,
}

impl TimeCrate {
    /// All crates, the default first.
    pub const ALL: [Self; 3] = [Self::Chrono, Self::Jiff, Self::Time];

    /// Returns the name of the crate.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chrono => "chrono",
            Self::Jiff => "jiff",
            Self::Time => "time",
        }
    }
}

impl fmt::Display for TimeCrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for TimeCrate {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|known| known.name() == name).ok_or_else(|| {
            Error::new(
                ErrorKind::Configuration,
                format!(
                    "`{}` is not a crate for dates and times; use `chrono`, `jiff` or `time`",
                    name.escape_debug()
                ),
            )
        })
    }
}
