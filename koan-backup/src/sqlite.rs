//! SQLite as a provider, by the bundled `rusqlite`.
//!
//! - **Tables and columns** are matched by name: the entity's `table` or name, a field's `column` or serde name; exactly,
//!   else ignoring case and underscores. What is ambiguous is refused. A set `x` of an entity in table `T` is the table
//!   `T#x`.
//! - **Snapshots**: all entities are read in one read transaction, each in the order of its key. In WAL mode writers go on
//!   meanwhile; with a rollback journal they wait until the snapshot is dropped.
//! - **Types**: values are read as their field means them, whatever storage class they are in. Dates and times are text, a
//!   whole number of seconds since 1970 (or of the unit that the field's serde form counts), or a Julian day as REAL. A number
//!   after the year 2200 is refused where no unit is declared, because it may count milliseconds.
//! - **Physical form**: an archive records in which form each column holds its values, so that a restored row equals the
//!   lost one byte for byte. White space and the order of keys inside JSON text are not kept; the backup counts such values in a
//!   warning.
//! - **Keys** are one key if SQLite compares them equal: by the collations of the key's columns, or by those of an index that
//!   keeps these columns unique. A backup and a restore refuse two records of one key by name; a restore writes the key as the
//!   archive spells it.
//! - **Damage**: the rows that were read are compared with a scan of the table that uses no index, in the same snapshot, and every
//!   index is counted. Rows that an index hides or repeats fail the backup.
//! - **Restores** are one transaction. Foreign keys may be broken until the commit, deleting cascades nowhere, and triggers
//!   do not fire: what they did is in the archive already. Full-text indexes with external content are rebuilt within the
//!   transaction, with the rows that their triggers choose. What else triggers fill and no archive holds makes a restore fail before it writes, unless it is named with
//!   [`SqliteOptions::recomputed`].

mod bind;
mod catalog;
mod clauses;
mod collation;
mod column_type;
mod connection;
mod coverage;
mod ddl;
mod derived;
mod error;
mod form;
mod habit;
mod index_check;
mod key_equality;
mod mapping;
mod new_rows;
mod number;
mod options;
mod pragmas;
mod read;
mod references;
mod session;
mod snapshot;
mod thread;
mod unwritable;
mod viability;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use koan_backup_core::{
    Capabilities, EntityCodec, Finding, Provider, ProviderDescription, RestoreSession, RestoreTarget, Result,
    SessionOptions, Snapshot,
};

#[cfg(test)]
pub(crate) use ddl::declared_type;
pub use options::SqliteOptions;

use crate::sql::identifier;

use connection::Location;
use session::SqliteSession;
use snapshot::{Reader, SqliteSnapshot};
use thread::ConnectionThread;

/// An SQLite database whose tables are entities.
///
/// ```no_run
/// # fn main() -> Result<(), koan_backup::Error> {
/// use koan_backup::Sqlite;
///
/// let shop = Sqlite::open("shop.db")?;
/// let legacy = Sqlite::options("legacy.db").read_only().ignore_table("schema_migrations", "kept by sqlx").open()?;
/// # Ok(())
/// # }
/// ```
pub struct Sqlite {
    location: Location,
    ignored: Arc<BTreeMap<String, String>>,
}

impl Sqlite {
    /// Opens the database at `path`, which must exist: [`SqliteOptions::create_if_missing`] makes one.
    ///
    /// # Errors
    /// The file does not exist, the path is a directory, its directory does not exist, or the file is not an SQLite database.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        Self::options(path).open()
    }

    /// How to open the database at `path`.
    pub fn options(path: impl Into<PathBuf>) -> SqliteOptions {
        SqliteOptions::new(path.into())
    }

    /// The path of the database file.
    pub fn path(&self) -> &Path {
        &self.location.path
    }

    fn established(location: Location, ignored: BTreeMap<String, String>) -> Self {
        Self { location, ignored: Arc::new(ignored) }
    }

    /// A connection of its own for one question.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reader) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let location = self.location.clone();
        let thread = ConnectionThread::start(move || Reader::begin(location.reading()?, &location)).await?;
        thread.run(move |reader, _| question(reader)).await
    }
}

#[async_trait]
impl Provider for Sqlite {
    fn kind(&self) -> &'static str {
        "sqlite"
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.bulk_upsert = true;
        capabilities.bulk_delete = true;
        capabilities.atomic_restore = true;
        capabilities.snapshot_reads = true;
        capabilities.sets = true;
        capabilities.ordered_reads = true;
        capabilities.restore_optimisation = true;
        capabilities
    }

    fn source(&self) -> Option<String> {
        std::path::absolute(&self.location.path).ok().map(|path| path.display().to_string())
    }

    async fn describe(&self, entities: &[EntityCodec]) -> Result<ProviderDescription> {
        let (entities, ignored) = (entities.to_vec(), Arc::clone(&self.ignored));
        self.ask(move |reader| coverage::describe(reader, &entities, &ignored)).await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        Ok(Box::new(SqliteSnapshot::open(self.location.clone()).await?))
    }

    async fn assess(&self, targets: &[RestoreTarget], options: &SessionOptions) -> Result<Vec<Finding>> {
        let (targets, options, access) = (targets.to_vec(), options.clone(), self.location.access);
        self.ask(move |reader| viability::assess(reader, &targets, &options, access)).await
    }

    async fn begin_restore(&self, options: &SessionOptions) -> Result<Box<dyn RestoreSession>> {
        Ok(Box::new(SqliteSession::begin(self.location.clone(), options.clone()).await?))
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("path", &self.location.path).finish_non_exhaustive()
    }
}
