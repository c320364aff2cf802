//! The provider [`Sqlite`], which an application opens.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use koan_backup_core::{
    Result,
    entity::EntityCodec,
    event_store::EventStoreCapabilities,
    provider::{
        Capabilities, DatabaseSchema, Finding, Provider, ProviderDescription, ProviderDiagnosis,
        RestoreSession, RestoreTarget, SessionOptions, Snapshot, blocking,
    },
    storage::MachineState,
};

use crate::connection::Location;
use crate::session::SqliteSession;
use crate::snapshot::{Reader, SqliteSnapshot};
use crate::thread::ConnectionThread;
use koan_backup_sql::event_tables::EventTables;

/// An SQLite database whose tables contain the records of entities.
///
/// ```
/// use koan_backup::Sqlite;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # std::env::set_current_dir(folder.path())?;
/// # for file in ["shop.db", "legacy.db"] {
/// #     rusqlite::Connection::open(file)?.execute_batch("CREATE TABLE schema_migrations (version INTEGER)")?;
/// # }
///
/// let shop = Sqlite::open("shop.db")?;
/// let legacy = Sqlite::options("legacy.db").read_only().ignore_table("schema_migrations", "maintained by sqlx").open()?;
/// assert!(Sqlite::open("misspelt.db").is_err());
/// # Ok(())
/// # }
/// ```
pub struct Sqlite {
    pub(crate) location: Location,
    ignored: Arc<BTreeMap<String, String>>,
    /// The tables of the event store, if the database contains one.
    event_tables: Option<Arc<EventTables>>,
}

impl Sqlite {
    /// Returns the path of the database file.
    pub fn path(&self) -> &Path {
        &self.location.path
    }

    /// Declares that the database contains an event store in these tables. Backups read the events in the same snapshot
    /// as the entities, and restores write them in the same transaction. Triggers of the tables do not fire then.
    ///
    /// ```
    /// use koan_backup::{Sqlite, event_store::{CqrsEs, EventTables}};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # std::env::set_current_dir(folder.path())?;
    /// # rusqlite::Connection::open("shop.db")?.execute_batch("CREATE TABLE other (id INTEGER)")?;
    ///
    /// // The tables of the crate `cqrs-es`.
    /// let shop = Sqlite::open("shop.db")?.event_store(CqrsEs::tables());
    ///
    /// // A table of your own.
    /// let tables = EventTables::new("event_log")
    ///     .object_id_column("stream")
    ///     .timestamp_column("recorded_at")
    ///     .position_column("position");
    /// let ledger = Sqlite::open("shop.db")?.event_store(tables);
    /// # drop((shop, ledger));
    /// # Ok(())
    /// # }
    /// ```
    pub fn event_store(mut self, tables: EventTables) -> Self {
        self.event_tables = Some(Arc::new(tables));
        self
    }

    /// Creates the provider for a database whose path and options have been checked.
    pub(crate) fn from_location(location: Location, ignored: BTreeMap<String, String>) -> Self {
        Self { location, ignored: Arc::new(ignored), event_tables: None }
    }

    /// Runs a function in a read transaction on a new connection.
    async fn query<T: Send + 'static>(
        &self,
        query_job: impl FnOnce(&Reader) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let location = self.location.clone();
        let thread =
            ConnectionThread::start(move || Reader::begin(location.open_for_reading()?, &location)).await?;
        thread.run(move |reader, _| query_job(reader)).await
    }
}

#[async_trait]
impl Provider for Sqlite {
    fn kind(&self) -> &'static str {
        "sqlite"
    }

    fn capabilities(&self) -> Capabilities {
        koan_backup_sql::capabilities()
    }

    fn source(&self) -> Option<String> {
        std::path::absolute(&self.location.path).ok().map(|path| path.display().to_string())
    }

    fn database(&self) -> Option<String> {
        self.location.path.file_name().map(|name| name.to_string_lossy().into_owned())
    }

    fn event_store(&self) -> Option<EventStoreCapabilities> {
        self.event_tables.as_ref().map(|tables| tables.capabilities())
    }

    async fn describe(&self, entities: &[EntityCodec]) -> Result<ProviderDescription> {
        let (entities, ignored) = (entities.to_vec(), Arc::clone(&self.ignored));
        let event_tables = self.event_tables.clone();
        self.query(move |reader| {
            let mut description = crate::coverage::describe(reader, &entities, &ignored)?;
            if let Some(names) = &event_tables {
                let tables = reader.store_tables(names)?;
                crate::event_store::refuse_shared_tables(tables, &mut description.entities);
                crate::event_store::add_to_description(tables, &ignored, &mut description);
            }
            Ok(description)
        })
        .await
    }

    async fn diagnose(&self, entities: &[EntityCodec], _: &MachineState) -> Result<ProviderDiagnosis> {
        let mut diagnosis = ProviderDiagnosis::new(self.describe(entities).await?);
        let location = self.location.clone();
        let finding =
            blocking("examines the database file", move || crate::diagnosis::not_writable(&location));
        diagnosis.findings.extend(finding.await?);
        Ok(diagnosis)
    }

    async fn database_schema(&self) -> Result<DatabaseSchema> {
        let (ignored, event_tables) = (Arc::clone(&self.ignored), self.event_tables.clone());
        self.query(move |reader| {
            let tables = event_tables.as_ref().map(|names| reader.store_tables(names)).transpose()?;
            let is_event_table =
                |table: &str| tables.is_some_and(|tables| crate::event_store::is_event_table(tables, table));
            let is_omitted =
                |table: &str| crate::coverage::is_ignored(&ignored, table) || is_event_table(table);
            crate::database_schema::describe(reader, &is_omitted)
        })
        .await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        Ok(Box::new(SqliteSnapshot::open(self.location.clone(), self.event_tables.clone()).await?))
    }

    async fn assess(&self, targets: &[RestoreTarget], options: &SessionOptions) -> Result<Vec<Finding>> {
        let (targets, options, access) = (targets.to_vec(), options.clone(), self.location.access);
        self.query(move |reader| crate::viability::assess(reader, &targets, &options, access)).await
    }

    async fn begin_restore(&self, options: &SessionOptions) -> Result<Box<dyn RestoreSession>> {
        Ok(Box::new(
            SqliteSession::begin(self.location.clone(), options.clone(), self.event_tables.clone()).await?,
        ))
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("path", &self.location.path).finish_non_exhaustive()
    }
}
