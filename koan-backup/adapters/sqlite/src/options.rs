//! The options for opening a database.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use koan_backup_core::{Error, ErrorKind, Result};

use super::Sqlite;
use super::collation::Collations;
use super::connection::{Access, IfMissing, Location};
use super::derived::Recomputed;

/// The default time limit for waiting for a locked database.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest time limit, because SQLite counts its milliseconds with 32 bits.
const MAX_BUSY_TIMEOUT: Duration = Duration::from_secs(24 * 86_400);

/// The options for opening an SQLite database. [`Sqlite::options`] creates them.
///
/// ```
/// use std::time::Duration;
///
/// use koan_backup::Sqlite;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # std::env::set_current_dir(folder.path())?;
///
/// // A new database, which a restore fills.
/// let copy = Sqlite::options("copy.db")
///     .create_if_missing()
///     .busy_timeout(Duration::from_secs(30))
///     .ignore_table("page_views", "kept by the web server")
///     .recomputed_after_restore("film.search", "the nightly reindex")
///     .open()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "the options do nothing until `open` is called"]
pub struct SqliteOptions {
    location: Location,
    ignored: BTreeMap<String, String>,
}

impl Sqlite {
    /// Opens the database at `path`, which must exist. [`create`](Self::create) creates a missing
    /// database.
    ///
    /// # Errors
    /// Returns an error if the file does not exist, or the path is not the path of an SQLite database. The
    /// error for a missing file suggests an existing file with a similar name.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        Self::options(path).open()
    }

    /// Opens the database at `path`, and creates an empty one if the file does not exist, for example to
    /// restore into it. The directory must exist. It is the same as
    /// `Sqlite::options(path).create_if_missing().open()`.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), koan_backup::Error> {
    /// use koan_backup::Sqlite;
    ///
    /// let restored = Sqlite::create("restored.db")?;
    /// # drop(restored);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Returns an error if the file cannot be created, or the path is not the path of an SQLite database.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self> {
        Self::options(path).create_if_missing().open()
    }

    /// Returns options for opening the database at `path`.
    pub fn options(path: impl Into<PathBuf>) -> SqliteOptions {
        SqliteOptions::new(path.into())
    }
}

impl SqliteOptions {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            location: Location {
                path,
                access: Access::Full,
                if_missing: IfMissing::Refuse,
                busy_timeout: BUSY_TIMEOUT,
                collations: Collations::default(),
                recomputed: Recomputed::default(),
            },
            ignored: BTreeMap::new(),
        }
    }

    /// Opens the file read-only. A restore then fails.
    pub fn read_only(mut self) -> Self {
        self.location.access = Access::ReadOnly;
        self
    }

    /// Creates an empty database if the file does not exist, for a restore into a new database. Without this
    /// option, a missing file is an error, because a backup of an empty database would succeed when the disk
    /// of the real database is not mounted. The directory must exist.
    pub fn create_if_missing(mut self) -> Self {
        self.location.if_missing = IfMissing::Create;
        self
    }

    /// Sets how long to wait for a database that another process has locked: at most 24 days. The default is
    /// 10 seconds.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.location.busy_timeout = timeout;
        self
    }

    /// Declares that a table intentionally belongs to no entity, with the reason. Boot reports do not warn
    /// about the table.
    pub fn ignore_table(mut self, table: impl Into<String>, reason: impl Into<String>) -> Self {
        self.ignored.insert(table.into(), reason.into());
        self
    }

    /// Defines a collation that the application's tables use. The collation must compare text in the same way
    /// as on the application's own connections.
    ///
    /// If a collation is unknown, SQLite cannot write a row of a table with an index that uses the collation,
    /// and a backup cannot determine whether two keys are the same.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), koan_backup::Error> {
    /// let by_letters = |one: &str, other: &str| one.to_lowercase().cmp(&other.to_lowercase());
    /// let shop = koan_backup::Sqlite::options("shop.db").collation("unicode_nocase", by_letters).open()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn collation(
        mut self,
        name: impl AsRef<str>,
        compare: impl Fn(&str, &str) -> Ordering + Send + Sync + 'static,
    ) -> Self {
        self.location.collations.add(name.as_ref(), Arc::new(compare));
        self
    }

    /// Declares a table, or a column as `table.column`, that triggers fill and that the application
    /// recomputes after a restore. `reason` describes how the application does so.
    ///
    /// Triggers do not fire during a restore. If triggers fill data that no archive contains and that SQLite
    /// cannot rebuild, a restore fails before it writes, unless the data is declared here. For declared data,
    /// the restore reports that it has to be recomputed.
    pub fn recomputed_after_restore(mut self, name: impl Into<String>, reason: impl Into<String>) -> Self {
        self.location.recomputed.add(name.into(), reason.into());
        self
    }

    /// Opens the database.
    ///
    /// # Errors
    /// Returns an error if the file does not exist and [is not to be created](Self::create_if_missing), the
    /// path is a directory, its directory does not exist, or the file is not an SQLite database. Also returns
    /// an error if an ignored table or recomputed data has no reason, or the busy timeout is longer than 24 days.
    pub fn open(self) -> Result<Sqlite> {
        if self.location.busy_timeout > MAX_BUSY_TIMEOUT {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!(
                    "the `busy_timeout` of database `{}` is longer than 24 days, which is the maximum; set a shorter \
                     time",
                    self.location.path.display()
                ),
            ));
        }
        if let Some((table, _)) = self.ignored.iter().find(|(_, reason)| reason.trim().is_empty()) {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!(
                    "table `{table}` is ignored without a reason; pass the reason why the table needs no \
                     backup to `ignore_table`"
                ),
            ));
        }
        if let Some(name) = self.location.recomputed.without_reason() {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!(
                    "`{name}` is declared as recomputed without a reason; pass a description of how the \
                     application recomputes it to `recomputed_after_restore`"
                ),
            ));
        }
        self.location.check_or_create()?;
        Ok(Sqlite::from_location(self.location, self.ignored))
    }
}
