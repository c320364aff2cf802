//! Opens connections to the database file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use koan_backup_core::{Error, ErrorKind, Result, similar_path};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::collation::Collations;
use super::derived::Recomputed;
use super::error::failed;
use super::pragmas::{Role, set_all};

/// The name under which the original database is attached to the temporary database of a dry run.
pub(super) const ORIGIN: &str = "koan_origin";

/// The characters that are percent-encoded in the path of a URI.
const ENCODED: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');

/// The prefix by which SQLite recognizes a URI instead of a path.
const URI_SCHEME: &[u8] = b"file:";

/// The suffixes of the files that SQLite creates beside a database.
const SIDE_FILES: [&[u8]; 3] = [b"-journal", b"-wal", b"-shm"];

/// The path of a database and the options for opening it.
#[derive(Clone, Debug)]
pub(super) struct Location {
    pub(super) path: PathBuf,
    pub(super) access: Access,
    pub(super) if_missing: IfMissing,
    pub(super) busy_timeout: Duration,
    /// The application's collations, in addition to SQLite's own.
    pub(super) collations: Collations,
    /// The data that triggers fill and that the application recomputes after a restore.
    pub(super) recomputed: Recomputed,
}

/// What happens if the database file does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IfMissing {
    /// Opening the database fails.
    Refuse,
    /// An empty database is created.
    Create,
}

/// The permitted access to the database file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Full,
    ReadOnly,
}

impl Location {
    /// Checks that there is a database at the path. If there is none and the options request it, creates an
    /// empty database.
    pub(super) fn check_or_create(&self) -> Result<()> {
        self.check_path()?;
        let connection = match self.access {
            Access::Full if self.if_missing == IfMissing::Create => {
                self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE, Role::Read)?
            }
            Access::Full | Access::ReadOnly => self.open_for_reading()?,
        };
        let version = connection.query_row("PRAGMA schema_version", [], |row| row.get::<_, i64>(0));
        version.map(drop).map_err(|error| failed(&self.path, "opening", error))
    }

    /// Opens a connection that only reads.
    ///
    /// If permitted, the file itself is opened for writing, because only then can SQLite recover the journal
    /// of a process that crashed.
    pub(super) fn open_for_reading(&self) -> Result<Connection> {
        let flags = match self.access {
            Access::Full => OpenFlags::SQLITE_OPEN_READ_WRITE,
            Access::ReadOnly => OpenFlags::SQLITE_OPEN_READ_ONLY,
        };
        let connection = self.connect(flags, Role::Read)?;
        connection
            .execute_batch("PRAGMA query_only = ON")
            .map_err(|error| failed(&self.path, "opening", error))?;
        Ok(connection)
    }

    /// Opens a connection that opens the file itself read-only.
    pub(super) fn open_read_only(&self) -> Result<Connection> {
        self.connect(OpenFlags::SQLITE_OPEN_READ_ONLY, Role::Read)
    }

    /// Opens a connection to an empty temporary database, to which the original database is attached as
    /// [`ORIGIN`], read-only. `reader` is a connection to the original database.
    pub(super) fn open_dry_run(&self, reader: &Connection) -> Result<Connection> {
        let opened = || {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
                | OpenFlags::SQLITE_OPEN_CREATE
                | OpenFlags::SQLITE_OPEN_URI
                | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags("", flags)?;
            // All databases of a connection have the same encoding, and it can only be set while they are
            // empty.
            let encoding: String = reader.query_row("PRAGMA encoding", [], |row| row.get(0))?;
            connection.execute_batch(&format!("PRAGMA encoding = '{encoding}'"))?;
            let connection = self.configured(connection, Role::Write)?;
            // An existing table may use syntax that SQLite no longer accepts in new tables.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, true)?;
            connection.execute(&format!("ATTACH DATABASE ?1 AS {ORIGIN}"), [self.read_only_uri()])?;
            Ok(connection)
        };
        opened().map_err(|error| failed(&self.path, "beginning the dry run", error))
    }

    /// Returns the URI with which SQLite opens the file read-only: <https://sqlite.org/uri.html>
    fn read_only_uri(&self) -> String {
        let path = percent_encoding::percent_encode(self.path.as_os_str().as_encoded_bytes(), ENCODED);
        format!("file:{path}?mode=ro")
    }

    /// Opens a connection that writes.
    pub(super) fn open_for_writing(&self) -> Result<Connection> {
        if self.access == Access::ReadOnly {
            return Err(Error::new(
                ErrorKind::Provider,
                format!(
                    "cannot restore into `{}`: the database was opened read-only; open it without `read_only`",
                    self.path.display()
                ),
            ));
        }
        self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE, Role::Write)
    }

    fn connect(&self, flags: OpenFlags, role: Role) -> Result<Connection> {
        let opened = Connection::open_with_flags(&self.path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX);
        let prepared = opened.and_then(|connection| self.configured(connection, role));
        prepared.map_err(|error| failed(&self.path, "opening", error))
    }

    fn configured(&self, connection: Connection, role: Role) -> rusqlite::Result<Connection> {
        connection.busy_timeout(self.busy_timeout)?;
        // A quoted name that is not a column must be an error, not a string.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        set_all(&connection, role)?;
        self.collations.define(&connection)?;
        Ok(connection)
    }

    fn check_path(&self) -> Result<()> {
        let path = &self.path;
        let is_missing = !path.exists();
        let (problem, remedy) = if path.as_os_str().is_empty() || path.as_os_str() == ":memory:" {
            (
                "is not a file, so each connection would open a separate empty database",
                "pass the path of a file",
            )
        } else if path.as_os_str().as_encoded_bytes().starts_with(URI_SCHEME) {
            ("is a URI", "pass the path of a file, without `file:` and without options")
        } else if path.is_dir() {
            ("is a directory", "pass the path of a file in it")
        } else if !parent_exists(path) {
            ("is in a directory that does not exist", "correct the path, or create the directory first")
        } else if !is_missing && !path.is_file() {
            ("is not a regular file", "pass the path of a file")
        } else if self.access == Access::ReadOnly && is_missing {
            (
                "does not exist, and a database that is opened read-only is not created",
                "correct the path, or open the database without `read_only`",
            )
        } else if self.if_missing == IfMissing::Refuse && is_missing {
            (
                "does not exist",
                "mount its disk, correct the path, or let the application create its database first; to \
                 restore into a new database, create it with `Sqlite::create`",
            )
        } else {
            return Ok(());
        };
        let similar = if is_missing { similar_path(path, is_database) } else { None };
        let similar = similar.map(|similar| format!("; did you mean `{}`?", similar.display()));
        let text = format!("SQLite database `{}` {problem}", path.display());
        let remedy = format!("{remedy}{}", similar.unwrap_or_default());
        Err(Error::new(ErrorKind::Configuration, text).with_help(remedy))
    }
}

/// Returns whether a path can be that of a database.
fn is_database(path: &Path) -> bool {
    let name = path.as_os_str().as_encoded_bytes();
    path.is_file() && !SIDE_FILES.iter().any(|suffix| name.ends_with(suffix))
}

fn parent_exists(path: &Path) -> bool {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.is_dir(),
        _ => true,
    }
}
