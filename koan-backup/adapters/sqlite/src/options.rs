//! How a database is opened.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use koan_backup_core::{Error, ErrorKind, Result};

use super::Sqlite;
use super::collation::Collations;
use super::connection::{Access, Location, Missing};
use super::derived::Recomputed;

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
            location: Location {
                path,
                access: Access::Full,
                missing: Missing::Refuse,
                busy_timeout: BUSY_TIMEOUT,
                collations: Collations::default(),
                recomputed: Recomputed::default(),
            },
            ignored: BTreeMap::new(),
        }
    }

    /// Never writes to the file; restoring fails.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.location.access = Access::ReadOnly;
        self
    }

    /// Makes an empty database where there is none, for a restore into a new one. Without it a missing file is an error, because an
    /// empty database in the place of one whose disk is not mounted would be backed up. The directory must be there.
    #[must_use]
    pub fn create_if_missing(mut self) -> Self {
        self.location.missing = Missing::Create;
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

    /// Defines a collation that the application's tables use, as the application's own connections define it.
    ///
    /// SQLite cannot write a row of a table whose index uses a collation that it does not know, and a backup cannot tell whether
    /// two keys are one by it.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), koan_backup::Error> {
    /// let by_letters = |one: &str, other: &str| one.to_lowercase().cmp(&other.to_lowercase());
    /// let shop = koan_backup::Sqlite::options("shop.db").collation("unicode_nocase", by_letters).open()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn collation(
        mut self,
        name: impl AsRef<str>,
        compare: impl Fn(&str, &str) -> Ordering + Send + Sync + 'static,
    ) -> Self {
        self.location.collations.add(name.as_ref(), Arc::new(compare));
        self
    }

    /// Names a table, or a column as `table.column`, that triggers fill and that the application computes again after a restore.
    ///
    /// Triggers do not fire in a restore. What they fill and no archive holds, and what SQLite cannot rebuild, makes a restore
    /// fail before it writes, unless it is named here: then the restore says that it has to be computed again.
    #[must_use]
    pub fn recomputed(mut self, name: impl Into<String>, reason: impl Into<String>) -> Self {
        self.location.recomputed.add(name.into(), reason.into());
        self
    }

    /// Opens the database.
    ///
    /// # Errors
    /// The file does not exist and is not [to be made](Self::create_if_missing), the path is a directory, its directory does not exist, or
    /// the file is not an SQLite database. An ignored table or what is
    /// recomputed has no reason.
    pub fn open(self) -> Result<Sqlite> {
        if let Some((table, _)) = self.ignored.iter().find(|(_, reason)| reason.trim().is_empty()) {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!("table `{table}` is ignored without a reason; say why it needs no backup"),
            ));
        }
        if let Some(name) = self.location.recomputed.without_reason() {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!("`{name}` is computed again after a restore, without a reason; say by what"),
            ));
        }
        self.location.establish()?;
        Ok(Sqlite::established(self.location, self.ignored))
    }
}
