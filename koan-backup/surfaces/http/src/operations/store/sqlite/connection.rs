//! Opens the file of operations.

use std::path::Path;
use std::time::Duration;

use koan_backup_core::private_files::{ExistingFile, create_private_directories, open_private_file};
use koan_backup_core::{Error, ErrorKind, Result};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::failure::failed;
use super::schema;

/// How long a call waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How often the change to WAL mode is tried. SQLite does not wait for other connections in this case.
const MAX_WAL_ATTEMPTS: u32 = 50;
/// The time between two attempts to change to WAL mode.
const WAL_RETRY_DELAY: Duration = Duration::from_millis(100);

/// Opens the connection that writes, and creates the file, which only its owner can read, and its tables.
pub(super) fn open_writer(path: &Path) -> Result<Connection> {
    create_file(path)?;
    let mut connection = open(path)?;
    // A file of a newer version must not be changed at all. The transaction makes the reads consistent while another
    // process creates the tables.
    let unchanged = connection.unchecked_transaction();
    let unchanged = unchanged.map_err(|error| failed(path, "opening the file of operations", error))?;
    schema::check(path, &unchanged)?;
    drop(unchanged);
    enter_wal_mode(path, &connection)?;
    schema::create(path, &mut connection)?;
    Ok(connection)
}

/// Opens the connection that reads. The file exists.
pub(super) fn open_reader(path: &Path) -> Result<Connection> {
    let connection = open(path)?;
    let restricted = connection.pragma_update(None, "query_only", true);
    restricted.map_err(|error| failed(path, "opening the file of operations", error))?;
    Ok(connection)
}

fn create_file(path: &Path) -> Result<()> {
    let created = path.parent().map_or(Ok(()), create_private_directories);
    let created = created.and_then(|()| open_private_file(path, ExistingFile::Kept));
    created.map(drop).map_err(|source| {
        let text = format!("the file of operations `{}` cannot be opened", path.display());
        Error::with_source(ErrorKind::Storage, text, source)
            .with_help("set a state directory that this process can write with `.state_directory(…)`")
    })
}

fn open(path: &Path) -> Result<Connection> {
    let configured = || {
        // The file exists, so that this flag set never creates one with other permissions.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "trusted_schema", false)?;
        Ok(connection)
    };
    configured().map_err(|error| failed(path, "opening the file of operations", error))
}

fn enter_wal_mode(path: &Path, connection: &Connection) -> Result<()> {
    let mut attempt = 0;
    let mode = loop {
        attempt += 1;
        let mode = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0));
        match mode {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && attempt < MAX_WAL_ATTEMPTS =>
            {
                std::thread::sleep(WAL_RETRY_DELAY);
            }
            mode => break mode.map_err(|error| failed(path, "opening the file of operations", error))?,
        }
    };
    if mode.eq_ignore_ascii_case("wal") {
        return Ok(());
    }
    let text = format!("the file of operations `{}` cannot use a write-ahead log", path.display());
    Err(Error::new(ErrorKind::Storage, text)
        .with_help("set a state directory on a local disk with `.state_directory(…)`"))
}
