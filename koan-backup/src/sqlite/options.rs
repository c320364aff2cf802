//! How a database is opened.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use koan_backup_core::{Error, ErrorKind, Result};

use super::Sqlite;
use super::connection::{Access, Location};

/// How long a locked database is waited for, if nothing else is said.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How an SQLite database is opened: see [`Sqlite::options`].
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    location: Location,
    ignored: BTreeMap<String, String>,
}

impl SqliteOptions {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            location: Location { path, access: Access::Full, busy_timeout: BUSY_TIMEOUT },
            ignored: BTreeMap::new(),
        }
    }

    /// Never writes to the file; restoring fails.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.location.access = Access::ReadOnly;
        self
    }

    /// How long a database that another process has locked is waited for; 10 seconds if not said.
    #[must_use]
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.location.busy_timeout = timeout;
        self
    }

    /// A table that is meant to be in no entity, and why: boot reports do not warn of it.
    #[must_use]
    pub fn ignore_table(mut self, table: impl Into<String>, reason: impl Into<String>) -> Self {
        self.ignored.insert(table.into(), reason.into());
        self
    }

    /// Opens the database, or makes an empty one where there is none.
    ///
    /// # Errors
    /// The path is a directory, its directory does not exist, or the file is not an SQLite database. An ignored table
    /// has no reason.
    pub fn open(self) -> Result<Sqlite> {
        if let Some((table, _)) = self.ignored.iter().find(|(_, reason)| reason.trim().is_empty()) {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!("table `{table}` is ignored without a reason; say why it needs no backup"),
            ));
        }
        self.location.establish()?;
        Ok(Sqlite::established(self.location, self.ignored))
    }
}
